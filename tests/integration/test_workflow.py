"""What the workflow itself does: which jobs it runs, again, after a kill, or not at all.

Snakemake and the checks before the rules are the real ones; `discovery` and `papermill` are
stand-ins that write down their calls and leave the files a rule expects. No result comes from here.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from discovery.deploy.backends import BACKENDS
from discovery.deploy.cockroach import program
from discovery.evaluation.needs import why_not_run
from discovery.evaluation.plan import memory_there_mb
from discovery.experiment.load import load_cells, read_yaml
from discovery.results.schema import SCHEMA_VERSION, TABLES
from discovery.testbed.processes import start_time
from tests.unit.deploy import tiny_elf

ROOT = Path(__file__).parents[2]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
IN_ORDER = [
    cell.id
    for cell in load_cells(ROOT / "experiments" / "keystone-2018", "smoke")
    if why_not_run(cell) is None  # CockroachDB has a cell of it where its program is
]
CELLS = set(IN_ORDER)
UNLUCKY = IN_ORDER[2]

STAND_IN = f"""#!{sys.executable}
import os, sys, time
from pathlib import Path

name, words = Path(sys.argv[0]).name, sys.argv[1:]
options = dict(zip(words, words[1:]))
count = 2 if words[0] in ("cell", "archive") else 1
verb = name if name == "papermill" else " ".join(words[:count])
subject = options.get("--cell", "")
with open("calls", "a") as calls:
    calls.write(f"{{verb}} {{subject}}".strip() + "\\n")

accidents = Path("accidents", subject)
if subject and accidents.is_file():
    left = int(accidents.read_text())
    accidents.write_text(str(left - 1))
    if left > 0:
        print("the testbed broke: an accident", file=sys.stderr)
        sys.exit(4)
if Path("slow").is_file() and Path("slow").read_text() == subject:
    from discovery.workload.workflow import end_with_workflow

    end_with_workflow()
    Path("pid").write_text(str(os.getpid()))
    time.sleep(600)

if verb == "cell run":
    written = [Path(options["--out"], "cell.json")]
elif verb == "tidy":
    written = [Path(options["--out"], f"{{table}}.parquet") for table in {list(TABLES)!r}]
elif verb == "archive unpack":
    written = [Path(words[-1], f"{{table}}.parquet") for table in {list(TABLES)!r}]
elif verb == "papermill":
    written = [Path(words[-1])]
else:
    written = [Path(options["--out"])]
for path in written:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{{verb}} {{subject}} {{time.time()}}")
"""


class Checkout:
    """A copy of what the workflow reads, in which it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.experiment = folder / "experiments" / "keystone-2018" / "experiment.yaml"
        self.environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}

    def command(self, *arguments: str) -> list[str]:
        return [str(SNAKEMAKE), "--profile", "workflow/profiles/local", *arguments]

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run the workflow and return what it printed."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said

    def calls(self) -> list[str]:
        """What was called since the last time this was asked."""
        path = self.folder / "calls"
        found = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    def cells(self) -> list[str]:
        """The cells that were measured since the last time anything was asked."""
        return [call.split()[-1] for call in self.calls() if call.startswith("cell run")]

    def edit(self, *place: str | int, value: Any) -> None:
        """Write ``value`` to a place of ``experiment.yaml``."""
        document = read_yaml(self.experiment)
        inside = document
        for part in place[:-1]:
            inside = inside[part]
        inside[place[-1]] = value
        self.experiment.write_text(yaml.safe_dump(document), encoding="utf-8")

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text(encoding="utf-8")
        assert old in text
        (self.folder / path).write_text(text.replace(old, new), encoding="utf-8")


def lay_out(folder: Path) -> Checkout:
    for name in ("workflow", "experiments", "discovery"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for experiment, name in (("keystone-2018", "completion"), ("another", "elsewhere")):
        notebook = folder / "notebooks" / experiment / f"{name}.ipynb"
        notebook.parent.mkdir(parents=True)
        notebook.write_text("{}")
    (folder / "paper").mkdir()
    (folder / "paper" / "paper.tex").write_text("text")
    (folder / "bin").mkdir()
    for name in ("discovery", "papermill"):
        program = folder / "bin" / name
        program.write_text(STAND_IN)
        program.chmod(0o755)
    return Checkout(folder)


@pytest.fixture
def fresh(tmp_path: Path) -> Checkout:
    """A checkout in which nothing has run yet."""
    return lay_out(tmp_path / "fresh")


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, list[str]]:
    """A checkout in which everything has run, and what was called."""
    checkout = lay_out(tmp_path_factory.mktemp("first") / "run")
    checkout.run()
    return checkout, checkout.calls()


