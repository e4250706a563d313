"""A Nova over two local sites, on MariaDB and then all on Redis, is what it says it is."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from discovery.deploy.nova import (
    NovaDeployment,
    NovaSettings,
    deploy_nova,
    nova_memory_mb,
    roles_of,
)
from discovery.deploy.nova.deployment import FLAVORS, IMAGE
from discovery.deploy.variants import NOVA_SERVICES, NOVA_VARIANTS
from discovery.errors import DeployError
from discovery.experiment.models import DatabaseSettings, KeystoneSettings
from discovery.rome.integrity import check
from discovery.rome.urls import settings_of
from discovery.testbed import Lease, Node, lease, load_testbed
from tests import exposure

pytestmark = [pytest.mark.root, pytest.mark.timeout(900)]

KEYSTONE = KeystoneSettings(cache="memcached", bcrypt_rounds=4, processes=2, threads=2)
REDIS = NOVA_VARIANTS["redis-all"]

# Every file of the wheels, against the checksum that it was delivered with.
UNTOUCHED = """
import base64, csv, hashlib, importlib.metadata
for name in ("nova", "openstack-placement", "keystone", "glance", "neutron"):
    wheel = importlib.metadata.distribution(name)
    checked = 0
    for path in wheel.files:
        if path.hash and "__pycache__" not in str(path) and not str(path).startswith(".."):
            digest = hashlib.new(path.hash.mode, path.locate().read_bytes()).digest()
            assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == path.hash.value, path
            checked += 1
    print(name, checked)
"""


class Clock:
    """Keeps what each phase took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - began


@pytest.fixture
def held(local_file: Path, own_home: Path, node_image: Path) -> Iterator[Lease]:
    """Two sites with nodes for a Redis Cluster, in a state folder that shares image and dumps."""
    (own_home / "images").symlink_to(node_image.parents[1])
    testbed, roles = load_testbed(local_file), roles_of(REDIS, 2)
    with lease(testbed, sites=2, purpose="nova deploy test", roles=roles) as nodes:
        yield nodes


