"""An accident leaves no result, and what the nodes said of it."""

import json
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from discovery.errors import ConfigError, DeployError, MeasuredFailure, TestbedError, WanError
from discovery.workload import cell as cells
from discovery.workload import watchdog
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


def test_a_node_that_is_gone_does_not_take_along_what_the_others_said(run):
    class Half(Deployed):
        def logs(self, folder):
            super().logs(folder)
            raise DeployError("site-2-control is unreachable")

    left, told = run(Subject(Half(), breaks="prepare"), TestbedError)
    assert left == ["raw/cell.accident/logs/site-1-control.log"]
    assert len(told) == 1


class Wan:
    """A WAN that is measured after the load as ``after`` says; ``stalls`` are its stand-stills."""

    backend = "forwarder"

    def __init__(self, after=100.2, stalls=()):
        self.after, self.stalls, self.changes, self.measured = after, list(stalls), [], []

    def shape(self, delays, settings):
        self._measure("shaped", 1000.0, 100.2)

    def measure(self, when):
        self._measure(when, 2000.0, self.after)

    def _measure(self, when, time, measured):
        pairs = [
            {
                "source": source,
                "destination": destination,
                "asked_rtt_ms": 100.0,
                "measured_rtt_ms": measured,
                "min_rtt_ms": measured,
                "max_rtt_ms": measured,
                "sent": 10,
                "lost": 0 if measured else 10,
            }
            for source, destination in (("site-1", "site-2"), ("site-2", "site-1"))
        ]
        self.measured.append({"when": when, "time": time, "pairs": pairs})

    @property
    def record(self):
        return {
            "schema_version": 1,
            "backend": self.backend,
            "measurements": self.measured,
            "changes": self.changes,
            "stalls": self.stalls,
        }


class Ailing(Deployed):
    """A deployment that is well only before the load."""

    asked = 0

    def check_health(self):
        self.asked += 1
        if self.asked > 1:
            raise DeployError("site-2: no token in 60 s")


class Loaded(Subject):
    """One whose load ends with ``error``, if any, after ``meanwhile`` was done."""

    def __init__(self, deployed, error=None, meanwhile=lambda: None):
        super().__init__(deployed, breaks="")
        self.error, self.meanwhile = error, meanwhile

    def prepare(self):
        pass

    def steps(self, folder):
        def load():
            self.meanwhile()
            if self.error:
                raise self.error

        return [("warm-up", lambda: None), ("load", load)]

    def collect(self, folder):
        pass


GAVE_UP = TestbedError("create-user on site-2-client: Rally gave up")
NO_ITERATION = MeasuredFailure("create-user on site-2-client: Rally could not begin an iteration")


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Run a cell whose nodes and WAN are as given; its ``cell.json``."""

    def load(subject, wan, unreachable="", look=lambda: None):
        @contextmanager
        def lease(*_, **__):
            yield SimpleNamespace(
                wan=wan, nodes=[], provider="local", release=lambda: None, look=look
            )

        def reach(*_):
            if unreachable:
                raise TestbedError(unreachable)

        monkeypatch.setattr(cells, "lease", lease)
        monkeypatch.setattr(cells, "_subject", lambda *_: subject)
        monkeypatch.setattr(cells.remote, "run", reach)
        out = tmp_path / "raw" / make_cell().id
        try:
            cells.run_cell(make_cell(), None, out, lambda _: None)
        except Exception:
            assert not out.exists()
            raise
        return json.loads((out / "cell.json").read_text())

    return load


@pytest.mark.parametrize("error", [None, NO_ITERATION, GAVE_UP])
@pytest.mark.parametrize("after", [None, 0.2, 180.0])
def test_a_wan_that_died_under_the_load_is_an_accident(load, tmp_path, error, after):
    with pytest.raises(WanError, match="did not outlive the load"):
        load(Loaded(Ailing(), error), Wan(after))
    (kept,) = tmp_path.glob("raw/*.accident/wan.json")
    assert json.loads(kept.read_text())["measurements"][-1]["when"] == "after-load"


@pytest.mark.parametrize("error", [None, NO_ITERATION, GAVE_UP])
def test_a_wan_that_stood_still_under_the_load_is_an_accident(load, error):
    with pytest.raises(WanError, match=r"stood still for 3\.0 s"):
        load(Loaded(Ailing(), error), Wan(stalls=[{"time": 1500.0, "seconds": 3.0}]))


@pytest.mark.parametrize("error", [NO_ITERATION, GAVE_UP])
def test_a_node_that_is_gone_is_an_accident(load, error):
    with pytest.raises(TestbedError, match="site-2-control cannot be reached"):
        load(Loaded(Ailing(), error), Wan(), unreachable="site-2-control cannot be reached")


def test_a_system_that_broke_on_a_testbed_that_is_well_is_a_result(load):
    written = load(Loaded(Deployed(), NO_ITERATION), Wan())
    assert (written["status"], written["failure"]["phase"]) == ("failed", "load")
    assert written["failure"]["message"] == str(NO_ITERATION)


def test_rally_that_gave_up_is_a_result_if_the_system_is_ill(load):
    written = load(Loaded(Ailing(), GAVE_UP), Wan())
    assert written["failure"]["message"] == f"site-2: no token in 60 s (after: {GAVE_UP})"


def test_and_an_accident_if_the_system_is_well(load):
    with pytest.raises(TestbedError, match="Rally gave up"):
        load(Loaded(Deployed(), GAVE_UP), Wan())


def test_a_load_without_a_fault_is_ok(load):
    written = load(Loaded(Deployed()), Wan())
    assert (written["status"], written["failure"]) == ("ok", None)


def test_a_cut_that_the_cell_made_is_no_accident(load):
    wan = Wan(after=None)
    cut = {"time": 1500.0, "action": "cut", "sites": ["site-2"]}
    written = load(Loaded(Deployed(), NO_ITERATION, lambda: wan.changes.append(cut)), wan)
    assert written["failure"]["class"] == "measured"


@pytest.mark.parametrize("error", [None, NO_ITERATION, GAVE_UP])
def test_a_testbed_that_dies_ends_the_load(load, monkeypatch, error):
    loading = []

    def look():
        if loading:
            raise TestbedError("Node site-2-control has died")

    def wait():
        loading.append(1)
        time.sleep(20)

    began = time.monotonic()
    monkeypatch.setattr(watchdog, "PERIOD_S", 0.02)
    with pytest.raises(TestbedError, match="site-2-control has died"):
        load(Loaded(Ailing(), error, wait), Wan(), look=look)
    assert time.monotonic() - began < 10


def test_a_folder_with_files_of_others_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(ConfigError, match=r"files that the cell's results would replace.*named ma"):
        cells.run_cell(make_cell(), None, tmp_path, print)
    assert (tmp_path / "thesis.tex").read_text() == "years"
