"""What a tier would take: from earlier cells, from the experiment's table, and what cannot run."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import pytest

from discovery.deploy.backends import memory_mb
from discovery.errors import ConfigError, ResultError
from discovery.evaluation import plan as planning
from discovery.evaluation.plan import check_memory, plan, progress, render, summary
from discovery.evaluation.times import (
    Time,
    estimate,
    main,
    measured_times,
    read_times,
    write_times,
)
from discovery.experiment.cells import Cell
from discovery.experiment.load import load_cell, load_cells
from discovery.experiment.run import Run
from discovery.testbed.load import load_testbed

LOCAL = Path("experiments/testbeds/local.yaml")

STUDY = """
id: keystone-2018
title: A study whose numbers stay as these tests need them
service: keystone
keystone: {cache: dict, bcrypt_rounds: 4, processes: 10, threads: 1}
warm_up_iterations: 3
tiers:
  smoke:
    backends: [mariadb, galera, postgresql]
    sites: [3]
    one_way_delay_ms: [0.0, 25.0]
    load: [light]
    repetitions: 1
    scenarios: [get-entities, create-and-list-users]
    times: 10
    concurrency: 5
  full:
    backends: [mariadb, galera, postgresql]
    sites: [3, 9, 45]
    one_way_delay_ms: [0.0, 50.0, 150.0]
    load: [light, high]
    repetitions: 3
    scenarios: [get-entities, create-and-list-users]
    times: 100
    concurrency: 10