def on(node: Node, command: str, text: str = "") -> str:
    key = ["ssh", "-i", str(node.host.keyfile), "-o", "StrictHostKeyChecking=no"]
    options = ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    done = subprocess.run(
        [*key, *options, f"root@{node.host.address}", command],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def sql(deployment: NovaDeployment, statement: str) -> list[str]:
    ask = "mariadb --no-defaults --socket /run/discovery-mariadb/mariadb.sock -N"
    return on(deployment.of("database")[0], ask, statement).split()


def databases_in(node: Node, password: str) -> set[str]:
    """The databases of ROME that a Redis holds."""
    ask = f"REDISCLI_AUTH={password} redis-cli --user openstack --no-auth-warning"
    return {key.split("{")[1].split("}")[0] for key in on(node, f"{ask} --scan").split()}


def told(
    deployment: NovaDeployment,
    path: str,
    service: str = "nova",
    *,
    method: str = "GET",
    body: object = None,
) -> dict[str, Any]:
    """What the API of ``service`` that the second site uses answers to an administrator."""
    url = {
        "nova": deployment.nova_urls["site-2"],
        "placement": deployment.placement_urls["site-2"],
        "neutron": f"http://{deployment.master.address}:9696/v2.0",
    }[service]
    question = {
        "keystone": deployment.keystone_url,
        "url": url + path,
        "method": method,
        "body": json.dumps(body) if body else None,
    }
    program = f"""
import json, urllib.request
question = json.loads({json.dumps(json.dumps(question))})
default = {{"id": "default"}}
user = {{"name": "admin", "domain": default, "password": {deployment.admin.password!r}}}
body = {{"auth": {{"identity": {{"methods": ["password"], "password": {{"user": user}}}},
         "scope": {{"project": {{"name": "admin", "domain": default}}}}}}}}
asked = urllib.request.Request(question["keystone"] + "/auth/tokens", method="POST",
    data=json.dumps(body).encode(), headers={{"Content-Type": "application/json"}})
token = urllib.request.urlopen(asked, timeout=60).headers["X-Subject-Token"]
headers = {{"X-Auth-Token": token, "OpenStack-API-Version": "placement 1.1",
           "Content-Type": "application/json"}}
asked = urllib.request.Request(question["url"], method=question["method"], headers=headers)
asked.data = question["body"].encode() if question["body"] else None
print(urllib.request.urlopen(asked, timeout=60).read().decode() or "null")
"""
    return json.loads(on(deployment.of("control")[1], "python3 -", program))


def zones_of(deployment: NovaDeployment) -> set[str]:
    """The availability zones of the computes."""
    return {
        zone["zoneName"]
        for zone in told(deployment, "/os-availability-zone")["availabilityZoneInfo"]
    }


def aggregates_of(deployment: NovaDeployment) -> dict[str, list[str]]:
    """The aggregates of every node, as Placement knows them."""
    path = "/resource_providers"
    return {
        provider["name"]: told(deployment, f"{path}/{provider['uuid']}/aggregates", "placement")[
            "aggregates"
        ]
        for provider in told(deployment, path, "placement")["resource_providers"]
    }


def assert_all_is_on_redis(deployment: NovaDeployment) -> None:
    """Each database lies on one of the two masters, and no MariaDB runs any more."""
    servers = deployment.servers("rome-cluster")
    assert [node.alias for node in servers] == ["site-1-database", "site-2-database"]
    one, two = (databases_in(node, deployment.secrets.store) for node in servers)
    assert one == {"nova_cell1", "placement", "keystone", "glance"}
    assert two == {"nova_api", "nova_cell0", "neutron"}
    assert one | two == {*NOVA_SERVICES}
    for node in deployment.nodes:
        assert "mariadbd" not in on(node, "cat /proc/[0-9]*/comm").split()


def ports_of(deployment: NovaDeployment) -> list[tuple[str, str, str, str]]:
    """Server, host, status and address of each of Neutron's ports."""
    return [
        (port["device_id"], port["binding:host_id"], port["status"], address["ip_address"])
        for port in told(deployment, "/ports", "neutron")["ports"]
        for address in port["fixed_ips"]
    ]


def awaited(deployment: NovaDeployment, server: str, status: str | None) -> dict[str, Any]:
    """The server as soon as it has that status, or the last list if it is to be gone."""
    for _ in range(60):
        found = {one["id"]: one for one in told(deployment, "/servers/detail")["servers"]}
        if found.get(server, {}).get("status") == status:
            return found.get(server, {})
        time.sleep(0.5)
    raise AssertionError(found)


def assert_a_server_has_its_port_while_it_is_there(deployment: NovaDeployment) -> None:
    """Neutron makes a network, a subnet and a server's port, and removes the port with it."""
    body: dict[str, Any] = {"network": {"name": "net"}}
    network = told(deployment, "/networks", "neutron", method="POST", body=body)["network"]["id"]
    body = {"subnet": {"network_id": network, "ip_version": 4, "cidr": "172.20.0.0/24"}}
    told(deployment, "/subnets", "neutron", method="POST", body=body)
    body = {
        "server": {
            "name": "with-a-port",
            "imageRef": IMAGE["id"],
            "flavorRef": FLAVORS[0]["id"],
            "networks": [{"uuid": network}],
        }
    }
    server = told(deployment, "/servers", method="POST", body=body)["server"]["id"]
    host = awaited(deployment, server, "ACTIVE")["OS-EXT-SRV-ATTR:host"]
    ((device, bound, status, address),) = ports_of(deployment)
    assert (device, bound, status) == (server, host, "ACTIVE")
    assert address.startswith("172.20.0.")
    told(deployment, f"/servers/{server}", method="DELETE")
    awaited(deployment, server, None)
    assert ports_of(deployment) == []


def test_a_nova_over_two_sites_on_mariadb_and_then_all_on_redis(held, tmp_path):
    flat = Clock()
    vanilla = NOVA_VARIANTS["vanilla"]
    with exposure.watched() as arguments:
        first = deploy_nova(held, vanilla, KEYSTONE, DatabaseSettings(), NovaSettings(), flat)
        first.check_health()
    servers = {"uwsgi", "mariadbd", "beam.smp", "epmd"}
    exposure.assert_nothing_is_shown(first, held.nodes, arguments, servers)
    print("vanilla", {name: round(seconds, 1) for name, seconds in flat.seconds.items()})
    assert "deploy:install" not in flat.seconds
    assert sorted(sql(first, "SELECT host FROM nova_cell1.compute_nodes")) == [
        "site-1-compute",
        "site-2-compute",
    ]
    # Both sites' servers were booted, and are gone: from Nova and from Placement.
    gone = "SELECT count(*) FROM nova_cell1.instances WHERE deleted"
    assert sql(first, f"{gone} <> 0; {gone} = 0") == ["2", "0"]
    assert sql(first, "SELECT count(*) FROM placement.allocations") == ["0"]
    assert zones_of(first) == {"nova"}

    zoned = Clock()
    settings = NovaSettings(zones=True, fake_nodes=2)
    with exposure.watched() as arguments:
        second = deploy_nova(held, REDIS, KEYSTONE, DatabaseSettings(), settings, zoned)
        second.check_health()
    exposure.assert_nothing_is_shown(second, held.nodes, arguments, {"redis-server"})
    print("redis-all", {name: round(seconds, 1) for name, seconds in zoned.seconds.items()})
    assert_all_is_on_redis(second)
    assert zones_of(second) == {"site-1", "site-2"}
    zone_of = aggregates_of(second)
    assert len(zone_of) == 4
    assert {len(zones) for zones in zone_of.values()} == {1}
    assert len({zone for zones in zone_of.values() for zone in zones}) == 2

    for node in (second.master, second.of("control")[1]):
        checked = on(node, "/opt/openstack/bin/python -", UNTOUCHED).split()
        assert all(int(number) > 100 for number in checked[1::2])

    assert_a_server_has_its_port_while_it_is_there(second)
    for url in second.database_urls(second.master).values():
        assert check(settings_of(url)).violations == ()

    versions = second.versions()
    assert versions["nova"] == "34.0.0"
    assert versions["rabbitmq-server"].startswith("3.10")
    second.logs(tmp_path)
    assert "nova-scheduler" in (tmp_path / "site-2-control.log").read_text()
    # Nobody was refused because another one logged the same user in at that moment.
    assert "ERROR keystone" not in (tmp_path / "site-1-master.log").read_text()

    used = sum(
        int(line)
        for node in held.nodes
        for line in on(node, "cat /proc/[0-9]*/smaps_rollup | awk '/^Pss:/{print $2}'").split()
    )
    print(f"{used / 1024:.0f} MB on all nodes, unloaded")
    assert used / 1024 < nova_memory_mb(REDIS, 2, settings)

    # A unit that is down is named, with its last words and where there are more.
    on(second.of("control")[1], "systemctl stop discovery-nova-scheduler")
    with pytest.raises(DeployError) as raised:
        second.await_units(20)
    message = str(raised.value)
    # What it is depends on the code that it ended with when it was stopped.
    assert "site-2-control: discovery-nova-scheduler is not up" in message
    assert "it is inactive" in message or "it is failed" in message
    assert "journalctl -u discovery-nova-scheduler' --on site-2-control" in message
    assert "\n" not in message
