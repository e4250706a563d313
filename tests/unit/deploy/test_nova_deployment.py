from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from discovery.deploy import dumps
from discovery.deploy.backends import BACKENDS
from discovery.deploy.credentials import Secrets
from discovery.deploy.dumps import dump_of
from discovery.deploy.nova import NovaDeployment, NovaSettings, nova_memory_mb, roles_of
from discovery.deploy.playbook import ANSIBLE
from discovery.deploy.variants import NOVA_SERVICES, NOVA_VARIANTS
from discovery.errors import DeployError
from discovery.experiment.models import KeystoneSettings
from discovery.testbed.leases import Node, places

KEYSTONE = KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=1)
AWAIT = ANSIBLE / "deploy" / "files" / "await_units.py"


def deployment(name: str, sites: int = 3, **settings: object) -> NovaDeployment:
    variant = NOVA_VARIANTS[name]
    counts: dict[str, int] = {}
    nodes = []
    for place in places(roles_of(variant, sites)):
        counts[place.site] = counts.get(place.site, 10) + 1
        address = f"10.9.{place.site[-1]}.{counts[place.site]}"
        nodes.append(Node(place.alias, place.site, place.role, address, None))
    return NovaDeployment(variant, tuple(nodes), "0123", Path("log"), NovaSettings(**settings))


def test_one_database_is_reached_by_all_and_a_cluster_at_each_site():
    deployed = deployment("redis-nova")
    (at_two,) = [node for node in deployed.of("control") if node.site == "site-2"]
    urls = deployed.database_urls(at_two)
    assert list(urls) == list(NOVA_SERVICES)
    assert urls["keystone"] == (
        f"mysql+pymysql://openstack:{deployed.secrets.store}@10.9.1.14/keystone?charset=utf8mb3"
    )
    assert urls["nova_cell1"] == (
        f"rome://openstack:{deployed.secrets.store}@10.9.2.13/nova_cell1?cluster=true&host=10.9.1.14,10.9.3.13"
    )


def test_only_romes_urls_say_that_its_readers_are_told():
    deployed = deployment("redis-nova-push")
    urls = deployed.database_urls(deployed.of("control")[0])
    told = {service for service, url in urls.items() if url.endswith("&fresh=push")}
    assert told == {"placement", "nova_api", "nova_cell0", "nova_cell1"}
    assert "fresh" not in urls["keystone"]


def test_redis_all_has_no_mariadb_and_gives_every_service_romes_url():
    deployed = deployment("redis-all")
    for node in (deployed.master, *deployed.of("control")):
        urls = deployed.database_urls(node)
        assert {service: url.partition("://")[0] for service, url in urls.items()} == dict.fromkeys(
            NOVA_SERVICES, "rome"
        )
    assert not [unit for units in deployed.units.values() for unit in units if "mariadb" in unit]


def test_each_site_is_a_region_with_its_own_nova_and_the_masters_services():
    regions = deployment("vanilla").regions
    assert list(regions) == ["site-1", "site-2", "site-3"]
    assert regions["site-2"] == {
        "identity": "http://10.9.1.11:5000/v3",
        "image": "http://10.9.1.11:9292",
        "network": "http://10.9.1.11:9696",
        "placement": "http://10.9.2.11:8778",
        "compute": "http://10.9.2.11:8774/v2.1",
    }


def test_the_units_of_a_node_are_its_services_and_its_servers():
    units = deployment("redis-nova").units
    assert units["site-1-database"] == ("discovery-mariadb", "discovery-redis")
    assert units["site-2-database"] == ("discovery-redis",)
    assert units["site-2-compute"] == ("discovery-nova-compute",)
    assert "discovery-rabbitmq" in units["site-1-master"]
    assert not [alias for alias in units if alias.endswith("client")]