@pytest.fixture
def finished(first_run: tuple[Checkout, list[str]], tmp_path: Path) -> Checkout:
    """A copy of that checkout, times of files included."""
    shutil.copytree(first_run[0].folder, tmp_path / "finished")
    return Checkout(tmp_path / "finished")


def test_the_first_run_measures_every_cell_once_and_makes_everything(
    first_run: tuple[Checkout, list[str]],
) -> None:
    checkout, calls = first_run
    assert calls[: len(CELLS)] == [f"cell run {cell}" for cell in IN_ORDER]
    assert set(calls[len(CELLS) :]) == {"tidy", "papermill", "claims", "paper", "report"}
    results = checkout.folder / "results" / "keystone-2018" / "smoke"
    for name in ("claims.json", "paper.pdf", "report/index.html", "notebooks/completion.ipynb"):
        assert (results / name).is_file()
    assert [path.stem for path in (results / "notebooks").iterdir()] == ["completion"]
    logs = {path.stem for path in (results / "logs" / "cell").glob("*.log")}
    assert logs == CELLS


def test_a_second_run_does_nothing_within_ten_seconds(finished: Checkout) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = finished.run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "Nothing to be done" in said
    assert finished.calls() == []
    # Seconds of processor, which unlike those of the clock are ours alone on a busy machine.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10


def test_files_that_were_only_touched_redo_nothing(finished: Checkout) -> None:
    for path in (*finished.folder.rglob("*.py"), *finished.folder.rglob("*.yaml")):
        path.touch()
    finished.run()
    assert finished.calls() == []


def test_no_change_of_code_measures_a_cell_again(finished: Checkout) -> None:
    finished.replace("workflow/rules/measure.smk", "discovery cell run", "discovery  cell run")
    for path in ("workload/cell.py", "deploy/backends.py", "errors.py"):
        finished.replace(f"discovery/{path}", "from __future__", "# edited\nfrom __future__")
    finished.run()
    assert finished.calls() == []


def test_a_change_of_the_analysis_redoes_figures_and_what_shows_them(finished: Checkout) -> None:
    finished.replace("discovery/analysis/__init__.py", '"""', '"""Edited. ')
    finished.run()
    assert sorted(finished.calls()) == ["claims", "paper", "papermill", "report"]


def test_an_edited_notebook_redoes_itself_and_what_shows_it(finished: Checkout) -> None:
    finished.replace("notebooks/keystone-2018/completion.ipynb", "{}", "{ }")
    finished.run()
    assert sorted(finished.calls()) == ["paper", "papermill", "report"]


def test_a_new_level_measures_exactly_its_cells(finished: Checkout) -> None:
    delays = read_yaml(finished.experiment)["tiers"]["smoke"]["one_way_delay_ms"]
    finished.edit("tiers", "smoke", "one_way_delay_ms", value=[*delays, 33.0])
    finished.run()
    calls = finished.calls()
    measured = {call.split()[-1] for call in calls if call.startswith("cell run")}
    there = load_cells(finished.experiment.parent, "smoke")
    expected = {cell.id for cell in there if why_not_run(cell) is None}
    assert measured == expected - CELLS
    assert all("-d33-" in cell for cell in measured)
    assert set(calls) >= {"tidy", "papermill", "claims", "paper", "report"}


def test_an_edited_setting_measures_every_cell_again(finished: Checkout) -> None:
    finished.edit("keystone", "bcrypt_rounds", value=6)
    finished.run()
    assert finished.cells() == IN_ORDER


def test_an_edited_title_measures_no_cell(finished: Checkout) -> None:
    finished.edit("title", value="Another title")
    finished.run()
    assert finished.calls() == ["report"]