"""


def write_cell(results: Path, cell: Cell, *, testbed_s: float, loaded_s: float) -> Path:
    """A ``cell.json`` of ``cell`` below ``results`` with the phases an earlier run took."""
    folder = results / cell.experiment / cell.tier / "raw" / cell.id
    folder.mkdir(parents=True)
    phases = [
        {"phase": "lease", "start": 0.0, "seconds": testbed_s / 4},
        {"phase": "deploy", "start": 1.0, "seconds": testbed_s / 2},
        {"phase": "deploy:start", "start": 1.0, "seconds": testbed_s / 3},
        {"phase": "warm-up", "start": 2.0, "seconds": loaded_s / 4},
        {"phase": "load", "start": 3.0, "seconds": loaded_s * 3 / 4},
        {"phase": "release", "start": 4.0, "seconds": testbed_s / 4},
    ]
    manifest = {"cell": cell.model_dump(mode="json"), "phases": phases}
    path = folder / "cell.json"
    path.write_text(json.dumps(manifest))
    return path


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """An experiment without a table of times, so that a test says all that is known."""
    folder = tmp_path / "experiments" / "keystone-2018"
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text(STUDY)
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture(autouse=True)
def _large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "memory_there_mb", lambda: 20_000)


def test_without_earlier_runs_cells_and_nodes_are_known_and_times_are_not(
    experiment: Path, results: Path
) -> None:
    planned = plan(experiment, "smoke", LOCAL, results)
    assert [one.cell.id for one in planned.cells] == [
        cell.id for cell in load_cells(experiment, "smoke")
    ]
    assert all(one.nodes == 6 for one in planned.cells)
    assert all(
        one.memory_mb == memory_mb(one.cell.backend, 3, load="light") for one in planned.cells
    )
    assert planned.minutes is None
    assert planned.node_hours is None
    assert "the time of 6 is unknown until a cell like it has run" in summary(planned)


def test_times_come_from_cells_measured_here_and_done_cells_are_not_counted(
    experiment: Path, results: Path
) -> None:
    for number, cell in enumerate(load_cells(experiment, "smoke")):
        write_cell(results, cell, testbed_s=40, loaded_s=20 + number)
    shutil.rmtree(results / "keystone-2018" / "smoke" / "raw" / "galera-s3-d0-light-r1")
    planned = plan(experiment, "smoke", LOCAL, results)
    galera = next(one for one in planned.to_run)
    assert [one.cell.id for one in planned.to_run] == ["galera-s3-d0-light-r1"]
    assert galera.estimate is not None
    # No cell of its kind is left; the other of its back end took 40 + 24 s.
    assert galera.estimate.seconds == pytest.approx(64)
    assert galera.estimate.source == "measured here, scaled from 3 sites at 25 ms"
    assert planned.minutes == pytest.approx(64 / 60)
    assert planned.node_hours == pytest.approx(6 * 64 / 3600)
    assert summary(planned).startswith(
        "1 of 6 cells to run, 5 done; up to 6 nodes at once, 64 s, 0.1 node-hours"
    )


def test_the_experiments_table_is_used_where_nothing_was_measured_here(
    experiment: Path, results: Path
) -> None:
    cells = load_cells(experiment, "smoke")
    rows = measured_times(
        write_cell(results / "elsewhere", cell, testbed_s=30, loaded_s=10) for cell in cells
    )
    with (experiment / "times.csv").open("w") as stream:
        write_times(rows, stream)
    planned = plan(experiment, "smoke", LOCAL, results)
    assert {one.estimate.source for one in planned.cells if one.estimate} == {
        "keystone-2018/times.csv"
    }
    assert planned.minutes == pytest.approx(6 * 40 / 60)


def test_an_exact_time_from_elsewhere_comes_before_a_scaled_one_from_here(
    experiment: Path, results: Path
) -> None:
    near, far = (
        load_cell(experiment, "smoke", f"galera-s3-d{delay}-light-r1") for delay in (0, 25)
    )
    write_cell(results, near, testbed_s=30, loaded_s=10)
    rows = measured_times([write_cell(results / "other", far, testbed_s=30, loaded_s=70)])
    with (experiment / "times.csv").open("w") as stream:
        write_times(rows, stream)
    planned = plan(experiment, "smoke", LOCAL, results)
    assert [
        one.estimate.seconds for one in planned.cells if one.cell.id == far.id and one.estimate
    ] == [100]


def test_sites_that_memory_cannot_hold_are_planned_as_not_run_and_why(
    experiment: Path, results: Path
) -> None:
    planned = plan(experiment, "full", LOCAL, results)
    lacking = {
        (one.cell.backend, one.cell.sites, one.cell.load) for one in planned.cells if one.why_not
    }
    # Under light load all Keystones but one idle; Galera has a server on every site all the same.
    assert lacking == {
        ("mariadb", 45, "high"),
        ("postgresql", 45, "high"),
        ("galera", 45, "high"),
        ("galera", 45, "light"),
    }
    need = memory_mb("galera", 45) / 1000
    assert f"needs {need:.1f} GB of memory and 20.0 GB are free" in summary(planned)


def test_on_another_testbed_this_machines_memory_does_not_count(
    experiment: Path, results: Path, tmp_path: Path
) -> None:
    testbed = tmp_path / "g5k.yaml"
    testbed.write_text(GRID5000)
    planned = plan(experiment, "full", testbed, results)
    assert planned.memory_mb is None
    assert len(planned.to_run) == len(planned.cells) == 162


GRID5000 = """
provider: grid5000
walltime: "02:00:00"
sites: [{cluster: ecotype, count: 45}]
"""


def run(experiment: str = "keystone-2018") -> Run:
    return Run(experiment=experiment, tier="full", source="measure", testbed=LOCAL)


def test_a_tier_with_too_many_sites_is_refused_with_what_fits(experiment: Path) -> None:
    cells = [cell for cell in load_cells(experiment, "full") if cell.load == "high"]
    with pytest.raises(ConfigError) as caught:
        check_memory(cells, load_testbed(LOCAL), run())
    said = str(caught.value)
    assert said.startswith(
        "experiments/keystone-2018/experiment.yaml: tiers.full.sites = 45: needs "
    )
    fits = int(said.rpartition("allowed: at most ")[2].split()[0])
    backend = next(cell.backend for cell in cells if memory_mb(cell.backend, 45) > 20_000)
    assert memory_mb(backend, fits) <= 20_000 < memory_mb(backend, fits + 1)


def test_a_tier_of_fewer_processes_fits_with_more_sites(
    monkeypatch: pytest.MonkeyPatch, experiment: Path
) -> None:
    def check() -> None:
        cells = load_cells(experiment, "full")
        some = [cell for cell in cells if (cell.backend, cell.load) == ("mariadb", "light")]
        assert {cell.sites for cell in some} == {3, 9, 45}
        check_memory(some, load_testbed(LOCAL), run())

    monkeypatch.setattr(planning, "memory_there_mb", lambda: 16_000)
    with pytest.raises(ConfigError, match=r"needs 18\.9 GB of memory and 16\.0 GB are free"):
        check()
    path = experiment / "experiment.yaml"
    fewer = "  full:\n    keystone: {processes: 2}"
    path.write_text(path.read_text("utf-8").replace("  full:", fewer), "utf-8")
    check()


def test_a_machine_too_small_for_any_site_is_told_so(
    monkeypatch: pytest.MonkeyPatch, experiment: Path
) -> None:
    monkeypatch.setattr(planning, "memory_there_mb", lambda: 100)
    with pytest.raises(ConfigError, match="allowed: another testbed: this machine is too small"):
        check_memory(load_cells(experiment, "smoke"), load_testbed(LOCAL), run())


def test_a_tier_that_fits_is_not_refused(experiment: Path) -> None:
    check_memory(load_cells(experiment, "smoke"), load_testbed(LOCAL), run())


def test_progress_says_which_cell_of_how_many_and_the_time_left(
    experiment: Path, results: Path
) -> None:
    cells = load_cells(experiment, "smoke")
    for cell in cells:
        write_cell(results, cell, testbed_s=60, loaded_s=60)
    for cell in cells[2:]:
        shutil.rmtree(results / "keystone-2018" / "smoke" / "raw" / cell.id)
    planned = plan(experiment, "smoke", LOCAL, results)
    this = cells[2].id
    assert progress(planned, this).startswith(f"cell 3 of 6: {this}")
    with_all = plan(experiment, "smoke", LOCAL, results)
    assert with_all.minutes is None  # PostgreSQL was never measured
    write_cell(results, cells[2], testbed_s=60, loaded_s=60)
    said = progress(plan(experiment, "smoke", LOCAL, results), cells[3].id)
    assert said == f"cell 4 of 6: {cells[3].id}, about 2 min; 6 min left in all"


def test_the_plan_is_shown_with_every_cell(
    experiment: Path,
    results: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_cell(results, load_cells(experiment, "smoke")[0], testbed_s=60, loaded_s=60)
    planned = plan(experiment, "smoke", LOCAL, results)
    # A narrow terminal folds ids, and cuts off no number.
    monkeypatch.setenv("COLUMNS", "70")
    render(planned)
    assert capsys.readouterr().out.count(" GB │") == len(planned.cells)
    monkeypatch.setenv("COLUMNS", "100")
    render(planned)
    shown = capsys.readouterr().out
    assert all(cell.id in shown for cell in load_cells(experiment, "smoke"))
    assert "done" in shown
    assert "no earlier run" in shown


def row(**changes: object) -> Time:
    values = {
        "variation": "study",
        "backend": "galera",
        "sites": 3,
        "delay_ms": 50.0,
        "load": "light",
        "iterations": 20,
        "concurrency": 5,
        "testbed_s": 30.0,
        "loaded_s": 10.0,
    }
    return Time(**{**values, **changes})  # type: ignore[arg-type]


def test_of_several_runs_the_median_is_taken_and_broken_files_are_passed_over(
    experiment: Path, results: Path
) -> None:
    cell = load_cell(experiment, "smoke", "galera-s3-d25-light-r1")
    paths = [
        write_cell(results / str(number), cell, testbed_s=30, loaded_s=loaded)
        for number, loaded in enumerate((10, 12, 50))
    ]
    broken = results / "broken.json"
    broken.write_text('{"cell": {')
    other = results / "other.json"
    other.write_text('{"cell": {"backend": "galera"}, "phases": []}')
    assert measured_times([*paths, broken, other, results / "none.json"]) == [
        row(delay_ms=25.0, loaded_s=12.0, cells=3)
    ]


def test_a_scaled_time_grows_with_sites_and_rounds(experiment: Path) -> None:
    cell = load_cell(experiment, "full", "galera-s9-d50-light-r1")
    # 2 scenarios x 100 times / 10 at once = 20 rounds, the row has 4; 9 sites, the row has 3.
    found = estimate(cell, [row(), row(delay_ms=0.0, loaded_s=1.0)], "here")
    assert found is not None
    assert found.seconds == pytest.approx(3 * 30 + 20 / 4 * 10)
    assert not found.exact


def test_work_grows_with_the_clients_and_waiting_with_the_delay(experiment: Path) -> None:
    # At 3 sites, 12 s of work on the LAN, and 20 s more of waiting over 50 ms.
    rows = [
        row(load="high", delay_ms=delay, loaded_s=loaded)
        for delay, loaded in ((0.0, 12.0), (50.0, 32.0))
    ]

    def seconds(cell_id: str) -> float:
        found = estimate(load_cell(experiment, "full", cell_id), rows, "here")
        assert found is not None
        assert not found.exact
        return found.seconds

    rounds = 20 / 4
    assert seconds("galera-s3-d50-high-r1") == pytest.approx(30 + rounds * (12 + 20))
    assert seconds("galera-s9-d0-high-r1") == pytest.approx(90 + rounds * 3 * 12)
    assert seconds("galera-s9-d50-high-r1") == pytest.approx(90 + rounds * (3 * 12 + 20))
    assert seconds("galera-s9-d150-high-r1") == pytest.approx(90 + rounds * (3 * 12 + 3 * 20))


def test_one_client_has_no_more_work_where_there_are_more_sites(experiment: Path) -> None:
    cell = load_cell(experiment, "full", "galera-s45-d50-light-r1")
    found = estimate(cell, [row(), row(delay_ms=0.0, loaded_s=4.0)], "here")
    assert found is not None
    assert found.seconds == pytest.approx(15 * 30 + 20 / 4 * 10)


def test_each_part_of_a_tier_is_told_with_what_its_time_is_known_from(
    experiment: Path, results: Path
) -> None:
    path = experiment / "experiment.yaml"
    further = "    also: [{sites: [9], backends: [galera, mariadb]}]\n  full:"
    path.write_text(path.read_text("utf-8").replace("  full:", further), "utf-8")
    rows = [row(delay_ms=delay, iterations=20) for delay in (0.0, 25.0)]
    with (experiment / "times.csv").open("w") as stream:
        write_times([*rows, row(backend="postgresql", delay_ms=0.0)], stream)
    planned = plan(experiment, "smoke", LOCAL, results)
    assert [one.part for one in planned.cells] == ["grid"] * 6 + ["also[0]"] * 4
    said = summary(planned).splitlines()
    # Galera twice and PostgreSQL once as measured, 40 s each; PostgreSQL over a WAN as on the LAN.
    assert "grid: 6 cells, at least 3 min (3 measured, 1 estimated, 2 unknown)." in said
    assert "also[0]: 4 cells, at least 3 min (2 estimated, 2 unknown)." in said
    # Where there is but one part, the whole says it all.
    assert "grid" not in summary(plan(experiment, "full", LOCAL, results))


def test_another_back_end_or_load_says_nothing(experiment: Path) -> None:
    cell = load_cell(experiment, "full", "galera-s9-d50-light-r1")
    assert estimate(cell, [row(backend="mariadb"), row(load="high")], "here") is None


def test_the_same_server_used_otherwise_says_something(experiment: Path) -> None:
    cell = load_cell(experiment, "smoke", "galera-s3-d25-light-r1")
    wanted = cell.model_copy(update={"backend": "postgresql-serializable"})
    found = estimate(
        wanted,
        [row(backend="mariadb", delay_ms=25.0), row(backend="postgresql", delay_ms=25.0)],
        "here",
    )
    assert found is not None
    assert (found.seconds, found.exact) == (40.0, False)
    assert found.source == "here, as on postgresql, scaled from 3 sites at 25 ms"
    own = estimate(
        wanted,
        [
            row(backend="postgresql-serializable", delay_ms=25.0),
            row(backend="postgresql", delay_ms=25.0),
        ],
        "here",
    )
    assert own is not None
    assert own.exact


def test_a_table_of_times_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [row(), row(backend="mariadb", delay_ms=0.5, cells=4)]
    stream = io.StringIO()
    write_times(reversed(rows), stream)
    path = tmp_path / "times.csv"
    path.write_text(stream.getvalue())
    assert read_times(path) == rows
    assert read_times(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("backend,", "back_end,", "has other columns"),
        ("galera,3", "galera,three", "line 2: is not a row of measured times"),
        (",30.0", "", "line 2: is not a row of measured times"),
        (",30.0", ",-30.0", "line 2: is not a row of measured times"),
        (",30.0", ",nan", "line 2: is not a row of measured times"),
        (",30.0", ",30.0,1", "line 2: is not a row of measured times"),
        ("galera,3", "galera,0", "line 2: is not a row of measured times"),
        ("study,", "\0study,\x80", "line 2: is not a row of measured times"),
        ("study", '"study', "line 2: is not a row of measured times"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    stream = io.StringIO()
    write_times([row()], stream)
    path = tmp_path / "times.csv"
    path.write_text(stream.getvalue().replace(old, new))
    with pytest.raises(ConfigError, match=f"times.csv: {said}; allowed: variation, backend, sites"):
        read_times(path)


def test_a_kind_of_cells_has_one_row(tmp_path: Path) -> None:
    stream = io.StringIO()
    write_times([row(), row(loaded_s=1.0)], stream)
    (tmp_path / "times.csv").write_text(stream.getvalue())
    with pytest.raises(ConfigError, match=r"times\.csv: line 3: is of a kind of cells that has"):
        read_times(tmp_path / "times.csv")


@pytest.mark.timeout(20)
def test_a_table_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "times.csv")
    with pytest.raises(ConfigError, match=r"times\.csv: cannot be read: Is a named pipe"):
        read_times(tmp_path / "times.csv")


def test_the_module_prints_the_table_of_a_run(
    experiment: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = load_cell(experiment, "smoke", "galera-s3-d25-light-r1")
    write_cell(results, cell, testbed_s=30, loaded_s=10)
    main([str(results / "keystone-2018" / "smoke" / "raw")])
    assert capsys.readouterr().out.splitlines()[1] == "study,galera,3,25.0,light,20,5,30.0,10.0,1"
    with pytest.raises(ResultError, match=r"no cell\.json below"):
        main([str(results / "none")])