def test_memory_grows_with_sites_workers_and_servers():
    settings = NovaSettings()
    vanilla, redis = NOVA_VARIANTS["vanilla"], NOVA_VARIANTS["redis-nova"]
    assert nova_memory_mb(vanilla, 1, settings) == 700 + 750 + 180 + 1 + 210 + 25 + 200
    assert nova_memory_mb(vanilla, 3, settings) > nova_memory_mb(vanilla, 2, settings)
    assert nova_memory_mb(redis, 3, settings) > nova_memory_mb(vanilla, 3, settings)
    assert nova_memory_mb(redis, 3, NovaSettings(workers=2)) > nova_memory_mb(redis, 3, settings)
    everything = nova_memory_mb(NOVA_VARIANTS["redis-all"], 3, settings)
    mariadb, masters_replicas = BACKENDS["mariadb"].memory_mb, 150
    assert everything == nova_memory_mb(redis, 3, settings) + masters_replicas - mariadb
    one_more = nova_memory_mb(redis, 1, settings, 4) - nova_memory_mb(redis, 1, settings, 3)
    assert one_more == 25 + BACKENDS["rome-cluster"].memory_mb


def test_a_dump_is_told_by_the_services_in_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    mariadb = BACKENDS["mariadb"]
    nova = dump_of(mariadb, KEYSTONE, tuple(NOVA_SERVICES))
    assert nova != dump_of(mariadb, KEYSTONE)
    assert nova == dump_of(BACKENDS["galera"], KEYSTONE, tuple(NOVA_SERVICES))
    some, more = (
        dump_of(BACKENDS["rome-cluster"], KEYSTONE, NOVA_VARIANTS[name].stores["rome-cluster"])
        for name in ("redis-nova", "redis-all")
    )
    assert some != more


def test_a_services_user_has_the_services_roles_and_is_in_no_dump_of_keystone_alone():
    alone = {user["username"] for user in dumps.identities(KEYSTONE, Secrets.fresh())["users"]}
    assert "nova" not in alone
    users = dumps.identities(KEYSTONE, Secrets.fresh(), tuple(NOVA_SERVICES))["users"]
    (nova,) = [user for user in users if user["username"] == "nova"]
    assert (nova["project_name"], nova["roles"]) == ("service", ["admin", "service"])


def test_a_unit_that_is_late_is_named_with_its_last_words(monkeypatch):
    deployed = deployment("vanilla")
    told = {
        "await": {"late": [["discovery-nova-api", "it is activating"]]},
        "diagnose": "discovery-nova-api is activating\nTraceback\n  frame\nOSError: no such host\n",
    }

    def run(name, nodes, **variables):
        stdout = told[name] if name == "diagnose" else json.dumps(told[name])
        return [SimpleNamespace(host="site-1-control", payload={"stdout": stdout})]

    monkeypatch.setattr(NovaDeployment, "run", lambda self, *args, **named: run(*args, **named))
    with pytest.raises(DeployError) as raised:
        deployed.await_units(300)
    assert str(raised.value) == (
        "site-1-control: discovery-nova-api is not up after 300 s: it is activating;"
        " discovery-nova-api is activating: Traceback | OSError: no such host; look further with"
        " `discovery testbed run 'journalctl -u discovery-nova-api' --on site-1-control`"
    )


@pytest.mark.parametrize(
    ("state", "url", "why"),
    [
        ("inactive", "", "it is inactive"),
        ("failed", "http://127.0.0.1:9/", "it is failed"),
        ("active", "http://127.0.0.1:9/", "http://127.0.0.1:9/ does not answer: [Errno 111]"),
        ("active", "tcp://127.0.0.1:9", "tcp://127.0.0.1:9 does not answer: [Errno 111]"),
    ],
)
def test_a_unit_is_late_until_it_is_up_and_answers(tmp_path, state, url, why):
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho {state}\n")
    systemctl.chmod(0o755)
    question = json.dumps({"units": {"discovery-x": url}, "seconds": 0.1})
    done = subprocess.run(
        [sys.executable, str(AWAIT), question],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    ((unit, found),) = json.loads(done.stdout)["late"]
    assert unit == "discovery-x"
    assert found.startswith(why)