def test_a_cell_that_is_gone_is_measured_again_alone(finished: Checkout) -> None:
    shutil.rmtree(finished.folder / "results" / "keystone-2018" / "smoke" / "raw" / UNLUCKY)
    finished.run()
    assert finished.cells() == [UNLUCKY]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_after_a_kill_only_the_cell_that_was_cut_off_is_measured_again(fresh: Checkout) -> None:
    victim = IN_ORDER[3]
    (fresh.folder / "slow").write_text(victim)
    pid = fresh.folder / "pid"
    run = subprocess.Popen(
        fresh.command(),
        cwd=fresh.folder,
        env=fresh.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: pid.exists() and pid.read_text() != "")
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    before = fresh.cells()
    assert before == IN_ORDER[: IN_ORDER.index(victim) + 1]
    (fresh.folder / "slow").unlink()

    assert "--unlock" in fresh.run(code=1)
    assert fresh.calls() == []
    fresh.run("--unlock")
    fresh.run()
    assert fresh.cells() == IN_ORDER[IN_ORDER.index(victim) :]
    fresh.run()
    assert fresh.calls() == []


def test_a_cell_ends_when_snakemake_alone_is_killed(fresh: Checkout) -> None:
    (fresh.folder / "slow").write_text(IN_ORDER[0])
    run = subprocess.Popen(
        fresh.command(),
        cwd=fresh.folder,
        env=fresh.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pid = fresh.folder / "pid"
    try:
        wait_for(lambda: pid.exists() and pid.read_text() != "")
    finally:
        run.kill()
        run.wait()
    cell = int(pid.read_text())
    try:
        wait_for(lambda: start_time(cell) is None)
    finally:
        if start_time(cell) is not None:
            os.kill(cell, signal.SIGKILL)


def test_an_accident_is_tried_again(fresh: Checkout) -> None:
    (fresh.folder / "accidents").mkdir()
    (fresh.folder / "accidents" / UNLUCKY).write_text("2")
    fresh.run()
    assert fresh.cells() == [*IN_ORDER[:2], UNLUCKY, UNLUCKY, *IN_ORDER[2:]]


def test_a_lasting_accident_fails_with_its_log_and_stops_no_other_cell(fresh: Checkout) -> None:
    (fresh.folder / "accidents").mkdir()
    (fresh.folder / "accidents" / UNLUCKY).write_text("99")
    said = fresh.run(code=1)
    assert "the testbed broke: an accident" in said
    calls = fresh.calls()
    assert {call.split()[-1] for call in calls} == CELLS
    assert calls.count(f"cell run {UNLUCKY}") == 3
    (fresh.folder / "accidents" / UNLUCKY).unlink()
    fresh.run()
    assert fresh.cells() == [UNLUCKY]


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (
            "backends",
            ["mariadb", "galara"],
            "tiers.smoke.backends[1] = 'galara': unknown back end, did you mean galera?; "
            f"allowed: {', '.join(BACKENDS)}",
        ),
        (
            "one_way_delay_ms",
            [0.0, -25.0],
            "tiers.smoke.one_way_delay_ms[1] = -25.0; allowed: a number ≥ 0",
        ),
        ("sites", [99], "tiers.smoke.sites = 99: needs "),
    ],
)
def test_bad_input_is_one_sentence_before_anything_runs(
    fresh: Checkout, key: str, value: object, sentence: str
) -> None:
    if key == "sites" and memory_there_mb() > 50_000:
        pytest.skip("this machine's memory holds 99 sites")
    fresh.edit("tiers", "smoke", key, value=value)
    said = fresh.run(code=2)
    last = said.splitlines()[-1]
    assert last.startswith(f"experiments/keystone-2018/experiment.yaml: {sentence}")
    assert "Traceback" not in said
    assert fresh.calls() == []


@pytest.mark.parametrize("tier", ["tiny", "5"])
def test_a_tier_that_does_not_exist_is_one_sentence(fresh: Checkout, tier: str) -> None:
    said = fresh.run("--config", f"tier={tier}", code=2)
    assert "tier = " in said.splitlines()[-1]
    assert said.splitlines()[-1].endswith("; allowed: smoke, laptop, full or scale")


def test_a_dry_run_names_every_cell_and_runs_none(fresh: Checkout) -> None:
    said = fresh.run("--dry-run", "--quiet", "host")
    assert all(f"/{cell}/cell.json" in said for cell in CELLS)
    assert fresh.calls() == []


LACKING = "cockroachdb-s3-d25-light-r1"


@pytest.fixture
def lacking(fresh: Checkout) -> Checkout:
    """A checkout whose experiment has a back end that this machine lacks."""
    fresh.edit("tiers", "smoke", "also", value=[])
    fresh.edit("tiers", "smoke", "backends", value=["mariadb", "cockroachdb"])
    fresh.environment.pop(program.VARIABLE, None)
    fresh.environment["DISCOVERY_HOME"] = str(fresh.folder / "home")
    return fresh


