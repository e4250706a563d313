"""An accident leaves no result, and what the nodes said of it."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from discovery.errors import DeployError, TestbedError
from discovery.workload import cell as cells
from tests.raw.cells import make_cell


class Deployed:
    """A deployment that is well, whose nodes say something if they are still there."""

    image = "c0ffee"

    def __init__(self, silent=False):
        self.silent = silent

    def check_health(self):
        pass

    def versions(self):
        return {}

    def logs(self, folder):
        if self.silent:
            raise TestbedError("the nodes are gone")
        folder.mkdir()
        (folder / "site-1-control.log").write_text("the worker died")


class Subject:
    """What is run in the cell, of which one step breaks."""

    memory_mb, roles = 1, None

    def __init__(self, deployed, *, breaks):
        self.deployed, self.breaks = deployed, breaks

    def deploy(self, held, clock):
        if self.breaks == "deploy":
            raise DeployError("a unit is down")
        return self.deployed

    def prepare(self):
        if self.breaks == "prepare":
            raise TestbedError("Rally could not log in")


@pytest.fixture
def run(monkeypatch, tmp_path):
    def run(subject, error):
        @contextmanager
        def lease(*_, **__):
            yield SimpleNamespace()

        monkeypatch.setattr(cells, "lease", lease)
        monkeypatch.setattr(cells, "_subject", lambda *_: subject)
        told = []
        with pytest.raises(error):
            cells.run_cell(make_cell(), None, tmp_path / "raw" / "cell", told.append)
        left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.log"))
        assert not (tmp_path / "raw" / "cell").exists()
        return left, [line for line in told if "accident" in line]

    return run


def test_what_the_nodes_said_is_kept(run, tmp_path):
    left, told = run(Subject(Deployed(), breaks="prepare"), TestbedError)
    assert left == ["raw/cell.accident/logs/site-1-control.log"]
    assert told == [f"an accident; what its nodes said is in {tmp_path}/raw/cell.accident"]


def test_nodes_that_say_nothing_hide_no_error(run):
    assert run(Subject(Deployed(silent=True), breaks="prepare"), TestbedError) == ([], [])


def test_without_a_deployment_there_is_nothing_to_keep(run):
    assert run(Subject(Deployed(), breaks="deploy"), DeployError) == ([], [])
