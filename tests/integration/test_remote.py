"""Programs and their configurations get to nodes as they are; what runs there answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import enoslib as en
import pytest

from discovery.errors import TestbedError
from discovery.testbed.environment import FORKS
from discovery.testbed.leases import Node
from discovery.workload import remote

# Ansible leaves the terminals of its workers to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file <_io:ResourceWarning")

HARD = "{{ not a template }} 'quoted' \"twice\" é 雪 \\ $HOME `x`\n{% raw %}"


@pytest.fixture
def node() -> Node:
    """This machine, as Ansible reaches it without a connection."""
    told = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    host = en.Host("127.0.0.1", alias="site-1-client", extra=told)
    return Node(alias="site-1-client", site="site-1", role="client", address="127.0.0.1", host=host)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where programs are put."""
    there = tmp_path / "there"
    monkeypatch.setattr(remote, "WORK_FOLDER", str(there))
    return there


def test_what_is_put_is_there_unchanged_for_its_owner_alone(node, folder, tmp_path):
    program = tmp_path / "tell.py"
    program.write_text(f"# {HARD}\nprint('{{}}')\n", encoding="utf-8")
    told = {"of-one-node": HARD, "number": 1}
    remote.put_program(program, "tell.json", {node.alias: told}, [node])
    assert (folder / "tell.py").read_text(encoding="utf-8") == program.read_text(encoding="utf-8")
    assert json.loads((folder / "tell.json").read_text(encoding="utf-8")) == told
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "tell.json").stat().st_mode & 0o777 == 0o600
    # Again, and shorter: nothing of what was there stays.
    remote.put_program(program, "tell.json", {node.alias: {}}, [node])
    assert (folder / "tell.json").read_text(encoding="utf-8") == "{}"


def test_all_nodes_are_asked_at_once_however_many(tmp_path):
    told = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    names = [f"site-{number}-client" for number in range(1, FORKS + 3)]
    hosts = [
        en.Host(f"127.0.0.{number}", alias=name, extra=told) for number, name in enumerate(names, 1)
    ]
    nodes = [
        Node(alias=host.alias, site=host.alias, role="client", address=host.address, host=host)
        for host in hosts
    ]
    # Each waits until all are there.
    wait = (
        f"touch {tmp_path}/{{{{ inventory_hostname }}}}; for i in $(seq 200); do"
        f" test $(ls {tmp_path} | wc -l) -eq {len(nodes)} && echo 1 && exit 0; sleep 0.1; done;"
        " echo 0"
    )
    assert remote.ask(wait, nodes, "it is gone") == dict.fromkeys(names, 1)


def test_an_answer_is_what_was_printed(node):
    command = f"{sys.executable} -c 'print(7 * 6)'"
    assert remote.ask(command, [node], "it is gone") == {"site-1-client": 42}


def test_no_answer_says_what_was_lost_and_why(node):
    with pytest.raises(TestbedError, match="site-1-client: it is gone: no luck"):
        remote.ask("echo no luck >&2; exit 1", [node], "it is gone")


def test_what_a_command_leaves_is_fetched(node, folder, tmp_path):
    folder.mkdir()
    found = remote.fetch("x.txt", [node], tmp_path, first=f"echo '{{{{ 6 }}}}' > {folder}/x.txt")
    assert found == {"site-1-client": tmp_path / "site-1-client-x.txt"}
    assert found["site-1-client"].read_text(encoding="utf-8") == "{{ 6 }}\n"


def test_what_cannot_be_fetched_is_one_sentence(node, folder, tmp_path):
    with pytest.raises(TestbedError, match=r"^to fetch x\.txt failed on site-1-client: no luck$"):
        remote.fetch("x.txt", [node], tmp_path, first="echo no luck >&2; exit 1")
    with pytest.raises(
        TestbedError, match=r"^to fetch x\.txt failed on site-1-client: .*not exist"
    ):
        remote.fetch("x.txt", [node], tmp_path)


def test_what_cannot_be_put_is_one_sentence(node, folder, tmp_path):
    folder.write_text("in the way\n", encoding="utf-8")
    program = tmp_path / "tell.py"
    program.write_text("", encoding="utf-8")
    with pytest.raises(
        TestbedError, match=r"(?s)^to put tell\.py there failed on site-1-client: .*Exists"
    ):
        remote.put_program(program, "tell.json", {node.alias: {}}, [node])


def test_a_command_that_fails_is_one_sentence(node):
    with pytest.raises(TestbedError, match="site-1-client: `exit 3` failed"):
        remote.run("exit 3", [node])
