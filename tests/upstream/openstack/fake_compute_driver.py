"""The many-nodes driver under Nova's own classes; run with Nova's Python, in an empty folder.

python -m unittest fake_compute_driver
"""

import json
import subprocess
import sys
import textwrap
import unittest
from pathlib import Path

import os_resource_classes as orc
from nova import exception, objects, test
from nova.compute import provider_tree
from nova.virt import driver as virt
from nova.virt import fake
from oslo_utils.fixture import uuidsentinel as uuids

from discovery.fake_compute import driver, settings
from discovery.fake_compute.loader import Loader

NODES = ["compute-7-node-001", "compute-7-node-002", "compute-7-node-003"]


def server(name, node, vcpus=2):
    flavor = objects.Flavor(vcpus=vcpus, memory_mb=512, root_gb=5, ephemeral_gb=0, swap=0)
    return objects.Instance(
        id=1, uuid=getattr(uuids, name), host="compute-7", node=node, flavor=flavor,
        user_id="u", project_id="p", system_metadata={},
    )  # fmt: skip


class ManyNodesTest(test.NoDBTestCase):
    def setUp(self):
        super().setUp()
        Loader(None, None, None)
        virt.CONF.register_opts(settings.OPTIONS, group=settings.GROUP)
        self.flags(count=3, vcpus=8, memory_mb=4096, disk_gb=100, group=settings.GROUP)
        self.flags(compute_driver="discovery.ManyNodes")
        self.driver = virt.load_compute_driver(fake.FakeVirtAPI())
        self.driver.init_host("compute-7")

    def spawn(self, instance):
        image = objects.ImageMeta.from_dict({})
        self.driver.spawn(None, instance, image, [], None, {}, network_info=None)

    def used(self, node):
        found = self.driver.get_available_resource(node)
        return found["vcpus_used"], found["memory_mb_used"], found["local_gb_used"]

    def test_nova_loads_it_by_its_option(self):
        assert isinstance(self.driver, driver.ManyNodes)
        assert isinstance(self.driver, virt.ComputeDriver)

    def test_nodes_are_named_and_known_by_uuid(self):
        assert self.driver.get_available_nodes() == NODES
        by_uuid = self.driver.get_nodenames_by_uuid()
        assert sorted(NODES) == sorted(by_uuid.values())
        for uuid, node in by_uuid.items():
            assert uuid == self.driver.get_available_resource(node)["uuid"]
            assert self.driver.node_is_available(node)

    def test_uuids_outlive_a_restart_and_are_the_hosts_own(self):
        again = virt.load_compute_driver(fake.FakeVirtAPI())
        again.init_host("compute-7")
        assert self.driver.get_nodenames_by_uuid() == again.get_nodenames_by_uuid()
        again.init_host("compute-8")
        assert not set(self.driver.get_nodenames_by_uuid()) & set(again.get_nodenames_by_uuid())

    def test_nova_makes_compute_nodes_of_what_it_tells(self):
        for node in NODES:
            told = self.driver.get_available_resource(node)
            made = objects.ComputeNode()
            told["host_ip"] = "127.0.0.1"
            made.update_from_virt_driver(told)
            assert made.hypervisor_hostname == node
            assert (made.vcpus, made.memory_mb, made.local_gb) == (8, 4096, 100)

    def test_a_node_of_somebody_else_has_nothing(self):
        assert self.driver.get_available_resource("compute-8-node-001") == {}

    def test_every_node_has_its_inventory(self):
        tree = provider_tree.ProviderTree()
        for node in NODES:
            tree.new_root(node, driver.node_uuid(node))
        for node in NODES:
            self.driver.update_provider_tree(tree, node)
        for node in NODES:
            inventory = tree.data(node).inventory
            totals = {name: entry["total"] for name, entry in inventory.items()}
            assert totals == {orc.VCPU: 8, orc.MEMORY_MB: 4096, orc.DISK_GB: 100}
            assert inventory[orc.VCPU]["max_unit"] == 8

    def test_a_server_uses_its_own_node_and_gives_it_back(self):
        one, two = server("one", NODES[0]), server("two", NODES[2], vcpus=4)
        self.spawn(one)
        self.spawn(two)
        assert self.used(NODES[0]) == (2, 512, 5)
        assert self.used(NODES[1]) == (0, 0, 0)
        assert self.used(NODES[2]) == (4, 512, 5)
        assert [two.uuid] == self.driver.servers_on(NODES[2])
        assert {one.uuid, two.uuid} == set(self.driver.list_instance_uuids())
        self.driver.destroy(None, two, None)
        assert self.used(NODES[2]) == (0, 0, 0)
        assert self.used(NODES[0]) == (2, 512, 5)
        assert [one.uuid] == self.driver.list_instance_uuids()

    def test_what_is_done_twice_counts_once(self):
        one = server("one", NODES[1])
        self.spawn(one)
        self.spawn(one)
        assert self.used(NODES[1]) == (2, 512, 5)
        self.driver.destroy(None, one, None)
        self.driver.destroy(None, one, None)
        assert self.used(NODES[1]) == (0, 0, 0)

    def test_a_node_that_is_not_there_runs_nothing(self):
        lost = server("lost", "compute-9-node-001")
        self.assertRaises(exception.ComputeHostNotFound, self.spawn, lost)  # noqa: PT027
        assert self.driver.list_instance_uuids() == []

    def test_too_many_nodes_are_refused(self):
        self.assertRaises(ValueError, self.flags, count=1000, group=settings.GROUP)  # noqa: PT027


class EntryPointTest(unittest.TestCase):
    def test_nova_finds_it_by_its_configuration(self):
        file = Path("nova-compute.conf").absolute()
        file.write_text(
            "[DEFAULT]\ntransport_url = fake:/\nhost = compute-1\n"
            "compute_driver = discovery.ManyNodes\n"
            "[oslo_messaging_notifications]\ndriver = discovery-nodes\n"
            "[discovery_nodes]\ncount = 2\nvcpus = 4\n"
        )
        code = textwrap.dedent(
            """
            import json, sys
            from nova import monkey_patch
            monkey_patch.patch(backend="threading")
            from nova import config, objects
            from nova.virt import driver, fake
            config.parse_args(["nova-compute", "--config-file", sys.argv[1]])
            made = driver.load_compute_driver(fake.FakeVirtAPI())
            made.init_host("compute-1")
            print(json.dumps([made.get_available_nodes(), made.vcpus]))
            """
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        nodes, vcpus = json.loads(done.stdout.splitlines()[-1])
        assert (nodes, vcpus) == (["compute-1-node-001", "compute-1-node-002"], 4)
