"""Dumps: made whole or not at all, once, and nothing left of one that was killed."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from discovery.deploy import dumps, playbook
from discovery.deploy.backends import BACKENDS
from discovery.errors import DeployError
from discovery.experiment.models import KeystoneSettings

SETTINGS = KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=1)
NODE = SimpleNamespace(alias="site-1-control", address="10.0.0.1", host=None)


@pytest.fixture
def dump(tmp_path: Path) -> dumps.Dump:
    """Where a dump will be."""
    return dumps.Dump(tmp_path / "mariadb" / "bcrypt-4-0")


def bootstrap(dump: dumps.Dump, tmp_path: Path) -> None:
    dumps.bootstrap(dump, BACKENDS["mariadb"], NODE, SETTINGS, tmp_path / "log")


def test_what_a_killed_bootstrap_left_is_gone_after_the_next(dump, tmp_path, monkeypatch):
    left = dump.folder.parent / ".bootstrap-killed"
    left.mkdir(parents=True)
    (left / "dump.tar.zst").write_bytes(b"half of it")

    def run(play, hosts, variables, log, hide):
        Path(variables["dump_folder"], "dump.tar.zst").write_bytes(b"all of it")

    monkeypatch.setattr(playbook, "run", run)
    bootstrap(dump, tmp_path)
    assert dump.databases.read_bytes() == b"all of it"
    assert list(dump.folder.parent.iterdir()) == [dump.folder]


def test_one_that_fails_leaves_nothing(dump, tmp_path, monkeypatch):
    def run(play, hosts, variables, log, hide):
        Path(variables["dump_folder"], "dump.tar.zst").write_bytes(b"half of it")
        raise DeployError("no room")

    monkeypatch.setattr(playbook, "run", run)
    with pytest.raises(DeployError, match="no room"):
        bootstrap(dump, tmp_path)
    assert list(dump.folder.parent.iterdir()) == []


def test_two_at_once_make_it_once(dump, tmp_path, monkeypatch):
    made = []
    begun, go_on = threading.Event(), threading.Event()

    def run(play, hosts, variables, log, hide):
        made.append(variables["dump_folder"])
        begun.set()
        assert go_on.wait(30)

    monkeypatch.setattr(playbook, "run", run)
    both = [threading.Thread(target=bootstrap, args=(dump, tmp_path)) for _ in range(2)]
    both[0].start()
    assert begun.wait(30)
    both[1].start()
    go_on.set()
    for thread in both:
        thread.join(30)
    assert len(made) == 1
    assert dump.exists()


def test_the_passwords_in_a_dump_are_nobodys(dump, tmp_path, monkeypatch):
    told = []

    def run(play, hosts, variables, log, hide):
        told.append(variables)
        assert hide(f"mysql://openstack:{variables['store_password']}@x") == (
            "mysql://openstack:***@x"
        )

    monkeypatch.setattr(playbook, "run", run)
    bootstrap(dump, tmp_path)
    bootstrap(dumps.Dump(dump.folder.with_name("another")), tmp_path)
    one, two = told
    assert one["store_password"] != two["store_password"]
    assert one["admin"]["password"] != two["admin"]["password"]
    assert one["keystone_databases"][NODE.alias].startswith("mysql+pymysql://openstack:")
    assert "@10.0.0.1/keystone" in one["keystone_databases"][NODE.alias]
    assert [path.name for path in dump.folder.iterdir()] == []
