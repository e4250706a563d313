"""Every template renders with what the playbooks give it, and says what was asked."""

from __future__ import annotations

import configparser

import pytest
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from discovery.deploy.playbook import ANSIBLE

DEPLOY = ANSIBLE / "deploy"
ROLES = DEPLOY / "roles"


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
        "keystone_databases": {"site-2-control": "mysql+pymysql://a:b@10.9.1.11/keystone"},
        "keystone": {"cache": "dict", "bcrypt_rounds": 5, "processes": 2, "threads": 7},
    }


def render(role: str, template: str, **changes: object) -> str:
    environment = Environment(
        loader=FileSystemLoader(ROLES / role / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,
    )
    # Ansible's filter, as the templates use it.
    environment.filters["extract"] = lambda item, container: container[item]
    return environment.get_template(template).render(variables(role) | changes)


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
    cluster = ini(render("mariadb", "mariadb.cnf.j2", mariadb_cluster=True))["mariadbd"]
    assert cluster["wsrep_cluster_address"] == "gcomm://10.9.1.11,10.9.2.11"
    assert cluster["wsrep_node_address"] == "10.9.2.11"
    assert cluster["wsrep_sync_wait"] == "15"
    assert cluster["wsrep_slave_threads"] == "1"
    alone = ini(render("mariadb", "mariadb.cnf.j2", mariadb_cluster=False))["mariadbd"]
    assert not [key for key in alone if key.startswith("wsrep")]


def test_every_back_end_is_durable_and_admits_as_many():
    mariadb = ini(render("mariadb", "mariadb.cnf.j2"))["mariadbd"]
    assert mariadb["innodb_flush_log_at_trx_commit"] == "1"
    assert mariadb["sync_binlog"] == "1"
    postgresql = render("postgresql", "postgresql.conf.j2")
    assert "synchronous_commit = on" in postgresql
    assert "fsync = on" in postgresql
    assert "shared_preload_libraries = 'pg_stat_statements'" in postgresql
    assert int(mariadb["max_connections"]) >= 300
    assert f"max_connections = {mariadb['max_connections']}" in postgresql
