"""A cell of the workflow ends with it, however that ends; a cell of a person does not."""

import os
import signal
import subprocess
import sys

import pytest

from discovery.errors import TestbedError
from discovery.testbed.processes import start_time, wait_until
from discovery.workload import workflow

# What `discovery cell run` does, below a shell as in a Snakemake job: it releases, and ends.
CELL = """
import signal, sys, time
from pathlib import Path
from discovery.workload.workflow import end_with_workflow

def leave(number, frame):
    Path(sys.argv[1], "released").touch()
    raise SystemExit(143)

signal.signal(signal.SIGTERM, leave)
end_with_workflow()
Path(sys.argv[1], "began").touch()
time.sleep(60)
"""
STARTER = """
import subprocess, sys
from discovery.workload.workflow import mark
if sys.argv[3] == "workflow":
    mark()
subprocess.run(["bash", "-c", 'set -e; "$0" -c "$1" "$2" & echo $! > "$2"/pid; wait; true',
    sys.executable, sys.argv[1], sys.argv[2]])
"""


@pytest.fixture(autouse=True)
def _unmarked(monkeypatch):
    monkeypatch.delenv(workflow.VARIABLE, raising=False)


@pytest.mark.parametrize("who", ["workflow", "person"])
def test_who_started_it_decides_whether_it_ends(tmp_path, who):
    starter = subprocess.Popen([sys.executable, "-c", STARTER, CELL, str(tmp_path), who])
    assert wait_until((tmp_path / "began").exists, timeout=20)
    starter.kill()
    starter.wait()
    cell = int((tmp_path / "pid").read_text())
    try:
        if who == "workflow":
            assert wait_until(lambda: start_time(cell) is None, timeout=10)
            assert (tmp_path / "released").exists()
        else:
            assert not wait_until(lambda: start_time(cell) is None, timeout=0.5)
    finally:
        if start_time(cell) is not None:
            os.kill(cell, signal.SIGKILL)


def test_a_workflow_that_has_ended_already_is_told(monkeypatch):
    with subprocess.Popen(["true"]) as ended:
        pass
    for mark in (f"{ended.pid}:12345", f"{os.getpid()}:1"):
        monkeypatch.setenv(workflow.VARIABLE, mark)
        with pytest.raises(TestbedError, match="has ended; start it again"):
            workflow.end_with_workflow()


@pytest.mark.parametrize("nonsense", ["", "x", "12", ":", "-1:5"])
def test_what_is_no_mark_is_none(monkeypatch, nonsense):
    monkeypatch.setenv(workflow.VARIABLE, nonsense)
    workflow.end_with_workflow()
    assert workflow.VARIABLE not in os.environ


def test_of_workflows_inside_each_other_the_outer_one_counts(monkeypatch):
    monkeypatch.setenv(workflow.VARIABLE, "7:8")
    workflow.mark()
    assert os.environ[workflow.VARIABLE] == "7:8"
