from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from discovery.errors import MachineError, TestbedError
from discovery.testbed import factory
from discovery.testbed.home import refuse_long_home
from discovery.testbed.ledger import Ledger, Thing
from discovery.testbed.local import cgroups, limits, network, provider
from discovery.testbed.lock import lock
from discovery.testbed.release import release_lease


def test_memory_is_refused_with_what_would_fit(monkeypatch):
    class Memory:
        available = 1000 * 2**20

    monkeypatch.setattr(factory.psutil, "virtual_memory", Memory)
    factory.refuse_memory(3, 999)
    with pytest.raises(
        MachineError,
        match="9 sites need 3000 MB of memory and this machine has 1000 MB free: 3 of them",
    ):
        factory.refuse_memory(9, 3000)


def test_no_root_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MachineError, match="needs root"):
        provider.refuse_machine(tmp_path)


def test_missing_programs_are_told_with_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match=r"needs ip, systemd-nspawn, .*apt-get install"):
        provider.refuse_machine(tmp_path)


def test_a_missing_image_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(provider, "PROGRAMS", ())
    with pytest.raises(MachineError, match=r"no node image at .*discovery image bake"):
        provider.refuse_machine(tmp_path)


def test_a_limit_on_open_files_is_told_as_such(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(provider, "PROGRAMS", ())
    (tmp_path / "usr").mkdir()
    monkeypatch.setattr(limits.resource, "getrlimit", lambda _: (1024, 4096))
    provider.refuse_machine(tmp_path)
    monkeypatch.setattr(limits.resource, "getrlimit", lambda _: (40, 60))
    with pytest.raises(MachineError, match=r"1024 open files, .* 40 \(at most 60\).*ulimit -n"):
        provider.refuse_machine(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@pytest.mark.parametrize("there", [True, False])
def test_another_users_state_folder_is_told(monkeypatch, tmp_path, there):
    state = tmp_path / "discovery"
    if there:
        (state / "leases").mkdir(parents=True)
    monkeypatch.setenv("DISCOVERY_HOME", str(state))
    for verb in ("up", "down"):
        done = subprocess.run(
            [
                *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
                *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
                *(sys.executable, "-c", "from discovery.cli import main; main()", "testbed", verb),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 3
        assert done.stderr.startswith(f"discovery: The state folder {state} cannot be ")
        assert "run as root, or set DISCOVERY_HOME" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("addresses", "routes", "free"),
    [
        ([("eth0", "192.168.1.5", 24)], ["default", "192.168.1.0/24"], True),
        ([("dw-x", "10.77.3.254", 24)], [], False),
        ([], ["10.77.9.0/24"], False),
        ([], ["10.0.0.0/8"], True),  # wider: our own routes are more specific
    ],
)
def test_a_prefix_in_use_is_refused(monkeypatch, addresses, routes, free):
    answers = {
        "address": [
            {"ifname": name, "addr_info": [{"local": local, "prefixlen": length}]}
            for name, local, length in addresses
        ],
        "route": [{"dst": destination, "dev": "eth9"} for destination in routes],
    }

    def answer(command, **_):
        return subprocess.CompletedProcess(command, 0, json.dumps(answers[command[-1]]), "")

    monkeypatch.setattr(network.subprocess, "run", answer)
    if free:
        network.refuse_prefix_in_use("10.77")
    else:
        with pytest.raises(TestbedError, match=r"The address prefix 10\.77 is in use: interface"):
            network.refuse_prefix_in_use("10.77")


def test_the_cgroup_hierarchies_of_hybrid_and_version_2(tmp_path):
    with pytest.raises(MachineError, match="No cgroup hierarchy"):
        cgroups.hierarchies(tmp_path)
    for name in ("systemd", "unified", "cpu"):
        (tmp_path / name).mkdir()
    assert cgroups.hierarchies(tmp_path) == [tmp_path / "systemd", tmp_path / "unified"]
    (tmp_path / "cgroup.controllers").touch()
    assert cgroups.hierarchies(tmp_path) == [tmp_path]


def test_a_state_folder_too_long_for_sockets_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path / ("x" * 80)))
    with pytest.raises(MachineError, match="too long for the sockets"):
        refuse_long_home()


def test_inotify_instances_are_raised_but_never_lowered(tmp_path, capsys):
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")
    limits.raise_inotify(30, limit)
    assert limit.read_text() == "488"
    assert "from 128 to 488 until the next boot, for 30 nodes" in capsys.readouterr().err
    limits.raise_inotify(6, limit)
    assert limit.read_text() == "488"
    assert capsys.readouterr().err == ""


def test_inotify_instances_that_cannot_be_raised_are_told(monkeypatch, tmp_path):
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(MachineError, match=r"30 nodes need fs\.inotify.*=488, it is 128"):
        limits.raise_inotify(30, limit)


def test_releasing_what_is_not_held_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    release_lease("abcdef")


def test_a_full_disk_does_not_keep_what_is_held(monkeypatch, tmp_path):
    """The ledger cannot be written, and yet all that it names is removed, and the lock taken."""
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    ledger = Ledger(tmp_path / "ledger.jsonl")
    folder = tmp_path / "leases" / "abcdef"
    folder.mkdir(parents=True)
    ledger.hold("abcdef", [Thing("link", "dw-abcdef-s1"), Thing("folder", str(folder))])

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(os, "pwrite", full)
    refusal = pytest.raises(TestbedError, match=r"could not be released whole.*[Nn]o space left")
    with lock(tmp_path / "lock", "releasing leases", wait=False), refusal:
        release_lease("abcdef")
    assert not folder.exists()
    monkeypatch.undo()
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    release_lease("abcdef")
    assert ledger.held() == []
