"""Keys are equal exactly where SQLite finds them equal; tables and references as declared."""

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from discovery.rome.catalogue import Catalogue, Key, as_stored, collated
from discovery.rome.packing import values_packed

texts = st.text(alphabet="aAbBzZ@[`{éÉßıK0 \0", max_size=4)
collations = st.sampled_from(["BINARY", "NOCASE", "RTRIM"])
values = st.one_of(
    texts,
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0**53, 2.0**60, -1e300, float("inf")]),
    st.binary(max_size=2),
)


@pytest.fixture(scope="module")
def database():
    with apsw.Connection(":memory:") as opened:
        yield opened
    opened.close()


@given(texts, collations)
@example("A\0é", "NOCASE")
def test_a_row_is_found_by_its_key(database, text, collation):
    """Rows are deleted by the values that their key unpacks to."""
    found = database.execute(
        f"SELECT ?1 = ?2 COLLATE {collation}", (text, collated(text, collation))
    )
    assert found.fetchone() == (1,)


@given(values, values, collations)
@example(1, 1.0, "BINARY")
@example(0.0, -0.0, "BINARY")
@example(2**53 + 1, 2.0**53, "BINARY")
@example("a", b"a", "NOCASE")
@example("a\0b", "A\0c", "NOCASE")
@example("a\0b", "a\0bc", "NOCASE")
@example("a\0é", "a\0bc", "NOCASE")
@example("a\0b", "a\0c", "BINARY")
@example("a ", "a", "RTRIM")
@example("a\t", "a", "RTRIM")
def test_keys_are_equal_where_sqlite_says_so(database, one, other, collation):
    equal = database.execute(f"SELECT ?1 = ?2 COLLATE {collation}", (one, other)).fetchone()[0]
    key = Key("k", (0,), (collation,))
    assert (key.of([one]) == key.of([other])) == bool(equal)


def test_null_equals_nothing():
    key = Key("k", (0, 1), ("NOCASE", "BINARY"))
    assert key.of(["a", None]) is None
    assert key.of(["A", 1]) == key.of(["a", 1]) == values_packed(["a", 1])


@given(
    st.one_of(values, st.text(alphabet="0123456789.-+eEx _\0", max_size=5), st.floats()),
    st.sampled_from(["INTEGER", "NUMERIC", "REAL", "TEXT", "BLOB"]),
)
@example(0.1, "TEXT")
@example(1e20, "TEXT")
@example("9223372036854775808", "INTEGER")
@example("1" * 400, "REAL")
@example("1_0", "INTEGER")
@example(2**53 + 1, "REAL")
@example(float("nan"), "REAL")
def test_a_value_that_refers_is_what_its_parent_would_store(database, value, kind):
    database.execute(f"CREATE TEMP TABLE IF NOT EXISTS as_{kind} (value {kind})")
    database.execute(f"DELETE FROM as_{kind}")
    database.execute(f"INSERT INTO as_{kind} VALUES (?)", (value,))
    ((stored,),) = database.execute(f"SELECT value FROM as_{kind}").fetchall()
    key = Key("k", (0,), ("BINARY",))
    assert key.of([as_stored(value, kind)]) == key.of([stored])


SCHEMA = """
CREATE TABLE parent (id INTEGER PRIMARY KEY, name VARCHAR(9) COLLATE NOCASE UNIQUE, b BLOB);
CREATE TABLE child (
    code VARCHAR(5) COLLATE NOCASE, number INT, parent_id VARCHAR(9) REFERENCES PARENT,
    parent_name TEXT REFERENCES parent(NAME), other INT REFERENCES nowhere(id),
    PRIMARY KEY (number, code)
);
CREATE TABLE plain (a, b UNIQUE);
CREATE TABLE computed (id INTEGER PRIMARY KEY, a INT, double INT AS (a * 2) STORED, c INT);
CREATE UNIQUE INDEX lowered ON computed (lower(c));
CREATE TABLE partly (id INTEGER PRIMARY KEY, a INT);
CREATE UNIQUE INDEX part ON partly (a) WHERE a > 0;
CREATE INDEX usual ON partly (a)
"""


@pytest.fixture(scope="module")
def catalogue():
    database = apsw.Connection(":memory:")
    database.execute(SCHEMA)
    made = Catalogue(database)
    database.close()
    return made


def test_primary_keys(catalogue):
    tables = catalogue.tables
    assert list(tables) == ["parent", "child", "plain", "computed", "partly"]
    assert tables["parent"].primary.columns == (0,)
    assert tables["parent"].by_row_number
    assert tables["child"].primary.columns == (1, 0)
    assert tables["child"].primary.collations == ("BINARY", "NOCASE")
    assert not tables["child"].by_row_number
    assert tables["plain"].rowid
    assert tables["plain"].columns == ("_rowid_", "a", "b")
    assert not tables["child"].rowid


def test_unique_keys(catalogue):
    (name,) = catalogue.tables["parent"].unique
    assert (name.columns, name.collations) == ((1,), ("NOCASE",))
    (value,) = catalogue.tables["plain"].unique
    assert value.columns == (2,)
    assert [name for name, table in catalogue.tables.items() if table.scanned] == [
        "computed",
        "partly",
    ]


def test_computed_columns_are_not_stored(catalogue):
    assert catalogue.tables["computed"].columns == ("id", "a", "c")


def test_references(catalogue):
    by_parent = {ref.parent_columns: ref for ref in catalogue.tables["child"].references}
    to_id, to_name, nowhere = by_parent[()], by_parent["NAME",], by_parent["id",]
    assert (to_id.columns, to_id.affinities) == ((2,), ("INTEGER",))
    assert (to_name.columns, to_name.affinities) == ((3,), ("TEXT",))
    assert to_name.collations == ("NOCASE",)
    assert nowhere.parent == "nowhere"
    row = ["c", 1, "7", "Name", None]
    parents = {parent.name: parent for parent in catalogue.parents["parent"]}
    for reference, parent_row in ((to_id, [7, None, b""]), (to_name, [1, "nAME", b""])):
        assert reference.of(row) == parents[reference.label].of(parent_row)
    assert nowhere.of(row) is None
    assert set(catalogue.parents) == {"parent"}


def test_a_primary_key_finer_than_its_column_is_named():
    database = apsw.Connection(":memory:")
    database.execute("CREATE TABLE t (a TEXT COLLATE NOCASE, PRIMARY KEY (a COLLATE BINARY))")
    (sentence,) = Catalogue(database).unsupported
    assert sentence.startswith("the primary key of table t compares a as BINARY")
    database.close()
