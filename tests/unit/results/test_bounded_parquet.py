"""A Parquet file that would not fit into memory is refused before it is read."""

import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from discovery.errors import ResultError
from discovery.results import parquet
from discovery.results.files import read_frame
from discovery.results.parquet import read_bounded
from discovery.results.raw import UNIT_COLUMNS
from discovery.results.tables import read_table, write_tables
from tests.unit.results.test_tables import PHASES

MOST_GROWTH = 300 * 2**20


@pytest.fixture
def little_memory():
    """The process may have no more than 300 MB beyond what it has."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + MOST_GROWTH, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def written(path, table):
    """``table`` as a file that does not tell how it was held in memory."""
    pq.write_table(table, path, compression="zstd", store_schema=False)
    return path


def repeated(value, rows, name):
    """A column of ``rows`` times ``value``, which is in the file once."""
    indices = pa.array(memoryview(bytes(rows)).cast("b"), pa.int8())
    return pa.table({name: pa.DictionaryArray.from_arrays(indices, [value])})


def read(path, columns=None, most=10**6, longest=1_000):
    return read_bounded(path, columns, most=most, longest=longest, instead="run it again")


def test_rows_of_which_the_file_itself_tells_too_many_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("discovery.results.files.MOST_OF_A_CELL", 10**6)
    numbers = pa.array(memoryview(bytes(30_000)).cast("b"), pa.int8())
    path = written(tmp_path / "units.parquet", pa.table(dict.fromkeys(UNIT_COLUMNS, numbers)))
    assert path.stat().st_size < 10_000
    with pytest.raises(
        ResultError,
        match=r"units\.parquet: holds 1,680,000 bytes or more .* at most 1,000,000 are read; run",
    ):
        read_frame(path, UNIT_COLUMNS)


def test_a_text_that_is_meant_often_counts_each_time(tmp_path, little_memory):
    path = written(tmp_path / "a.parquet", repeated("x" * 900, 2_000_000, "node"))
    assert path.stat().st_size < 250_000
    with pytest.raises(
        ResultError, match=r"holds [\d,]+ bytes or more .* at most 1,073,741,824 are read"
    ):
        read(path, most=2**30)


def test_as_often_as_there_is_room_for_it_is_read(tmp_path):
    path = written(tmp_path / "a.parquet", repeated("x" * 900, 2_000, "node"))
    assert len(read(path, most=2_000 * 908)) == 2_000
    with pytest.raises(ResultError, match="holds 1,816,000 bytes or more"):
        read(path, most=2_000 * 908 - 1)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_what_it_tells_of_its_pages_is_held_against_the_most(tmp_path, kind):
    texts = pa.array([f"{number:0900}" for number in range(2_000)], kind)
    path = written(tmp_path / "a.parquet", pa.table({"node": texts, "site": texts}))
    with pytest.raises(ResultError, match=r"holds [\d,]+ bytes or more"):
        read(path, ["node"])
    assert read(path, ["node"], most=2_000_000)["node"].to_pylist() == texts.to_pylist()


def test_a_long_text_is_refused(tmp_path):
    path = written(tmp_path / "a.parquet", pa.table({"node": ["a", "é" * 501]}))
    with pytest.raises(ResultError, match=r"column node holds a text of 1,002 bytes, .* 1,000 are"):
        read(path)
    assert read(path, longest=1_002)["node"].to_pylist() == ["a", "é" * 501]


@pytest.mark.parametrize(
    "values",
    [[[1]], [{"a": 1}], pa.array([1], pa.decimal256(50)), pa.array([b"x" * 99], pa.binary(99))],
)
def test_what_no_table_of_ours_holds_is_not_read(tmp_path, values):
    path = written(tmp_path / "a.parquet", pa.table({"node": values}))
    with pytest.raises(ResultError, match=r"a\.parquet: its column 'node' holds .*; run it again"):
        read(path)


def test_a_description_as_large_as_the_file_is_not_read(tmp_path, monkeypatch):
    path = written(tmp_path / "a.parquet", pa.table({"node": ["a"]}))
    monkeypatch.setattr(parquet, "_MOST_DESCRIPTION", 100)
    with pytest.raises(ResultError, match=r"its description has \d+ bytes, and at most 100 are"):
        read(path)


def test_columns_come_as_they_are_wanted_and_of_their_types(tmp_path):
    table = pa.table(
        {
            "a": pa.array(["x", None, "x"], pa.large_string()),
            "b": [1.5, None, 2.0],
            "c": [True, False, None],
            "d": pa.nulls(3),
            "e": pa.array([1, 2, 3], pa.int64()),
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    assert read(path, ["e", "a"]).equals(table.select(["e", "a"]))
    assert read(path).equals(table)
    pq.write_table(table.slice(0, 0), path)
    assert read(path, ["e", "a"]).equals(table.slice(0, 0).select(["e", "a"]))


def test_a_tidy_table_is_bounded_likewise(tmp_path):
    path = write_tables(tmp_path, {"phases": PHASES})["phases"]
    table = pq.read_table(path)
    long = pa.array(["x" * 200_000], pa.large_string())
    place = table.schema.get_field_index("phase")
    pq.write_table(table.set_column(place, "phase", long), path)
    with pytest.raises(
        ResultError, match=r"phases\.parquet: its column phase holds a text of 200,000 bytes, and"
    ):
        read_table(tmp_path, "phases")


def test_rows_of_a_tidy_table_are_counted_before_they_are_read(tmp_path, monkeypatch):
    write_tables(tmp_path, {"phases": PHASES})
    monkeypatch.setattr("discovery.results.tables.MOST_OF_A_RUN", 103)
    with pytest.raises(ResultError, match=r"holds [0-9,]+ bytes or more .* at most 103 are read"):
        read_table(tmp_path, "phases")


def test_a_table_that_could_not_be_read_is_not_written(tmp_path):
    with pytest.raises(ResultError, match=r"column phase holds a text of 100,001 bytes, .* fewer"):
        write_tables(tmp_path, {"phases": PHASES.assign(phase="x" * 100_001)})
    assert not list(tmp_path.iterdir())
