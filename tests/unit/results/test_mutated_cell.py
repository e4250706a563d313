"""One mutation of a valid raw cell is refused in a sentence, or yields exactly the same tables."""

import json
import tempfile
from pathlib import Path

import hypothesis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from discovery.errors import ResultError
from discovery.experiment.models import ReplaySettings
from discovery.results.raw import read_cell
from discovery.results.tables import checked
from discovery.results.tidy import tidy_tables
from tests.raw.cells import BEGAN, make_cell, write_cell
from tests.raw.mutations import changes, places, write
from tests.raw.nova_cells import make_nova_cell, write_nova_cell


def replays(cell):
    line = {
        "time": BEGAN + 20.0, "method": "POST", "path": "/v3/users", "outcome": "ok", "replays": 2,
        "lost_s": 0.25, "errors": {"conflict": 2},
    }  # fmt: skip
    site = {"totals": {"requests": 9, "replays": 4}, "requests": [line]}
    return {f"site-{number}": site for number in range(1, cell.sites + 1)}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Folder, cell and tables of a cell of each service, and of one that broke."""
    folder = tmp_path_factory.mktemp("cells")
    cell = make_cell(scenarios=["create-and-list-users"], times=2)
    keystone = cell.keystone.model_copy(update={"replay": ReplaySettings()})
    cell = cell.model_copy(update={"keystone": keystone})
    broken = cell.model_copy(update={"repetition": 2})
    nova = make_nova_cell().model_copy(update={"servers": 2})
    written = {
        "keystone": (write_cell(folder, cell, replays=replays(cell)), cell),
        "broken": (write_cell(folder, broken, fails=True, replays=replays(cell)), broken),
        "nova": (write_nova_cell(folder, nova), nova),
    }
    return {
        name: (raw, asked, tidy_tables([read_cell(raw, asked)]))
        for name, (raw, asked) in written.items()
    }


def verdict(folder, asked, tables):
    """``refused``, or ``taken`` if the tables are the same; anything else is a failure."""
    try:
        found = tidy_tables([read_cell(folder, asked)])
        for name, table in found.items():
            if not table.equals(tables[name]):
                checked(name, table, folder)
    except ResultError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert said.isprintable()
        assert str(folder) in said
        return "refused"
    for name, table in found.items():
        assert table.equals(tables[name]), name
    return "taken"


@pytest.mark.parametrize("which", ["keystone", "broken", "nova"])
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=25)
def test_a_mutated_document_is_refused_or_says_the_same(cells, which, data):
    folder, asked, tables = cells[which]
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json"))
    name = data.draw(st.sampled_from(files))
    document = json.loads((folder / name).read_text())
    at = data.draw(st.sampled_from([*places(document)]))
    # Without a measurement of the WAN before it was shaped a cell is whole, too.
    hypothesis.assume(at != ("measurements", 0))
    found = dict(changes(document, at))
    hypothesis.assume(found)
    mutated = found[data.draw(st.sampled_from(sorted(found)))]
    with tempfile.TemporaryDirectory() as temporary:
        content = json.dumps(mutated).encode()
        verdict(write(folder, Path(temporary), name, content), asked, tables)


def whole(text):
    return lambda content: text


MALFORMED = {
    "deep": whole(b"[" * 100_000),
    "deep objects": whole(b'{"a":' * 100_000),
    "not UTF-8": lambda content: content.replace(b"site-2", b"site-\xff"),
    "half a character": lambda content: content.replace(b"site-2", b"\\ud800"),
    "a number of many digits": lambda content: content.replace(b"1795369", b"9" * 5000),
    "a whole number of many digits": whole(b'{"schema_version": ' + b"9" * 5000 + b"}"),
    "a key twice": lambda content: content.replace(b"{", b'{"a": 1, "a": 2, ', 1),
    "another thing": whole(b"[1]"),
    "nothing": whole(b""),
    "null": whole(b"null"),
    "NaN": whole(b"NaN"),
    "a BOM": lambda content: b"\xef\xbb\xbf" + content,
}


@pytest.mark.parametrize("malformed", MALFORMED)
@pytest.mark.parametrize("name", ["cell.json", "wan.json", "rally/site-2.json", "replays.json"])
def test_a_malformed_document_is_refused(cells, tmp_path, name, malformed):
    folder, asked, tables = cells["keystone"]
    before = (folder / name).read_bytes()
    content = MALFORMED[malformed](before)
    if content == before:
        pytest.skip("there is nothing of it to change")
    assert verdict(write(folder, tmp_path, name, content), asked, tables) == "refused"


def forged(table, change):
    """``table`` as Parquet, with what ``change`` makes of the column whose turn it is."""
    sink = pa.BufferOutputStream()
    pq.write_table(change(table), sink)
    return sink.getvalue().to_pybytes()


def column(values):
    """A change of a column: one or all of its values are ``values``."""

    def change(table, name):
        held = table[name].to_pylist()
        new = [values] * len(held) if isinstance(values, str | bool) else [values, *held[1:]]
        return table.set_column(table.schema.get_field_index(name), name, pa.array(new))

    return change


COLUMNS = {
    "NaN": column(float("nan")),
    "infinite": column(float("inf")),
    "negative": column(-1.0),
    "huge": column(1e300),
    "true": column(True),
    "no value": column(None),
    "gone": lambda table, name: table.drop_columns([name]),
    "twice": lambda table, name: table.append_column(name, table[name]),
    "a list": lambda table, name: table.set_column(
        table.schema.get_field_index(name), name, pa.array([[1]] * len(table))
    ),
}
NUMBERS = [
    ("keystone", "system.parquet", ["time", "cpu_s", "memory_bytes", "rx_bytes", "tx_bytes"]),
    ("keystone", "counters.parquet", ["time"]),
    ("nova", "calls.parquet", ["start", "duration_s", "statements", "db_errors", "pid"]),
    ("nova", "units.parquet", ["time", "cpu_s", "memory_bytes"]),
    ("nova", "traffic.parquet", ["time"]),
]


@pytest.mark.parametrize("wrong", [*COLUMNS, "text"])
@pytest.mark.parametrize(("which", "name", "columns"), NUMBERS)
def test_a_column_of_something_else_is_refused(cells, tmp_path, which, name, columns, wrong):
    folder, asked, tables = cells[which]
    table = pq.ParquetFile(folder / name).read()
    change = {**COLUMNS, "text": column("x")}[wrong]
    for each in columns:
        content = forged(table, lambda table, each=each: change(table, each))
        raw = write(folder, tmp_path / each, name, content)
        assert verdict(raw, asked, tables) == "refused", each


@pytest.mark.parametrize("text", ["\x1b[31m", "a\x00b", "site-9\n"])
@pytest.mark.parametrize("name", ["node", "site", "role"])
def test_a_name_that_a_terminal_obeys_is_refused(cells, tmp_path, name, text):
    folder, asked, tables = cells["keystone"]
    table = pq.ParquetFile(folder / "system.parquet").read()
    content = forged(table, lambda table: column(text)(table, name))
    raw = write(folder, tmp_path, "system.parquet", content)
    assert verdict(raw, asked, tables) == "refused"


@pytest.mark.parametrize("shift", [3_000_000_000.0, -900_000_000.0, 100_000.0])
@pytest.mark.parametrize(
    ("which", "name"),
    [("keystone", "system.parquet"), ("keystone", "counters.parquet"), ("nova", "units.parquet"),
     ("nova", "calls.parquet"), ("nova", "traffic.parquet")],
)  # fmt: skip
def test_a_sample_of_another_time_is_refused_before_anything_is_made_of_it(
    cells, tmp_path, which, name, shift
):
    folder, asked, tables = cells[which]
    table = pq.ParquetFile(folder / name).read()
    key = "time" if "time" in table.column_names else "start"
    held = table[key].to_pylist()
    content = forged(table, lambda table: column(held[0] + shift)(table, key))
    assert verdict(write(folder, tmp_path, name, content), asked, tables) == "refused"


@pytest.mark.parametrize("name", ["system.parquet", "counters.parquet"])
def test_samples_that_are_doubled_or_go_back_are_refused(cells, tmp_path, name):
    folder, asked, _ = cells["keystone"]
    table = pq.ParquetFile(folder / name).read()
    doubled = forged(table, lambda table: pa.concat_tables([table, table]))
    back = forged(table, lambda table: table.take([*reversed(range(len(table)))]))
    for number, content in enumerate((doubled, back)):
        raw = write(folder, tmp_path / str(number), name, content)
        with pytest.raises(ResultError, match="time goes back, or stands still, on site-"):
            read_cell(raw, asked)


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "x" * 5000, "/etc/passwd", "rally", "."])
def test_a_listed_name_that_is_no_file_of_the_cell_is_refused(cells, tmp_path, name):
    folder, asked, tables = cells["keystone"]
    manifest = json.loads((folder / "cell.json").read_text())
    manifest["files"][name] = "0" * 64
    raw = write(folder, tmp_path, "cell.json", json.dumps(manifest).encode())
    assert verdict(raw, asked, tables) == "refused"
