"""Without a ledger, a lease folder or a state folder: what is ours is found, and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from discovery.testbed import marks
from tests.e2e.killing import left_of

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

RUN = """
import sys, time
from pathlib import Path
from discovery.testbed import lease, load_testbed
with lease(load_testbed(Path(sys.argv[1])), sites=2, purpose="a run") as held:
    print(held.id, flush=True)
    time.sleep(60)
"""


def discovery(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from discovery.cli import main; main()", "testbed", *arguments],
        env={**os.environ, "DISCOVERY_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def other_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("h")
    yield home
    discovery(home, "down", "--all")


@pytest.fixture
def other_file(other_home: Path, two_prefixes: list[str], node_image: Path) -> Path:
    path = other_home / "local.yaml"
    document = {"provider": "local", "prefix": two_prefixes[1], "image": str(node_image)}
    path.write_text(yaml.safe_dump(document))
    return path


def test_what_was_lost_is_found_and_what_is_anothers_stays(
    own_home: Path, local_file: Path, other_home: Path, other_file: Path
) -> None:
    assert "2 nodes" not in discovery(other_home, "up", "--testbed", str(other_file))
    neighbours = left_of(other_home)
    assert len(neighbours) > 12
    testbed = local_file.read_text()
    for lost in ("the ledger", "the ledger's first half", "the lease's folder", "all"):
        local_file.parent.mkdir(exist_ok=True)
        local_file.write_text(testbed)
        said = discovery(own_home, "up", "--testbed", str(local_file), "--sites", "2")
        (lease,) = marks.find(own_home)
        assert f"lease {lease}: 4 nodes" in said
        ledger = own_home / "ledger.jsonl"
        if lost == "the ledger's first half":
            lines = ledger.read_text().splitlines(keepends=True)
            ledger.write_text("".join(lines[len(lines) // 2 : -1]))
        elif lost in ("the ledger", "all"):
            ledger.unlink()
        if lost in ("the lease's folder", "all"):
            shutil.rmtree(own_home / "leases" / lease)
        if lost == "all":
            shutil.rmtree(own_home)
        # A copy of the neighbour's ledger is no right to what is in it.
        if lost == "the ledger":
            shutil.copy(other_home / "ledger.jsonl", ledger)
        listed = discovery(own_home, "list")
        assert listed.count(f"{lease}  local") == 1
        if lost != "the lease's folder":
            assert "unrecorded" in listed
        if lost == "the ledger":
            assert "site-2-client" in discovery(own_home, "run", "hostname")
            local_file.write_text(testbed)
            again = discovery(own_home, "up", "--testbed", str(local_file))
            assert f"release lease {lease}, which uses it (`discovery testbed down`)" in again
        verb = ("down", "--stale") if lost == "all" else ("down", "--all")
        assert f"released {lease}" in discovery(own_home, *verb), lost
        assert left_of(own_home) == [], lost
        assert "nothing is held" in discovery(own_home, "list")
        ledger.unlink(missing_ok=True)
    assert left_of(other_home) == neighbours
    assert "site-3-client" in discovery(other_home, "run", "hostname")


def test_the_lease_of_a_run_whose_ledger_was_deleted_ends_with_it(
    own_home: Path, local_file: Path
) -> None:
    environment = {**os.environ, "DISCOVERY_HOME": str(own_home)}
    command = [sys.executable, "-c", RUN, str(local_file)]
    for end in (signal.SIGKILL, signal.SIGTERM, None):
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as run:
            lease = run.stdout.readline().strip()
            (own_home / "ledger.jsonl").unlink()
            assert f"unrecorded by process {run.pid}" in discovery(own_home, "list")
            assert "nothing to release" in discovery(own_home, "down")
            assert run.poll() is None
            if end:
                run.send_signal(end)
            else:
                assert f"released {lease}" in discovery(own_home, "down", "--all")
            run.wait(30)
        if end == signal.SIGKILL:
            assert f"released {lease}" in discovery(own_home, "down", "--stale")
        assert left_of(own_home) == []
