"""Runs are killed outright at random moments; after `down --all` nothing of them may be left.

Everything is counted before and after, in two ways: by what the ledger ever named, and by what can
be seen without it — processes by a token in their environment or by their cgroup, and files in the
only places where the run could write.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from discovery.testbed.down import held
from discovery.testbed.home import home
from discovery.testbed.ours import LOCKS

KILLS = int(os.environ.get("DISCOVERY_TEST_KILLS", "8"))
pytestmark = [pytest.mark.root, pytest.mark.timeout(300 + 60 * KILLS)]
TOKEN = "DISCOVERY_TEST_TOKEN"

# Says "ready" before anything is made; then leases, uses and releases nodes.
RUN = """
import sys
from pathlib import Path
import enoslib as en
from discovery.experiment.delays import delay_matrix
from discovery.experiment.models import WanSettings
from discovery.testbed import lease, load_testbed
from discovery.testbed.wan.attach import attach  # so that what follows is quick
testbed = load_testbed(Path(sys.argv[1]))
print("ready", flush=True)
with lease(testbed, sites=2, purpose="to be killed") as held:
    en.run_command("sleep 0.3; hostname", roles=held.roles["control"])
    held.wan.shape(delay_matrix(5.0, 2), WanSettings())
    with en.actions(roles=[node.host for node in held.nodes], gather_facts=False) as actions:
        actions.copy(content="x" * 100_000, dest="/root/file")
        actions.shell(cmd="systemd-run --unit=sleeper sleep 600; sleep 0.5")
"""
DOWN = "from discovery.cli import main; main()"


@dataclass(frozen=True)
class Place:
    """Where a run may write, and what marks its processes."""

    home: Path
    user: Path
    token: str
    image: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            TOKEN: self.token,
            "DISCOVERY_HOME": str(self.home),
            "HOME": str(self.user),
            "TMPDIR": str(self.user),
        }

    def start(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env=self.environment,
            cwd=self.user,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


def leases_ever(home: Path) -> set[str]:
    ledger = home / "ledger.jsonl"
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return {json.loads(line)["lease"] for line in lines if line.endswith("}")}


def inventory(place: Place) -> dict[str, list[str]]:
    """Everything of the run's that this machine holds, by kind."""
    tags = [f"dw-{lease}" for lease in leases_ever(place.home)]

    def ours(text: str) -> bool:
        return str(place.home) in text or any(tag in text for tag in tags)

    groups = [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if ours(folder)]
    netns = [entry.name for entry in Path("/run/netns").iterdir() if ours(entry.name)]
    nspawn = [path for path in Path("/run/systemd/nspawn").rglob("*") if ours(path.name)]
    return {
        "processes": sorted(f"{pid}: {what}" for pid, what in processes(place.token, ours)),
        "namespaces": sorted(netns),
        "links": sorted(
            entry.name for entry in Path("/sys/class/net").iterdir() if ours(entry.name)
        ),
        "cgroups": sorted(groups),
        "mounts": [
            line for line in Path("/proc/self/mountinfo").read_text().splitlines() if ours(line)
        ],
        "nspawn": sorted(map(str, nspawn)),
        "locks": [path.name for path in [image_lock(place.image)] if path.exists()],
        "state": sorted(
            str(path) for path in place.home.rglob("*") if path.name not in ("ledger.jsonl", "lock")
        ),
        "files": sorted(str(path) for path in place.user.rglob("*") if path.is_file()),
    }


def image_lock(image: Path) -> Path:
    """The file that nspawn would make to lock ``image``, and would leave behind when killed."""
    status = image.stat()
    return LOCKS / f"inode-{status.st_dev}:{status.st_ino}"


def processes(token: str, ours) -> list[tuple[int, str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
            cgroup = (entry / "cgroup").read_text()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, UnicodeDecodeError):
            continue
        if state not in "ZX" and (token.encode() in environment or ours(cgroup) or ours(command)):
            found.append((int(entry.name), command))
    return found


@pytest.fixture
def place(local_file, own_home, node_image, tmp_path) -> Place:
    user = tmp_path / "user"
    user.mkdir()
    home()
    return Place(own_home, user, secrets.token_hex(16), node_image)


def test_nothing_is_left_of_a_run_killed_at_any_point(place, local_file):
    seed = int(os.environ.get("DISCOVERY_TEST_SEED") or secrets.randbits(32))
    print(f"seed {seed}; run again with DISCOVERY_TEST_SEED={seed}")
    chance = random.Random(seed)
    before = inventory(place)
    whole = time_of_a_run(place, local_file)
    assert inventory(place) == before, "of a run that was not killed"
    interrupted = 0
    for number in range(KILLS):
        # Half of them while nodes come up, when things are half made.
        moment = chance.uniform(0, min(2.0, whole) if number % 4 < 2 else whole)
        with place.start(RUN, str(local_file)) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(moment)
            process.kill()
        left = held()
        interrupted += bool(left)
        if number % 2:  # kill a `down` in the middle too
            with place.start(DOWN, "testbed", "down", "--all") as down:
                time.sleep(chance.uniform(0.4, 1.4))
                down.kill()
        with place.start(DOWN, "testbed", "down", "--all") as down:
            assert down.wait(60) == 0
        settling = time.monotonic()
        after = settle(place, before)
        print(
            f"killed after {moment:.2f} s of {whole:.2f} s: {sum(item.things for item in left)} "
            f"things held, none {time.monotonic() - settling:.2f} s after down",
            flush=True,
        )
        assert after == before, f"killed {moment:.3f} s after it was ready, of {whole:.3f} s"
        assert held() == []
    assert interrupted >= KILLS // 2, "most kills must meet a run that holds something"


def time_of_a_run(place: Place, local_file: Path) -> float:
    with place.start(RUN, str(local_file)) as process:
        assert process.stdout.readline() == "ready\n"
        started = time.monotonic()
        assert process.wait(120) == 0
    return time.monotonic() - started


def settle(place: Place, before: dict[str, list[str]]) -> dict[str, list[str]]:
    """The inventory, once Ansible's orphaned workers have noticed that their parent is gone."""
    deadline = time.monotonic() + 15
    while (after := inventory(place)) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    return after
