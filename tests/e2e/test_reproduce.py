"""The main job as a stranger runs it: the smoke tier, killed in the middle, and run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from discovery.evaluation.needs import why_not_run
from discovery.experiment.load import load_cells

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(os.geteuid() != 0, reason="the local testbed needs root"),
]


def reproduce(checkout: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start `scripts/reproduce --tier smoke` in a session of its own, its output in ``log``."""
    with log.open("wb") as stream:
        return subprocess.Popen(
            ["scripts/reproduce", "--tier", "smoke"],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def whole_cells(checkout: Path) -> dict[str, float]:
    """The cells whose results are there, and when each was written."""
    raw = checkout / "results" / "keystone-2018" / "smoke" / "raw"
    return {path.parent.name: path.stat().st_mtime for path in raw.glob("*/cell.json")}


@pytest.fixture(scope="module")
def killed(checkout: Path) -> dict[str, float]:
    """A first run, killed outright while it loads its second cell; what was whole by then."""
    log = checkout / "first.log"
    run = reproduce(checkout, log)
    try:
        while "warm-up" not in log.read_text(errors="replace").rpartition("release")[2] or not (
            whole_cells(checkout)
        ):
            assert run.poll() is None, log.read_text()[-3000:]
            time.sleep(0.5)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    return whole_cells(checkout)


@pytest.fixture(scope="module")
def finished(checkout: Path, killed: dict[str, float]) -> str:
    """The second run's output; it ends well."""
    log = checkout / "second.log"
    run = reproduce(checkout, log)
    assert run.wait() == 0, log.read_text()[-3000:]
    return log.read_text()


def test_a_killed_run_goes_on_and_redoes_only_the_cell_it_was_in(checkout, killed, finished):
    cells = {
        cell.id
        for cell in load_cells(checkout / "experiments/keystone-2018", "smoke")
        if why_not_run(cell) is None
    }
    assert 1 <= len(killed) < len(cells)
    assert set(whole_cells(checkout)) == cells
    assert {name: when for name, when in whole_cells(checkout).items() if name in killed} == killed


def test_nothing_is_held_afterwards(finished):
    done = subprocess.run(
        ["discovery", "testbed", "list"], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "nothing is held"


def test_every_back_end_was_really_measured(checkout, finished):
    for manifest in (checkout / "results/keystone-2018/smoke/raw").glob("*/cell.json"):
        cell = json.loads(manifest.read_text())
        assert cell["status"] == "ok", cell["failure"]
        wan = json.loads((manifest.parent / "wan.json").read_text())
        assert {entry["when"] for entry in wan["measurements"]} >= {"shaped", "after-load"}


def test_the_verdicts_the_paper_and_the_page_are_there(checkout, finished):
    results = checkout / "results/keystone-2018/smoke"
    verdicts = json.loads((results / "claims.json").read_text())
    assert {claim["verdict"] for claim in verdicts["claims"]} <= {
        "supported",
        "contradicted",
        "inconclusive",
        "not run",
    }
    assert (results / "paper.pdf").read_bytes().startswith(b"%PDF-")
    assert "<html" in (results / "report/index.html").read_text()
    assert "report: results/keystone-2018/smoke/report/index.html" in finished


def test_a_run_without_a_change_does_nothing(checkout, finished):
    before = whole_cells(checkout)
    done = subprocess.run(
        ["snakemake", "--profile", "workflow/profiles/local", "--config", "tier=smoke"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Nothing to be done" in done.stdout + done.stderr
    assert whole_cells(checkout) == before
