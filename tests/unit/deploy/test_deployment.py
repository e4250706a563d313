from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.engine import make_url

from discovery.cockroach.dialect import CockroachDialect
from discovery.deploy import BACKENDS, Deployment, drivers, dumps
from discovery.deploy.dumps import dump_of
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
        "rome://openstack:openstack@10.9.2.11/keystone?cluster=true&host=10.9.1.11,10.9.3.11"
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


def test_a_bootstrap_does_not_depend_on_replay():
    settings = KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=1, replay=True)
    assert "replay" not in dumps.identities(settings)["keystone"]
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
    monkeypatch.setattr(dumps, "LOAD_USERS", ())
    assert dump_of(BACKENDS["mariadb"], settings) != before
