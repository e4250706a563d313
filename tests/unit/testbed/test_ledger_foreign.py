"""Whatever stands in the ledger: verbs go on, say it once, and remove nothing that is not ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from discovery import cli
from discovery.errors import DiscoveryError, StorageError, TestbedError
from discovery.testbed import down, ledger, processes
from discovery.testbed.entries import LONGEST, Odd, is_cut_off, parse, read
from discovery.testbed.home import home_mark, machine_mark
from discovery.testbed.ledger import Held, Ledger, Thing
from discovery.testbed.lock import holder, lock
from discovery.testbed.ours import may_be_ours
from discovery.testbed.release import release_lease
from discovery.testbed.wan.ailing import ailment

GOOD = {
    "event": "held",
    "time": 1.0,
    "lease": "a1b2c3",
    "kind": "folder",
    "name": "/x",
    "details": {},
}
FOREIGN = [
    *(
        b"5",
        b"[]",
        b"{}",
        b'"x"',
        b"null",
        b"true",
        b"\0\0\0\0",
        b"\xff\xfe\x00",
        b"not json",
        b"NaN",
    ),
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"9" * 10_000,
    *(
        json.dumps({key: value for key, value in GOOD.items() if key != left_out}).encode()
        for left_out in GOOD
    ),
    *(
        json.dumps(GOOD | change).encode()
        for change in (
            *({"extra": 1}, {"event": "kept"}, {"event": 1}, {"event": []}, {"time": "now"}),
            *({"time": None}, {"time": True}, {"time": float("nan")}, {"time": float("inf")}),
            *({"time": -1}, {"time": 1e300}, {"time": 10**400}, {"lease": 5}, {"lease": ""}),
            *({"lease": "a\0b"}, {"kind": "planet"}, {"kind": ["lease"]}, {"kind": None}),
            *({"name": {}}, {"name": ""}, {"name": "a\0"}, {"details": []}, {"details": None}),
        )
    ),
]
VERBS = (["testbed", "list"], ["testbed", "down", "--all"], ["testbed", "down", "--stale"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path))
    ledger.tell_once.cache_clear()
    (tmp_path / "leases").mkdir()
    return tmp_path


@pytest.fixture(scope="module")
def sleeper() -> Iterator[int]:
    """A process that lives and has nothing to do with us."""
    with subprocess.Popen(["sleep", "60"]) as child:
        yield child.pid
        child.kill()


def entry(**change: object) -> str:
    return json.dumps(GOOD | {"time": time.time()} | change) + "\n"


@pytest.mark.parametrize("line", FOREIGN, ids=lambda line: line[:40].decode("latin-1"))
def test_a_foreign_line_is_told_once_and_passed_over(home, capsys, line):
    path = home / "ledger.jsonl"
    folder = home / "leases" / "a1b2c3"
    folder.mkdir()
    path.write_bytes(entry(name=str(folder)).encode() + line + b"\n" + entry(lease="x").encode())
    assert [item.id for item in down.held()] == ["a1b2c3"]
    assert Ledger(path).held()[0].name == str(folder)
    release_lease("a1b2c3")
    assert not folder.exists()
    assert down.held() == []
    said = capsys.readouterr().err
    assert said.count(f"{path}: line 2 is no entry and was passed over\n") == 1
    assert line in path.read_bytes()


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_goes_on(home, verb):
    (home / "ledger.jsonl").write_text('5\n[]\n{}\n"x"\nnull\n7\n8\n')
    done = CliRunner().invoke(cli.app, verb)
    assert done.exit_code == 0
    assert "lines 1, 2, 3, 4, 5 and 2 more are no entries and were passed over" in done.output


@given(st.binary(max_size=200) | st.text(max_size=60).map(str.encode))
@settings(max_examples=200)
def test_no_bytes_break_the_parser(line):
    found = parse(line)
    assert found is None or found.kind in ledger.KINDS
    is_cut_off(line)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
@settings(max_examples=100)
def test_no_value_in_any_field_breaks_what_is_held(value):
    for key in GOOD:
        raw = json.dumps(GOOD | {key: value}).encode()
        if (found := parse(raw)) is not None:
            thing = Held(found.lease, found.kind, found.name, found.time, found.details)
            may_be_ours(thing, Path("/nowhere"))


def test_a_line_that_was_cut_off_anywhere_is_not_told(tmp_path, capsys):
    ours = Ledger(tmp_path / "ledger.jsonl")
    details = {"kept": False, "start": None, "boot": "ü\\", "pid": -1, "sites": ["a", "b"]}
    ours.hold("a1b2c3", [Thing("lease", "a1b2c3", details)])
    whole = ours.path.read_bytes()
    for length in range(len(whole) - 1):
        ours.path.write_bytes(whole[:length] + b"\n" + whole)
        assert len(ours.held()) == 1
    assert capsys.readouterr().err == ""
    ours.path.write_bytes(whole[:30] + b"\0" * 40 + b"\n" + whole)
    assert len(ours.held()) == 1
    assert "line 1 is no entry" in capsys.readouterr().err


def test_a_line_longer_than_any_entry_is_not_held_in_memory(tmp_path):
    path = tmp_path / "ledger.jsonl"
    with path.open("wb") as file:
        file.write(entry().encode())
        file.seek(50 * LONGEST, os.SEEK_CUR)  # a hole, which reads as zeros
        file.write(b"\n" + entry(name="/y").encode())
    found = list(read(path))
    assert [item if isinstance(item, Odd) else item[0] for item in found] == [1, Odd(2), 3]


def filled(name: str, home: Path) -> str:
    mark = home_mark(home)
    return name.format(home=home, mark=mark, tag=f"dw-a1b2c3-{mark}", machine=machine_mark())


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [_folder, _pipe, _loop, _device])
def test_what_is_no_file_is_no_ledger(home, capsys, make):
    path = home / "ledger.jsonl"
    make(path)
    assert down.held() == []
    assert down.release_all() == []
    assert capsys.readouterr().err.count("and no ledger, and was passed over") == 1
    with pytest.raises(StorageError, match=r"cannot be used for the ledger: it is a .*; nothing"):
        Ledger(path).hold("a1b2c3", [Thing("link", "dw-a1b2c3-s1")])


@pytest.mark.parametrize("make", [_folder, _pipe, _loop, _device])
def test_what_is_no_file_is_no_lock(home, make):
    make(home / "lock")
    assert holder(home / "lock") is None
    with (
        pytest.raises(DiscoveryError, match=r"cannot be used for the testbed's lock: it is a"),
        lock(home / "lock", "test", wait=False),
    ):
        pass


@pytest.mark.parametrize("content", ["5", "[" * 50_000, '{"pid": "1/.."}', "{}", "\0"])
def test_a_lock_signed_by_a_stranger_is_nobodys(home, content):
    (home / "lock").write_text(content)
    assert holder(home / "lock") is None
    sign = {"pid": os.getpid(), "start": processes.start_time(os.getpid()), "purpose": "x"}
    (home / "lock").write_text(json.dumps(sign | {"since": "never"}))
    assert holder(home / "lock") is None
    with lock(home / "lock", "test", wait=False):
        assert holder(home / "lock").purpose == "test"


@pytest.mark.parametrize(
    ("kind", "name", "details"),
    [
        ("folder", "/", {}),
        ("folder", "/etc", {}),
        ("folder", "{home}", {}),
        ("folder", "{home}/leases", {}),
        ("folder", "{home}/leases/a1b2c3/../../images", {}),
        ("folder", "{home}/leases/d4e5f6", {}),
        ("folder", "/run/systemd/nspawn/propagate", {}),
        ("folder", "leases/a1b2c3", {}),
        ("mount", "/", {}),
        ("mount", "/proc", {}),
        ("mount", "{home}/leases/a1b2c3/../..", {}),
        ("mount", "{home}/leases/a1b2c3", {}),
        ("namespace", "other", {}),
        ("namespace", "../{tag}-x", {}),
        ("namespace", "{tag}-/../../../etc", {}),
        ("namespace", "dw-a1b2c3-site-1", {}),
        ("namespace", "dw-a1b2c3-00000000-site-1", {}),
        ("namespace", "dw-d4e5f6-{mark}-site-1", {}),
        ("link", "eth0", {}),
        ("link", "lo", {}),
        ("link", "dw-a1b2c3-s1 up", {}),
        ("cgroup", "/sys/fs/cgroup", {}),
        ("cgroup", "/sys/fs/cgroup/system.slice", {}),
        ("cgroup", "/sys/fs/cgroup/{tag}/..", {}),
        ("cgroup", "/tmp/{tag}", {}),
        ("cgroup", "/sys/fs/cgroup/dw-a1b2c3-00000000", {}),
        ("lockfile", "/etc/passwd", {}),
        ("lockfile", "/run/systemd/nspawn/locks/../../x", {}),
        ("reservation", "x-a1b2c3-00000000", {"provider": "grid5000", "sites": ["nancy"]}),
        ("reservation", "discovery-d4e5f6", {"provider": "grid5000", "sites": ["nancy"]}),
        ("reservation", "discovery-a1b2c3", {"provider": "grid5000", "sites": 5}),
        ("reservation", "discovery-a1b2c3", {"provider": "grid5000"}),
        ("reservation", "discovery-a1b2c3", {"provider": "vagrant"}),
        ("reservation", "discovery-a1b2c3", {"provider": []}),
        ("reservation", "static x", {"provider": "static", "machine": {}, "found": {}}),
        ("reservation", "static -oProxyCommand=x", {"provider": "static", "machine": 5}),
        ("lease", "d4e5f6", {}),
        ("lease", "a1b2c3", {"pid": "x"}),
        ("lease", "a1b2c3", {"pid": True}),
        ("lease", "a1b2c3", {"sites": 5}),
        ("lease", "a1b2c3", {"sites": [5]}),
        ("lease", "a1b2c3", {"purpose": {}}),
        ("lease", "a1b2c3", {"kept": 1}),
        ("lease", "a1b2c3", {"pid": 1, "start": "START", "boot": "BOOT"}),
        ("lease", "a1b2c3", {"pid": "SLEEPER", "start": "SLEEPER'S", "boot": "BOOT"}),
        ("process", "0", {"start": 1, "boot": "BOOT"}),
        ("process", "-1", {"start": 1, "boot": "BOOT"}),
        ("process", "x", {"start": 1, "boot": "BOOT"}),
        ("process", "²", {"start": 1, "boot": "BOOT"}),
        ("process", "9" * 30, {"start": 1, "boot": "BOOT"}),
        ("process", "1", {"start": "START", "boot": "BOOT"}),
        ("process", "SELF", {"start": "START", "boot": "BOOT"}),
        ("process", "PARENT", {"start": "START", "boot": "BOOT"}),
        ("process", "SELF", {}),
        ("process", "SELF", {"start": 1.5, "boot": "BOOT"}),
    ],
)
def test_what_cannot_be_ours_is_told_and_left_alone(
    home, capsys, monkeypatch, sleeper, kind, name, details
):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("something was to be removed")

    for verb in ("rmtree", "rmdir", "unlink"):
        monkeypatch.setattr(f"discovery.testbed.release.shutil.{verb}", never, raising=False)
    monkeypatch.setattr(subprocess, "run", never)
    monkeypatch.setattr(processes, "kill", never)
    monkeypatch.setattr(Path, "unlink", never)
    monkeypatch.setattr(os, "pidfd_open", never)
    pid = {"SELF": os.getpid(), "PARENT": os.getppid()}.get(name)
    name = str(pid or filled(name, home))
    real = {"BOOT": processes.boot_id(), "START": processes.start_time(int(pid or 1))}
    real |= {"SLEEPER": sleeper, "SLEEPER'S": processes.start_time(sleeper)}
    details = {
        key: real.get(value, value) if isinstance(value, str) else value
        for key, value in details.items()
    }
    path = home / "ledger.jsonl"
    path.write_text(entry(kind=kind, name=name, details=details))
    assert down.held() == []
    assert down.release_all() == []
    release_lease("a1b2c3")
    said = capsys.readouterr().err
    assert said.count("which cannot be of lease 'a1b2c3'; it was passed over") == 1
    assert said.startswith(f"{path}: line 1 names the {kind} ")
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize("lease", ["..", "../..", "a1b2c", "A1B2C3", "a1b2c3\n", "/", "*"])
def test_a_lease_that_is_none_of_ours_is_told(home, capsys, lease):
    (home / "ledger.jsonl").write_text(entry(lease=lease, name=str(home / "leases" / lease)))
    assert down.held() == []
    assert "it was passed over" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "name", "details"),
    [
        ("lease", "a1b2c3", {}),
        ("folder", "{home}/leases/a1b2c3", {}),
        ("folder", "/run/systemd/nspawn/propagate/{tag}-site-1-control", {}),
        ("namespace", "{tag}-site-1-control", {}),
        ("link", "dw-a1b2c3-s12", {}),
        ("mount", "{home}/leases/a1b2c3/root", {}),
        ("cgroup", "/sys/fs/cgroup/systemd/{tag}", {}),
        ("cgroup", "/sys/fs/cgroup/{tag}", {}),
        ("lockfile", "/run/systemd/nspawn/locks/inode-65024:5079045", {}),
        ("process", "4194303", {"start": 1, "boot": "an earlier one"}),
        ("reservation", "discovery-a1b2c3", {"provider": "grid5000", "sites": ["nancy"]}),
        ("reservation", "x-a1b2c3-{machine}", {"provider": "grid5000", "sites": ["nancy"]}),
        (
            "reservation",
            "static 10.0.0.1",
            {
                "provider": "static",
                "machine": {"alias": "m", "address": "10.0.0.1", "user": "root", "port": None},
                "found": {"services": [], "shaped": ["eth1"]},
            },
        ),
    ],
)
def test_what_a_lease_makes_may_be_released(kind, name, details):
    name = filled(name, Path("/nowhere"))
    assert may_be_ours(Held("a1b2c3", kind, name, 0.0, details), Path("/nowhere"))


def test_a_process_of_the_lease_is_released_and_a_stranger_with_its_number_is_not(home):
    folder = home / "leases" / "a1b2c3"
    command = [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)"]
    for mark, released in (({processes.LEASE_VARIABLE: str(folder)}, True), ({}, False)):
        environment = {**os.environ, **mark}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            Ledger(home / "ledger.jsonl").hold("a1b2c3", [ledger.process(child.pid, "child")])
            release_lease("a1b2c3")
            assert (child.poll() is not None) == released
            child.kill()


def test_a_lease_folder_that_is_a_link_is_removed_without_what_it_leads_to(home, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").write_text("kept")
    link = home / "leases" / "a1b2c3"
    link.symlink_to(precious)
    Ledger(home / "ledger.jsonl").hold("a1b2c3", [Thing("folder", str(link))])
    release_lease("a1b2c3")
    assert not link.is_symlink()
    assert (precious / "data").read_text() == "kept"


def test_a_long_ledger_with_foreign_lines_is_kept_beside(home, capsys):
    path = home / "ledger.jsonl"
    path.write_text("5\n" + entry() + entry(event="released"))
    Ledger(path).forget_past(over_bytes=0)
    (aside,) = home.glob("ledger.jsonl.*")
    assert aside.read_text().startswith("5\n")
    assert not path.exists()
    assert f"it is kept as {aside}" in capsys.readouterr().err


def test_the_state_folder_of_who_only_looks_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path / "absent"))
    assert down.held() == []
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    "content", ["", "5", "[]", "{}", "[5]", '[{"alias": 5}]', "[" * 50_000, "\0", "null"]
)
def test_a_list_of_nodes_that_is_none_is_one_sentence(home, content):
    folder = home / "leases" / "a1b2c3"
    folder.mkdir()
    (folder / "nodes.json").write_text(content)
    (home / "ledger.jsonl").write_text(entry(name="a1b2c3", kind="lease", details={"kept": True}))
    for verb in (["run", "true"], ["ssh", "site-1-control"], ["cut", "site-1"], ["heal"]):
        with pytest.raises(TestbedError, match=r"nodes\.json is not the list of nodes"):
            CliRunner().invoke(cli.app, ["testbed", *verb], catch_exceptions=False)
    assert "a1b2c3" in CliRunner().invoke(cli.app, ["testbed", "list"]).output


@pytest.mark.parametrize("name", ["wan-forwarder.json", "wan-netem.json"])
@pytest.mark.parametrize("content", ["", "5", "[]", "{}", '{"sites": 5}', "[" * 50_000])
def test_a_description_of_a_wan_that_is_none_is_one_sentence(home, name, content):
    (home / name).write_text(content)
    assert "cannot be read" in ailment(home)