def test_a_back_end_that_is_lacking_is_left_out_and_named(lacking: Checkout) -> None:
    said = lacking.run("--dry-run", "--quiet", "host")
    assert (
        "not run: back end cockroachdb, no CockroachDB binary (set DISCOVERY_COCKROACH to one)"
        in said
    )
    assert LACKING not in said
    assert "/mariadb-s3-d25-light-r1/cell.json" in said
    lacking.run()
    calls = lacking.calls()
    assert calls[:2] == ["cell run mariadb-s3-d0-light-r1", "cell run mariadb-s3-d25-light-r1"]
    assert set(calls[2:]) == {"tidy", "papermill", "claims", "paper", "report"}
    assert "Nothing to be done" in lacking.run()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stand-ins are programs for amd64")
def test_the_same_tree_runs_it_when_a_binary_is_named(lacking: Checkout) -> None:
    binary = tiny_elf.cockroach(lacking.folder / "bin" / "cockroach")
    lacking.run()
    lacking.calls()
    lacking.environment[program.VARIABLE] = str(binary)
    lacking.run()
    assert lacking.cells() == ["cockroachdb-s3-d0-light-r1", LACKING]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stand-ins are programs for amd64")
def test_a_stand_in_that_speaks_nothing_is_one_sentence_before_anything_runs(
    lacking: Checkout,
) -> None:
    binary = tiny_elf.write(lacking.folder / "bin" / "cockroach", tiny_elf.program())
    lacking.environment[program.VARIABLE] = str(binary)
    said = lacking.run(code=3)
    assert said.splitlines()[-1] == (
        f"DISCOVERY_COCKROACH={binary} is not CockroachDB: asked for its version, it said nothing"
    )
    assert lacking.calls() == []


def test_a_tier_of_which_nothing_can_run_is_one_sentence(lacking: Checkout) -> None:
    lacking.edit("tiers", "smoke", "backends", value=["cockroachdb"])
    said = lacking.run(code=3)
    assert said.splitlines()[-1].startswith("no cell of tier smoke can run here: no CockroachDB")
    assert lacking.calls() == []


def archive(checkout: Checkout, version: int = SCHEMA_VERSION) -> None:
    folder = checkout.experiment.parent / "archive" / "smoke"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    manifest = {
        "schema_version": 1,
        "tables_schema_version": version,
        "experiment": "keystone-2018",
        "tier": "smoke",
        "cells": 18,
        "failed_cells": 0,
        "first_started": "2026-11-22T17:20:00+00:00",
        "last_started": "2026-11-22T17:40:00+00:00",
        "environments": [],
        "tables": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_from_the_archive_nothing_is_measured_and_the_measuring_half_is_not_read(
    fresh: Checkout,
) -> None:
    archive(fresh)
    (fresh.folder / "workflow" / "rules" / "measure.smk").unlink()
    (fresh.folder / "experiments" / "testbeds" / "local.yaml").unlink()
    fresh.run("--config", "source=archive")
    calls = fresh.calls()
    assert calls[0] == "archive unpack"
    assert sorted(calls[1:]) == ["claims", "paper", "papermill", "report"]
    results = fresh.folder / "results" / "keystone-2018"
    assert (results / "archive" / "smoke" / "paper.pdf").is_file()
    assert not (results / "smoke").exists()


def test_an_archive_of_another_version_is_one_sentence(fresh: Checkout) -> None:
    archive(fresh, version=SCHEMA_VERSION + 1)
    said = fresh.run("--config", "source=archive", code=8)
    assert f"manifest.json: tables_schema_version is {SCHEMA_VERSION + 1}" in said.splitlines()[-1]
    assert fresh.calls() == []


def test_a_tier_that_was_not_archived_is_one_sentence_that_names_those_that_were(
    fresh: Checkout,
) -> None:
    archive(fresh)
    said = fresh.run("--config", "source=archive", "tier=full", code=8)
    assert said.splitlines()[-1].endswith("makes one; beside it are: laptop, scale, smoke")
    assert fresh.calls() == []


def test_snakemakes_own_report_can_be_made(finished: Checkout) -> None:
    finished.run("--report", "report.zip")
    assert (finished.folder / "report.zip").stat().st_size > 10_000
    assert finished.calls() == []
