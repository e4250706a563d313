"""Raw cells → tidy tables: nothing is lost, nothing is invented."""

import json

import pandas as pd
import pytest

from discovery.errors import ResultError
from discovery.experiment.models import ReplaySettings
from discovery.results.queries import growth
from discovery.results.schema import CELL_COLUMNS, TABLES
from discovery.results.system import system_table
from discovery.results.tables import read_tables
from discovery.results.tidy import tidy
from tests.raw.cells import BEGAN, make_cell, write_cell, write_study

TWO = ["authenticate-user-and-validate-token", "create-user-update-password"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Twelve cells, of which one failed; their raw folders and tidy tables."""
    folder = tmp_path_factory.mktemp("study")
    raw = write_study(
        folder / "raw",
        backends=["mariadb", "galera"],
        scenarios=TWO,
        repetitions=1,
        broken=["galera-s3-d150-high-r1"],
    )
    tidy(raw, folder / "tidy")
    return raw, read_tables(folder / "tidy")


def test_every_iteration_and_action_of_every_report_is_a_row(study):
    raw, tables = study
    iterations = actions = failed = 0
    for folder in raw:
        for report in folder.glob("rally/*.json"):
            for task in json.loads(report.read_text())["tasks"]:
                for entry in task["subtasks"][0]["workloads"][0]["data"]:
                    iterations += 1
                    actions += len(entry["atomic_actions"])
                    failed += bool(entry["error"])
    assert len(tables["iterations"]) == iterations > 0
    assert len(tables["actions"]) == actions
    assert tables["iterations"]["error"].notna().sum() == failed > 0
    keys = ["cell", "client_site", "scenario", "iteration"]
    assert not tables["iterations"].duplicated(keys).any()


def test_a_failed_cell_is_visible(study):
    _, tables = study
    cells = tables["cells"].set_index("cell")
    assert len(cells) == 12
    broken = cells.loc["galera-s3-d150-high-r1"]
    assert broken["status"] == "failed"
    assert broken["failure_class"] == "measured"
    assert broken["failure"] == "warm-up: no token from site-2 in 60 s"
    assert (cells["status"] == "ok").sum() == 11
    assert "galera-s3-d150-high-r1" not in set(tables["iterations"]["cell"])
    assert "galera-s3-d150-high-r1" in set(tables["phases"]["cell"])


def test_every_table_starts_with_the_cells_columns(study):
    _, tables = study
    assert set(tables) == set(TABLES)
    for table in tables.values():
        assert list(table.columns[: len(CELL_COLUMNS)]) == list(CELL_COLUMNS)
        assert not table[list(CELL_COLUMNS)].isna().any().any()


def test_queries_match_what_the_counters_grew_by(study):
    _, tables = study
    queries = tables["queries"]
    slow = queries[(queries["one_way_delay_ms"] > 0) & (queries["backend"] == "mariadb")]
    update = slow[slow["scenario"] == "create-user-update-password"]
    # The generator's model: 20 queries in the actions and 12 to log in, and 3 commits.
    assert update["queries_per_iteration"].to_numpy() == pytest.approx(32, rel=0.05)
    assert update["commits_per_iteration"].to_numpy() == pytest.approx(3, rel=0.05)
    assert set(update["iterations"]) == {10, 30}


def test_the_order_of_the_folders_does_not_matter(study, tmp_path):
    raw, tables = study
    tidy(reversed(raw), tmp_path / "tidy")
    again = read_tables(tmp_path / "tidy")
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, again[name])


def test_the_same_cell_twice_is_refused(study, tmp_path):
    raw, _ = study
    with pytest.raises(ResultError, match="give each cell once"):
        tidy([raw[0], raw[0]], tmp_path)


def test_a_study_of_nothing_but_failures_has_empty_tables(tmp_path):
    raw = write_cell(tmp_path / "raw", make_cell(), fails=True)
    tidy([raw], tmp_path / "tidy")
    tables = read_tables(tmp_path / "tidy")
    assert len(tables["cells"]) == 1
    assert len(tables["iterations"]) == len(tables["queries"]) == 0
    assert tables["iterations"]["duration_s"].dtype == "float64"


def test_nothing_is_written_when_a_cell_cannot_be_read(study, tmp_path):
    raw, _ = study
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultError):
        tidy([*raw, tmp_path / "empty"], tmp_path / "tidy")
    assert not (tmp_path / "tidy").exists()


def counters(*samples):
    return pd.DataFrame(
        [(node, time, "queries", value) for node, time, value in samples],
        columns=["node", "time", "counter", "value"],
    )


def test_growth_spans_the_window_and_is_summed_over_nodes():
    samples = counters(("a", 0, 0), ("a", 10, 100), ("b", 0, 7), ("b", 10, 17))
    assert growth(samples, "queries", 2.5, 7.5) == 100 + 10


def test_a_counter_that_is_added_up_while_a_connection_ends_may_fall_a_little():
    samples = counters(("a", 0, 400), ("a", 4, 500), ("a", 5, 477), ("a", 10, 610))
    assert growth(samples, "queries", 2.5, 7.5) == 210


@pytest.mark.parametrize(
    "samples",
    [
        counters(("a", 0, 0), ("a", 4, 100)),  # the samples end before the load does
        counters(("a", 5, 0), ("a", 10, 100)),  # … or begin after it
        counters(("a", 0, 50), ("a", 5, 0), ("a", 10, 100)),  # the server was restarted
        counters(),
    ],
)
def test_growth_that_is_not_known_is_not_guessed(samples):
    assert growth(samples, "queries", 2.5, 7.5) is None


def test_a_nodes_second_holds_what_it_used_in_it():
    samples = pd.DataFrame(
        {
            "node": "site-1-control",
            "site": "site-1",
            "role": "control",
            "time": [100.5, 101.5, 102.5, 103.5],
            "cpu_s": [10.0, 10.5, 11.0, 4.0],
            "memory_bytes": [1_000_000, 3_000_000, 3_000_000, 3_000_000],
            "rx_bytes": [0, 2_000_000, 4_000_000, 6_000_000],
            "tx_bytes": [0, 0, 0, 0],
        }
    )
    table = system_table(samples)
    assert list(table["time"]) == [102.0, 103.0]
    assert table["cpu_cores"].iloc[0] == pytest.approx(0.5)
    assert pd.isna(table["cpu_cores"].iloc[1])  # a process ended and took its seconds with it
    assert list(table["memory_mb"]) == pytest.approx([3.0, 3.0])
    assert list(table["rx_mb"]) == pytest.approx([2.0, 2.0])
    assert list(table["tx_mb"]) == [0.0, 0.0]


def test_replays_are_a_row_per_site_and_most_cells_have_none(study, tmp_path):
    _, tables = study
    assert tables["replays"].empty
    line = {
        "time": BEGAN + 20.0,
        "method": "POST",
        "path": "/v3/users",
        "outcome": "ok",
        "replays": 2,
        "lost_s": 0.25,
        "errors": {"conflict": 2},
    }
    totals = {"requests": 9, "replays": 4, "recovered": 2, "gave_up": 0, "committed": 1}
    sites = {
        "site-1": {"totals": totals, "requests": [line, line]},
        "site-2": {"totals": {}, "requests": []},
        "site-3": {"totals": {}, "requests": []},
    }
    cell = make_cell(scenarios=TWO)
    replaying = cell.keystone.model_copy(update={"replay": ReplaySettings()})
    cell = cell.model_copy(update={"keystone": replaying})
    folder = write_cell(tmp_path / "raw", cell, replays=sites)
    tidy([folder], tmp_path / "tidy")
    found = read_tables(tmp_path / "tidy")["replays"].set_index("site")
    counts = ["requests", "met_errors", "replays", "recovered", "gave_up", "not_replayable"]
    assert found.loc["site-1", counts].tolist() == [9, 2, 4, 2, 0, 1]
    assert found.loc["site-2", counts].tolist() == [0] * 6
    assert found["lost_s"].tolist() == [0.5, 0.0, 0.0]
