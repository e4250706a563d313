from __future__ import annotations

import pytest

from discovery.deploy.backends import BACKENDS
from discovery.deploy.nova.layout import homes, ours_on, roles_of, servers_of
from discovery.deploy.variants import NOVA_SERVICES, NOVA_VARIANTS, variant
from discovery.errors import ConfigError
from discovery.testbed.leases import Node, places

MARIADB = [*NOVA_SERVICES]
ROLE_KINDS = ("master", "control", "compute", "database", "client")


def without(*services: str) -> list[str]:
    return [service for service in MARIADB if service not in services]


def nodes_of(name: str, sites: int, redis_nodes: int | None = None) -> list[Node]:
    wanted = places(roles_of(NOVA_VARIANTS[name], sites, redis_nodes))
    return [
        Node(place.alias, place.site, place.role, f"10.9.{place.site[-1]}.{number}", None)
        for number, place in enumerate(wanted, 11)
    ]


@pytest.mark.parametrize("name", NOVA_VARIANTS)
def test_a_variant_has_a_back_end_for_every_service(name):
    known = NOVA_VARIANTS[name]
    assert known.name == name
    assert list(known.backends) == list(NOVA_SERVICES)
    assert set(known.backends.values()) <= set(BACKENDS)
    assert all(BACKENDS[backend].dump for backend in known.stores)


def test_redis_all_has_nothing_but_a_redis_cluster():
    assert NOVA_VARIANTS["redis-all"].stores == {"rome-cluster": tuple(NOVA_SERVICES)}


@pytest.mark.parametrize(
    ("stores", "key", "value", "told"),
    [
        (
            {"mariadb": MARIADB, "rome": ["placement"]},
            "rome",
            "placement",
            "also named under mariadb",
        ),
        ({"mariadb": [*MARIADB, "glance"]}, "mariadb", "glance", "also named under mariadb"),
        ({"mariadb": without("glance")}, "glance", None, "glance is on no back end"),
        ({"oracle": MARIADB}, "oracle", None, "unknown back end"),
        ({"mariadb": [*MARIADB, "cinder"]}, "mariadb", "cinder", "unknown service"),
        (
            {"mariadb": without("neutron"), "cockroachdb": ["neutron"]},
            "cockroachdb",
            "neutron",
            "neutron does not run on cockroachdb",
        ),
        ({"postgresql": MARIADB}, "postgresql", "keystone", "keystone does not run on postgresql"),
        (
            {"mariadb": without("nova_cell1"), "rome": ["nova_cell1"]},
            "nova_cell0",
            "mariadb",
            "the two cells are apart",
        ),
    ],
)
def test_what_no_variant_can_be_is_one_error(stores, key, value, told):
    with pytest.raises(ConfigError) as raised:
        variant("mine", "Mine", stores, file="experiment.yaml")
    error = raised.value
    assert (str(error.file), error.key, error.value) == ("experiment.yaml", f"mine.{key}", value)
    assert told in error.message
    assert error.allowed
    assert "\n" not in str(error)


def test_replicas_are_those_of_a_redis_cluster():
    with pytest.raises(ConfigError, match="there is no Redis Cluster"):
        variant("mine", "Mine", {"mariadb": MARIADB}, replicas=1)


def test_only_readers_of_rome_can_be_told_what_is_new():
    with pytest.raises(ConfigError, match="nothing is on ROME"):
        variant("mine", "Mine", {"mariadb": MARIADB}, fresh="push")
    told = [known.name for known in NOVA_VARIANTS.values() if known.fresh == "push"]
    assert told == ["redis-nova-push"]


def test_only_site_1_has_a_master_and_the_one_database():
    assert roles_of(NOVA_VARIANTS["vanilla"], 3) == [
        ("master", "control", "compute", "database", "client"),
        ("control", "compute", "client"),
        ("control", "compute", "client"),
    ]


def test_a_store_of_every_site_has_a_node_at_each_and_its_replica_is_at_the_next():
    known = NOVA_VARIANTS["redis-nova-replicas"]
    nodes = nodes_of("redis-nova-replicas", 3)
    servers, replicas = servers_of("rome-cluster", known, nodes)
    assert [node.alias for node in servers] == [
        *(f"site-{site}-database" for site in (1, 2, 3)),
        *(f"site-{site}-database-2" for site in (1, 2, 3)),
    ]
    assert replicas == {
        "site-1-database-2": "site-3-database",
        "site-2-database-2": "site-1-database",
        "site-3-database-2": "site-2-database",
    }
    assert [node.alias for node in servers_of("mariadb", known, nodes)[0]] == ["site-1-database"]


def test_masters_on_one_site_have_nodes_of_their_own():
    known = NOVA_VARIANTS["redis-nova-replicas"]
    nodes = nodes_of("redis-nova-replicas", 2, 4)
    assert [node.site for node in nodes if node.role == "database"] == ["site-1"] * 8
    servers, replicas = servers_of("rome-cluster", known, nodes, 4)
    assert len(servers) == 8
    assert sorted(replicas.values()) == sorted(node.alias for node in servers[:4])
    assert not set(replicas) & set(replicas.values())


def test_a_clusters_databases_are_dealt_out_to_its_masters():
    services = NOVA_VARIANTS["redis-nova"].stores["rome-cluster"]
    assert homes(["a", "b", "c"], services) == {
        "nova_cell1": "a",
        "nova_api": "b",
        "placement": "c",
        "nova_cell0": "a",
    }


def test_every_database_of_a_cluster_has_a_home():
    services = NOVA_VARIANTS["redis-all"].stores["rome-cluster"]
    assert homes(["a", "b", "c"], services) == {
        "nova_cell1": "a",
        "nova_api": "b",
        "placement": "c",
        "nova_cell0": "a",
        "keystone": "b",
        "neutron": "c",
        "glance": "a",
    }


@pytest.mark.parametrize(
    ("service", "role"),
    [
        ("keystone", "master"),
        ("glance", "master"),
        ("neutron", "master"),
        ("placement", "control"),
        ("nova_api", "control"),
    ],
)
def test_whoever_has_a_service_on_rome_needs_its_driver(service, role):
    one = variant("mine", "Mine", {"mariadb": without(service), "rome": [service]})
    assert [kind for kind in ROLE_KINDS if ours_on(one, kind)] == [role]
