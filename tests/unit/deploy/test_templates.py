"""Every template renders with what the playbooks give it, and says what was asked."""

from __future__ import annotations

import configparser
import hashlib
import re
from dataclasses import replace

import pytest
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.engine import make_url

from discovery.cockroach.postgresql import SerializableDialect
from discovery.deploy.backends import BACKENDS
from discovery.deploy.credentials import Secrets
from discovery.deploy.nova.settings import NovaSettings
from discovery.deploy.playbook import ANSIBLE
from discovery.deploy.variants import NOVA_SERVICES
from discovery.experiment.models import DatabaseSettings
from discovery.replay.settings import read as settings_of_replay

DEPLOY = ANSIBLE / "deploy"
ROLES = DEPLOY / "roles"
SECRETS = Secrets.fresh()


def variables(role: str) -> dict[str, object]:
    found = yaml.safe_load((DEPLOY / "database-settings.yml").read_text())
    defaults = ROLES / role / "defaults" / "main.yml"
    if defaults.is_file():
        found |= yaml.safe_load(defaults.read_text())
    return {
        **found,
        "ansible_managed": "by a test",
        "inventory_hostname": "site-2-control",
        "database_hosts": ["site-1-control", "site-2-control"],
        "addresses": {"site-1-control": "10.9.1.11", "site-2-control": "10.9.2.11"},
        "database_slots": {"site-1-control": "0-8191", "site-2-control": "8192-16383"},
        "keystone_databases": {"site-2-control": "mysql+pymysql://a:b@10.9.1.11/keystone"},
        "keystone": {"cache": "dict", "bcrypt_rounds": 5, "processes": 2, "threads": 7},
        "services": list(NOVA_SERVICES),
        "bootstrap_databases": {name: f"rome://127.0.0.1/{name}" for name in NOVA_SERVICES},
        "databases": {
            "site-2-control": {name: f"rome://10.9.2.11/{name}" for name in NOVA_SERVICES}
        },
        "nova": NovaSettings(workers=3, threads=2).told,
        "keystone_url": "http://10.9.1.10:5000/v3",
        "placement_urls": {"site-2-control": "http://10.9.2.11:8778"},
        "nova_urls": {"site-2-control": "http://10.9.2.11:8774/v2.1"},
        "glance_url": "http://10.9.1.10:9292",
        "neutron_url": "http://10.9.1.10:9696",
        "transport_url": f"rabbit://openstack:{SECRETS.messages}@10.9.1.10:5672/",
        "service_users": {user.username: user.password for user in SECRETS.service_users},
        "store_password": SECRETS.store,
        "messages_password": SECRETS.messages,
        "sites": {"site-2-control": "site-2"},
        "service": "nova-conductor",
        "wsgi": {
            "user": "nova",
            "port": 8774,
            "module": "nova.wsgi.osapi_compute:application",
            "environment": "OS_NOVA_CONFIG_DIR=/etc/nova",
            "options": "",
            "processes": 3,
            "threads": 2,
        },
        "cockroach_program": "/opt/discovery-cockroach/0123/cockroach",
        "cockroach_localities": {"site-2-control": "zone=zone-2,site=site-2"},
    }


