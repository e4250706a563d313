from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.engine import make_url

from discovery.cockroach.dialect import CockroachDialect
from discovery.deploy import BACKENDS, Deployment, backends, drivers, dumps
from discovery.deploy.credentials import Secrets
from discovery.deploy.dumps import dump_of
from discovery.errors import DeployError
from discovery.experiment.models import KeystoneSettings

NODES = tuple(
    SimpleNamespace(
        alias=f"site-{site}-{role}", site=f"site-{site}", role=role, address=f"10.9.{site}.{host}"
    )
    for site in (1, 2, 3)
    for host, role in ((11, "control"), (12, "client"))
)


def deployment(backend: str) -> Deployment:
    return Deployment(BACKENDS[backend], NODES, "0123", Path("log"))


def test_every_site_has_a_keystone_of_its_own():
    assert deployment("mariadb").urls == {
        f"site-{site}": f"http://10.9.{site}.11:5000/v3" for site in (1, 2, 3)
    }


@pytest.mark.parametrize("backend", ["mariadb", "postgresql", "postgresql-serializable", "rome"])
def test_one_server_is_on_site_1_and_every_site_reaches_it(backend):
    deployed = deployment(backend)
    assert [node.alias for node in deployed.database_nodes] == ["site-1-control"]
    assert all("@10.9.1.11/keystone" in url for url in deployed.database_urls.values())


def test_where_every_site_has_a_server_keystone_reaches_its_own():
    deployed = deployment("galera")
    assert len(deployed.database_nodes) == 3
    for site in (1, 2, 3):
        url = deployed.database_urls[f"site-{site}-control"]
        assert f"@10.9.{site}.11/keystone" in url


def test_in_a_redis_cluster_keystone_knows_its_own_sites_node_first_and_all_others():
    deployed = deployment("rome-cluster")
    assert len(deployed.database_nodes) == 3
    url = deployed.database_urls["site-2-control"]
    assert url == (
        f"rome://openstack:{deployed.secrets.store}@10.9.2.11/keystone?cluster=true&host=10.9.1.11,10.9.3.11"
    )


def test_every_keystone_knows_all_cockroachdb_nodes_its_own_first():
    deployed = deployment("cockroachdb")
    assert len(deployed.database_nodes) == 3
    assert deployed.database_urls["site-2-control"] == (
        "cockroachdb+oslo://root@10.9.2.11:26257/keystone?sslmode=disable"
        "&host=10.9.1.11&host=10.9.3.11"
    )


def test_the_driver_takes_cockroachdbs_url_for_all_hosts_in_their_order():
    url = make_url(deployment("cockroachdb").database_urls["site-2-control"])
    _, arguments = CockroachDialect().create_connect_args(url)
    assert arguments["host"] == "10.9.2.11,10.9.1.11,10.9.3.11"
    assert arguments["port"] == "26257,26257,26257"
    assert (arguments["user"], arguments["dbname"]) == ("root", "keystone")


def test_a_back_end_that_is_bootstrapped_in_place_has_no_dump(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    settings = KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=1)
    assert dump_of(BACKENDS["cockroachdb"], settings) is None
    serializable = dump_of(BACKENDS["postgresql-serializable"], settings)
    assert serializable == dump_of(BACKENDS["postgresql"], settings)


DRIVEN = ["postgresql", "postgresql-serializable", "cockroachdb"]


@pytest.mark.parametrize("name", DRIVEN)
def test_the_indexes_of_foreign_keys_are_left_where_that_is_asked(name):
    assert backends.chosen(name, foreign_key_indexes=True) is BACKENDS[name]
    left = backends.chosen(name, foreign_key_indexes=False)
    deployed = Deployment(left, NODES, "0123", Path("log"))
    for text in deployed.database_urls.values():
        url = make_url(text)
        dialect = url.get_dialect()()
        _, arguments = dialect.create_connect_args(url)
        assert dialect.foreign_key_indexes is False
        usual = make_url(deployment(name).database_urls["site-1-control"])
        assert arguments["user"] == usual.username
        assert url.host in {node.address for node in deployed.database_nodes}


def test_mariadb_keeps_its_own():
    with pytest.raises(DeployError, match="back end mariadb: the indexes of foreign keys are not"):
        backends.chosen("mariadb", foreign_key_indexes=False)


def test_what_is_in_a_dump_depends_on_those_indexes(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    settings = KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=1)
    usual, left = (
        [dump_of(backends.chosen(name, foreign_key_indexes=on), settings) for name in DRIVEN]
        for on in (True, False)
    )
    assert usual[0] == usual[1] != left[0] == left[1]
    assert usual[2] is left[2] is None
    assert usual[0].folder.parent == left[0].folder.parent
    without = backends.chosen("postgresql-serializable", foreign_key_indexes=False)
    assert "foreign_key_indexes=off" in backends.source(without).url


def test_a_bootstrap_does_not_depend_on_replay():
    settings = KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=1, replay=True)
    assert "replay" not in dumps.identities(settings, Secrets.fresh())["keystone"]
    assert settings.model_dump()["replay"]["tries"] == 20


def test_a_dump_is_told_by_its_back_end_and_by_what_passwords_cost(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    settings = KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=1)
    costly = settings.model_copy(update={"bcrypt_rounds": 12})
    mariadb, galera = (dump_of(BACKENDS[name], settings) for name in ("mariadb", "galera"))
    assert mariadb == galera
    assert dump_of(BACKENDS["postgresql"], settings) != mariadb
    assert dump_of(BACKENDS["mariadb"], costly) != mariadb
    assert dump_of(BACKENDS["rome"], settings) == dump_of(BACKENDS["rome-cluster"], settings)
    assert not mariadb.exists()


def test_a_dump_of_rome_is_made_anew_when_its_driver_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    settings = KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=1)
    before = [dump_of(BACKENDS[name], settings) for name in ("rome", "mariadb")]
    monkeypatch.setattr(drivers, "version", lambda *of: f"0.1.0+another-{of}")
    after = [dump_of(BACKENDS[name], settings) for name in ("rome", "mariadb")]
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_a_dump_is_made_anew_when_its_users_change(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    settings = KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=1)
    before = dump_of(BACKENDS["mariadb"], settings)
    monkeypatch.setattr(dumps, "LOAD_USERS", {})
    assert dump_of(BACKENDS["mariadb"], settings) != before
