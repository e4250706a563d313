from __future__ import annotations

import os
import subprocess
import sys

import pytest

from discovery.testbed import processes

# Forks a child that runs no other program, says its pid, and is killed: an orphan.
FORKER = """
import os, signal, sys, time
from pathlib import Path
from discovery.testbed import processes
processes.own(Path(sys.argv[1]))
if sys.argv[2] == "disown":
    processes.disown(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    os.close(1)
    os.close(2)
    time.sleep(60)
    os._exit(0)
time.sleep(0.2)
print(child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["own", "disown"])
def test_a_fork_is_found_although_its_run_was_killed(tmp_path, how):
    folder = tmp_path / "leases" / "a1b2c3"
    environment = {k: v for k, v in os.environ.items() if k != processes.LEASE_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", FORKER, str(folder), how],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    # The command line of a fork is its parent's, which here names the folder, but no file in it.
    pid = int(done.stdout)
    started = processes.start_time(pid)
    try:
        processes.kill_all_of(folder)
        assert processes.alive(pid, started) == (how == "disown")
    finally:
        processes.kill(pid, started)


def test_what_is_disowned_twice_or_by_another_stays(tmp_path, monkeypatch):
    monkeypatch.setenv(processes.LEASE_VARIABLE, "/other")
    processes.disown(tmp_path)
    assert os.environ[processes.LEASE_VARIABLE] == "/other"