def render(role: str, template: str, **changes: object) -> str:
    environment = Environment(
        loader=FileSystemLoader(ROLES / role / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,
    )
    # Ansible's filters, as the templates use them.
    environment.filters["extract"] = lambda item, container: container[item]
    environment.filters["hash"] = lambda text, kind: hashlib.new(kind, text.encode()).hexdigest()
    environment.filters["regex_replace"] = lambda text, old, new: re.sub(old, new, text)
    given = variables(role) | changes
    # A default may be made of other variables, as in Ansible.
    for name, value in given.items():
        if isinstance(value, str) and "{{" in value:
            given[name] = environment.from_string(value).render(given)
    return environment.get_template(template).render(given)


ALL = sorted((path.parents[1].name, path.name) for path in ROLES.glob("*/templates/*"))


@pytest.mark.parametrize(("role", "template"), ALL)
def test_a_template_needs_nothing_that_is_not_given(role, template):
    assert render(role, template)


def ini(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    return parser


@pytest.mark.parametrize(
    ("cache", "driver"),
    [
        ("memcached", "dogpile.cache.pymemcache"),
        ("dict", "oslo_cache.dict"),
        ("none", "dogpile.cache.null"),
    ],
)
def test_keystone_has_its_settings(cache, driver):
    settings = variables("keystone")["keystone"] | {"cache": cache}
    conf = ini(render("keystone", "keystone.conf.j2", keystone=settings))
    assert conf["cache"]["backend"] == driver
    assert conf["cache"]["enabled"] == "true"
    assert conf["identity"]["password_hash_rounds"] == "5"
    assert conf["database"]["connection"].startswith("mysql+pymysql://")
    assert conf["database"]["max_pool_size"] == "7"
    assert conf["DEFAULT"]["public_endpoint"] == "http://10.9.2.11:5000"
    unit = render("keystone", "discovery-keystone.service.j2")
    assert "--processes 2 --threads 7" in unit
    assert '--add-header "Connection: close"' in unit
    assert "lazy" not in unit


@pytest.mark.parametrize(("cache", "needs"), [("memcached", True), ("dict", False)])
def test_keystone_starts_its_cache_where_that_is_a_server(cache, needs):
    settings = variables("keystone")["keystone"] | {"cache": cache}
    unit = render("keystone", "discovery-keystone.service.j2", keystone=settings)
    assert ("Requires=discovery-memcached.service" in unit) is needs


def test_galera_waits_as_in_the_study_and_one_server_knows_no_cluster():
    waits = DatabaseSettings().model_dump()
    cluster = ini(render("mariadb", "mariadb.cnf.j2", mariadb_cluster=True, **waits))["mariadbd"]
    assert cluster["wsrep_cluster_address"] == "gcomm://10.9.1.11,10.9.2.11"
    assert cluster["wsrep_node_address"] == "10.9.2.11"
    assert cluster["wsrep_sync_wait"] == "15"
    assert cluster["wsrep_slave_threads"] == "1"
    alone = ini(render("mariadb", "mariadb.cnf.j2", mariadb_cluster=False))["mariadbd"]
    assert not [key for key in alone if key.startswith("wsrep")]


def test_redis_listens_on_the_testbeds_network_and_asks_for_a_password():
    alone = render("redis", "redis.conf.j2").splitlines()
    assert "bind 10.9.2.11 127.0.0.1" in alone
    assert "user default off" in alone
    assert not [line for line in alone if line.startswith("cluster")]
    cluster = render("redis", "redis.conf.j2", redis_cluster=True).splitlines()
    assert "cluster-enabled yes" in cluster
    assert "cluster-announce-ip 10.9.2.11" in cluster


def test_every_node_of_a_redis_cluster_knows_all_and_which_of_them_it_is():
    first, second, last = render("redis", "nodes.conf.j2").strip().splitlines()
    assert [len(line.split()[0]) for line in (first, second)] == [40, 40]
    assert first.endswith(" 10.9.1.11:6379@16379 master - 0 0 1 connected 0-8191")
    assert second.split()[1:3] == ["10.9.2.11:6379@16379", "myself,master"]
    assert last == "vars currentEpoch 2 lastVoteEpoch 0"


def test_every_back_end_is_durable_and_admits_as_many():
    mariadb = ini(render("mariadb", "mariadb.cnf.j2"))["mariadbd"]
    assert mariadb["innodb_flush_log_at_trx_commit"] == "1"
    assert mariadb["sync_binlog"] == "1"
    postgresql = render("postgresql", "postgresql.conf.j2")
    assert "synchronous_commit = on" in postgresql
    assert "fsync = on" in postgresql
    assert "shared_preload_libraries = 'pg_stat_statements'" in postgresql
    redis = render("redis", "redis.conf.j2").splitlines()
    assert "appendonly yes" in redis
    assert "appendfsync always" in redis
    assert f"maxclients {mariadb['max_connections']}" in redis
    assert int(mariadb["max_connections"]) >= 300
    assert f"max_connections = {mariadb['max_connections']}" in postgresql


def test_postgresql_leaves_the_isolation_to_whoever_connects():
    """It is the URL that makes a service's sessions SERIALIZABLE, and nobody else's."""
    conf = render("postgresql", "postgresql.conf.j2")
    assert "default_transaction_isolation = 'read committed'" in conf
    plain, serializable = BACKENDS["postgresql"], BACKENDS["postgresql-serializable"]
    assert replace(serializable, name=plain.name, title=plain.title, url=plain.url) == plain
    _, asked = SerializableDialect().create_connect_args(make_url(serializable.url))
    assert asked["options"] == "-c default_transaction_isolation=serializable"


def test_replay_is_in_the_unit_only_where_it_is_on(tmp_path):
    assert "REPLAY" not in render("keystone", "discovery-keystone.service.j2")
    replay = {"tries": 3, "base_ms": 5.0, "cap_ms": 50.0}
    settings = variables("keystone")["keystone"] | {"replay": replay}
    unit = render("keystone", "discovery-keystone.service.j2", keystone=settings)
    assert "Environment=REPLAY=on REPLAY_TRIES=3 " in unit
    assert "REPLAY_BASE_MS=5.0 REPLAY_CAP_MS=50.0" in unit
    assert "RuntimeDirectory=discovery-keystone" in unit
    assert "REPLAY_COUNTERS=/run/discovery-keystone" in unit
    lines = unit.replace("\\\n", "").splitlines()
    (given,) = [line.partition("=")[2] for line in lines if line.startswith("Environment=REPLAY")]
    # The folder is a node's; all else the layer has to take as it stands.
    environment = dict(pair.split("=") for pair in given.split()) | {
        "REPLAY_COUNTERS": str(tmp_path)
    }
    found = settings_of_replay(environment)
    assert (found.enabled, found.tries) == (True, 3)
    assert (found.backoff.base_s, found.backoff.cap_s) == (0.005, 0.05)


def test_cockroachdb_listens_on_the_testbeds_network_only_and_joins_everybody():
    unit = render("cockroach", "discovery-cockroach.service.j2").replace("\\\n", "")
    start = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    words = start.partition("=")[2].split()
    assert words[:3] == ["/opt/discovery-cockroach/0123/cockroach", "start", "--insecure"]
    assert {
        "--locality=zone=zone-2,site=site-2",
        "--listen-addr=10.9.2.11:26257",
        "--advertise-addr=10.9.2.11:26257",
        "--http-addr=127.0.0.1:8080",
        "--join=10.9.1.11:26257,10.9.2.11:26257",
        "--store=path=/srv/discovery-cockroach",
        "--cache=128MiB",
        "--max-sql-memory=128MiB",
    } <= set(words)
    assert "0.0.0.0" not in unit
    assert "Type=notify" in unit
    assert "COCKROACH_SKIP_ENABLING_DIAGNOSTIC_REPORTING=true" in unit


def test_novas_controllers_have_two_databases_and_its_computes_have_none():
    conf = ini(render("nova", "nova.conf.j2"))
    assert conf["database"]["connection"] == "rome://10.9.2.11/nova_cell1"
    assert conf["api_database"]["connection"] == "rome://10.9.2.11/nova_api"
    assert conf["conductor"]["workers"] == conf["scheduler"]["workers"] == "3"
    assert conf["filter_scheduler"]["shuffle_best_same_weighed_hosts"] == "true"
    assert conf["placement"]["endpoint_override"] == "http://10.9.2.11:8778"
    assert conf["glance"]["endpoint_override"] == "http://10.9.1.10:9292"
    compute = ini(render("nova", "nova-compute.conf.j2"))
    assert not {"database", "api_database"} & set(compute.sections())
    assert compute["DEFAULT"]["compute_driver"] == "discovery.ManyNodes"
    assert compute["oslo_messaging_notifications"]["driver"] == "discovery-nodes"
    assert compute["discovery_nodes"]["count"] == "1"
    assert compute["DEFAULT"]["host"] == "site-2-control"


@pytest.mark.parametrize("template", ["neutron.conf.j2", "glance-api.conf.j2"])
def test_the_masters_services_are_on_the_database_that_they_are_given(template):
    service = template.partition("-api")[0].partition(".")[0]
    conf = ini(render("nova", template))
    assert conf["database"]["connection"] == f"rome://10.9.2.11/{service}"


def test_who_asks_others_when_it_starts_waits_for_them():
    def lines(service):
        return render("nova", "discovery-nova.service.j2", service=service).splitlines()

    awaited = "ExecStartPre=/usr/bin/python3 /etc/nova/await_urls.py 300"
    asked = f"{awaited} http://10.9.1.10:5000/v3 http://10.9.2.11:8778"
    unit = lines("nova-scheduler")
    assert asked in unit
    assert "ExecStart=/opt/openstack/bin/nova-scheduler --config-file /etc/nova/nova.conf" in unit
    unit = lines("nova-compute")
    assert f"{asked} http://10.9.2.11:8774/v2.1" in unit
    assert (
        "ExecStart=/opt/openstack/bin/nova-compute --config-file /etc/nova/nova-compute.conf"
        in unit
    )


def test_novas_cells_are_templates_of_its_own_urls():
    script = render("nova_bootstrap", "nova.sh.j2")
    assert "cell='{scheme}://{username}:{password}@{hostname}/%s?{query}'" in script
    assert "rome://127.0.0.1/nova_cell1" in script
    only = render("nova_bootstrap", "others.sh.j2", services=["placement"])
    assert "placement-manage" in only
    assert "neutron" not in only


def test_a_replica_of_redis_follows_its_master_from_the_start():
    lines = render(
        "redis", "nodes.conf.j2", database_replicas={"site-2-control": "site-1-control"}
    ).splitlines()
    first = lines[0].split()[0]
    (replica,) = [line for line in lines if "slave" in line]
    assert replica.split()[2:4] == ["myself,slave", first]
    cluster = render("redis", "redis.conf.j2", redis_cluster=True).splitlines()
    assert {"masteruser openstack", f"masterauth {SECRETS.store}"} <= set(cluster)


def test_the_probe_is_in_novas_configuration_only_where_it_is_on():
    conf = ini(render("nova", "nova.conf.j2"))
    assert conf["oslo_messaging_notifications"]["driver"] == "noop"
    assert "discovery_probe" not in conf
    conf = ini(render("nova", "nova.conf.j2", nova=NovaSettings(probe=True).told))
    assert conf["oslo_messaging_notifications"]["driver"] == "discovery-probe"
    assert conf["discovery_probe"]["folder"] == "/var/lib/nova/probe"
    assert conf["discovery_probe"]["site"] == "site-2"
