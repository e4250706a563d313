"""Tidy tables are checked on both ways and carry their schema's version."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

from discovery.errors import ResultError
from discovery.results.schema import SCHEMA_VERSION
from discovery.results.tables import path_of, read_table, write_tables

PHASES = pd.DataFrame(
    {
        "experiment": ["keystone-2018"],
        "tier": ["smoke"],
        "cell": ["mariadb-s3-d50-light-r1"],
        "variation": ["study"],
        "backend": ["mariadb"],
        "sites": [3],
        "one_way_delay_ms": [50.0],
        "delay": ["50"],
        "load": ["light"],
        "repetition": [1],
        "phase": ["lease"],
        "start": [0.0],
        "seconds": [1.4],
    }
)


def test_a_table_comes_back_as_it_was_written(tmp_path):
    path = write_tables(tmp_path, {"phases": PHASES})["phases"]
    pd.testing.assert_frame_equal(read_table(tmp_path, "phases"), PHASES)
    assert pq.read_schema(path).metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
    assert [item.name for item in tmp_path.iterdir()] == ["phases.parquet"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (PHASES.drop(columns="seconds"), "lacks the column seconds"),
        (PHASES.assign(colour="red"), "unknown column colour"),
        (PHASES[list(reversed(PHASES.columns))], "not in the order"),
        (PHASES.assign(seconds=-1.0), "column seconds holds -1.0"),
        (PHASES.assign(seconds=1), "column seconds"),
        (PHASES.assign(seconds=float("inf")), "column seconds holds inf"),
        (PHASES.assign(one_way_delay_ms=float("inf")), "column one_way_delay_ms holds inf"),
        (PHASES.assign(seconds=float("nan")), "column seconds"),
        (PHASES.assign(backend="oracle"), "column backend holds oracle"),
        (PHASES.assign(phase=None), "column phase"),
        (PHASES.assign(variation="=cmd|' /C calc'!A0"), "column variation holds =cmd"),
        (PHASES.assign(cell="@SUM(1)"), "column cell holds @SUM"),
    ],
)
def test_a_table_that_breaks_its_schema_is_not_written(tmp_path, table, message):
    with pytest.raises(ResultError, match=message):
        write_tables(tmp_path, {"phases": table})
    assert list(tmp_path.iterdir()) == []


def test_another_schema_version_is_refused(tmp_path):
    path = write_tables(tmp_path, {"phases": PHASES})["phases"]
    arrow = pq.read_table(path)
    pq.write_table(arrow.replace_schema_metadata({"schema_version": "99"}), path)
    with pytest.raises(ResultError, match=r"phases\.parquet: has schema version 99"):
        read_table(tmp_path, "phases")


def test_a_foreign_table_under_our_version_is_refused(tmp_path):
    path = write_tables(tmp_path, {"phases": PHASES})["phases"]
    arrow = pq.read_table(path)
    pq.write_table(arrow.drop_columns(["seconds"]), path)
    with pytest.raises(ResultError, match="lacks the column seconds"):
        read_table(tmp_path, "phases")


def test_a_table_cut_off_is_refused(tmp_path):
    path = write_tables(tmp_path, {"phases": PHASES})["phases"]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ResultError, match=r"phases\.parquet: is cut off"):
        read_table(tmp_path, "phases")


def test_a_missing_table_says_how_to_get_it(tmp_path):
    with pytest.raises(ResultError, match="discovery tidy"):
        read_table(tmp_path, "phases")
    assert not path_of(tmp_path, "phases").exists()
