from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from discovery.errors import BusyError
from discovery.testbed.lock import holder, lock

HOLD = """
import sys, time
from pathlib import Path
from discovery.testbed.lock import lock
with lock(Path(sys.argv[1]), "the first run", wait=False):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def first(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield path, process
        process.kill()


def test_a_second_run_is_told_who_holds_it(first):
    path, process = first
    assert holder(path).pid == process.pid
    with (
        pytest.raises(BusyError, match=rf"process {process.pid} \(the first run\) since .*; wait"),
        lock(path, "the second run", wait=False),
    ):
        pass


def test_a_second_run_waits_until_the_first_is_killed(first):
    path, process = first
    said = []

    def say(sentence: str) -> None:
        said.append(sentence)
        os.kill(process.pid, signal.SIGKILL)

    with lock(path, "the second run", wait=True, say=say):
        assert holder(path).purpose == "the second run"
    assert len(said) == 1
    assert "the first run" in said[0]


def test_nobody_holds_it_after(tmp_path):
    path = tmp_path / "lock"
    assert holder(path) is None
    with lock(path, "a run", wait=False):
        assert holder(path).pid == os.getpid()
    assert holder(path) is None
    with lock(path, "another", wait=False):
        pass


def test_no_child_inherits_it(tmp_path):
    path = tmp_path / "lock"
    with lock(path, "the parent", wait=False):
        forked = os.fork()
        if forked == 0:
            time.sleep(60)
            os._exit(0)
        program = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        started = time.monotonic()  # a fork closes it as soon as it runs, which may take a moment
        with lock(path, "the next", wait=True):
            assert time.monotonic() - started < 10
    finally:
        os.kill(forked, signal.SIGKILL)
        os.waitpid(forked, 0)
        program.kill()
        program.wait()
