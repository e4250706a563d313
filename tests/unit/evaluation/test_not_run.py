"""A back end that this machine lacks: said everywhere, left out, and nothing else suffers."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from typer.testing import CliRunner

from discovery import cli
from discovery.claims.select import NoDataError
from discovery.claims.wording import not_run
from discovery.deploy.backends import memory_mb, why_not_run
from discovery.deploy.cockroach import program
from discovery.errors import MachineError
from discovery.evaluation import doctor
from discovery.evaluation import plan as planning
from discovery.evaluation.check import check_everything
from discovery.evaluation.needs import missing_parts
from discovery.evaluation.plan import plan, render, summary
from discovery.evaluation.report import _missing_cells
from discovery.experiment.load import load_cells, load_experiment
from tests.unit.deploy import tiny_elf

LOCAL = Path("experiments/testbeds/local.yaml").absolute()
WHY = "no CockroachDB binary (set DISCOVERY_COCKROACH to one)"
STUDY = """
id: keystone-2018
title: A study with a back end that may be lacking
service: keystone
keystone: {cache: dict, bcrypt_rounds: 4, processes: 1, threads: 10}
warm_up_iterations: 3
tiers:
  smoke:
    backends: [mariadb, cockroachdb]
    placement: [spread, follow-the-workload]
    sites: [3]
    one_way_delay_ms: [0.0]
    load: [light]
    repetitions: 1
    scenarios: [get-entities]
    times: 10
    concurrency: 5
  laptop:
    backends: [mariadb]
    sites: [3]
    one_way_delay_ms: [0.0]
    load: [light]
    repetitions: 1
    scenarios: [get-entities]
    times: 10
    concurrency: 5
"""
LACKING = ["cockroachdb-spread-s3-d0-light-r1", "cockroachdb-follow-the-workload-s3-d0-light-r1"]


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    folder = tmp_path / "experiments" / "keystone-2018"
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text(STUDY)
    return folder


@pytest.fixture(autouse=True)
def _no_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(program.VARIABLE, raising=False)
    monkeypatch.delenv(program.CHECKSUM_VARIABLE, raising=False)
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(planning, "memory_there_mb", lambda: 20_000)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that speaks nothing, named as the binary."""
    path = tiny_elf.write(tmp_path / "cockroach", tiny_elf.program())
    monkeypatch.setenv(program.VARIABLE, str(path))
    return path


needs_amd64 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the stand-ins are programs for amd64"
)


def test_its_cells_are_planned_as_not_run_and_the_others_run(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = plan(experiment, "smoke", LOCAL, tmp_path / "results")
    assert [one.cell.id for one in planned.cells if one.why_not] == LACKING
    assert [one.cell.id for one in planned.to_run] == ["mariadb-s3-d0-light-r1"]
    assert f"not run: 2 cells: {WHY}" in summary(planned)
    render(planned)
    assert "not run:" in capsys.readouterr().out


@needs_amd64
def test_with_a_binary_they_are_planned_as_all_others(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(program.VARIABLE, str(tiny_elf.cockroach(tmp_path / "cockroach")))
    planned = plan(experiment, "smoke", LOCAL, tmp_path / "results")
    assert len(planned.to_run) == 3
    assert "not run" not in summary(planned)
    assert doctor_says().startswith("v23.1.4, ")


@needs_amd64
def test_a_stand_in_that_speaks_nothing_is_refused_and_not_passed_over(
    experiment: Path, tmp_path: Path, stand_in: Path
) -> None:
    said = (
        f"DISCOVERY_COCKROACH={stand_in} is not CockroachDB: asked for its version, it said nothing"
    )
    for refused in (
        lambda: plan(experiment, "smoke", LOCAL, tmp_path / "results"),
        lambda: missing_parts(load_cells(experiment, "smoke")),
        lambda: list(check_everything(Path("experiments"), None)),
    ):
        with pytest.raises(MachineError) as caught:
            refused()
        assert str(caught.value) == said
    assert doctor_says() == f"not run: {said}"
    assert why_not_run("cockroachdb") == said
    # Who does not ask for the back end is not bothered by it.
    assert plan(experiment, "laptop", LOCAL, tmp_path / "results").to_run


def doctor_says() -> str:
    return next(one.found for one in doctor.examine() if one.name == "CockroachDB")


def test_check_and_doctor_say_it() -> None:
    assert f"back end cockroachdb: not run: {WHY}" in list(
        check_everything(Path("experiments"), None)
    )
    assert doctor_says() == f"not run: {WHY}"


def test_memory_is_not_asked_for_what_is_not_run() -> None:
    needed = next(one.found for one in doctor.examine() if one.name == "memory")
    assert needed.endswith(f"3 sites need {memory_mb('galera', 3) / 1000:.1f} GB")
    assert memory_mb("galera", 3) < memory_mb("cockroachdb", 3)


def test_the_report_names_the_cells_and_why(experiment: Path) -> None:
    cells = load_cells(experiment, "smoke")
    assert _missing_cells(cells, {"mariadb-s3-d0-light-r1"}) == [
        (cell, f"not run: {WHY}") for cell in LACKING
    ]
    assert _missing_cells(cells, set(LACKING)) == [
        ("mariadb-s3-d0-light-r1", "was to be run, and this run has no result of it")
    ]


def test_a_run_that_had_it_does_not_lack_it(experiment: Path) -> None:
    cells = load_cells(experiment, "smoke")
    one, *others = LACKING
    there = {"mariadb-s3-d0-light-r1", one}
    assert _missing_cells(cells, there) == [
        (cell, "was to be run, and this run has no result of it") for cell in others
    ]
    study = load_experiment(experiment)
    reason = NoDataError("no cell with cockroachdb", absent={"backend": "cockroachdb"})
    ran = {"mariadb", "cockroachdb"}
    assert not_run(reason, study, "smoke", [{}], ran) == (
        "this run has no cell with cockroachdb, though tier smoke asks for it"
    )


def test_no_claim_says_what_this_machine_lacks() -> None:
    for path in sorted(Path("experiments").glob("*/claims.yaml")):
        assert "binary" not in path.read_text(encoding="utf-8"), path


def test_a_claim_on_it_is_not_run_and_says_why(experiment: Path) -> None:
    study = load_experiment(experiment)
    reason = NoDataError("no cell with cockroachdb", absent={"backend": "cockroachdb"})
    assert not_run(reason, study, "smoke", [{}]) == f"this run has no cell with cockroachdb: {WHY}"
    assert not_run(reason, study, "laptop", [{}]) == (
        "tier laptop has no cell with cockroachdb (tier smoke would do)"
    )


def test_tidying_takes_the_cells_that_are_there(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    monkeypatch.setattr(
        "discovery.results.tidy.tidy",
        lambda folders, out, asked: taken.extend(folder.name for folder in folders),
    )
    raw = tmp_path / "raw"
    (raw / LACKING[0]).mkdir(parents=True)
    (raw / LACKING[0] / "cell.json").touch()
    arguments = ["tidy", "--raw", str(raw), "--out", str(tmp_path / "tidy")]
    options = ["--experiment", str(experiment), "--tier", "smoke"]
    done = CliRunner().invoke(cli.app, [*arguments, *options])
    assert done.exit_code == 0, done.output
    # One that was measured while there was a binary stays.
    assert taken == ["mariadb-s3-d0-light-r1", LACKING[0]]
