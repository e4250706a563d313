"""Which keys an INSERT gives by itself, and which are left for SQLite to choose."""

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.rome.catalogue import Catalogue
from discovery.rome.inserts import gives_all_keys, rows_of


def table(sql):
    database = apsw.Connection(":memory:")
    database.execute(sql)
    (found,) = Catalogue(database).tables.values()
    return found


T = table("CREATE TABLE t (a INT, Id INTEGER PRIMARY KEY, b INT)")

GIVEN = [
    ("INSERT INTO t VALUES (1, 2, 3)", ()),
    ("INSERT INTO t VALUES (?, ?, ?)", (None, 2, None)),
    ("INSERT INTO t (b, id) VALUES (?, ?)", (None, 2)),
    ('INSERT INTO "t" ("id") VALUES (-2)', ()),
    ("insert into t(id) values(?),(?) returning id, a", (1, 2)),
    ("INSERT INTO t (id, a) VALUES (rome_id('t', 'id'), ?), (rome_id('t', 'id'), max(1, 2))", (1,)),
    ("INSERT INTO t (a, id) VALUES ('?, (', ?)  -- , ?", (1,)),
    ("INSERT INTO t (a, id) VALUES (coalesce(?, ?), ?) /* ? */", (None, 1, 2)),
]
CHOSEN = [
    ("INSERT INTO t (a, b) VALUES (1, 2)", ()),
    ("INSERT INTO t VALUES (1, NULL, 3)", ()),
    ("INSERT INTO t VALUES (?, ?, ?)", (1, None, 3)),
    ("INSERT INTO t (id) VALUES (?), (?)", (1, None)),
    ("INSERT INTO t (a, id) VALUES (coalesce(?, ?), ?)", (1, 2, None)),
    ("INSERT INTO t DEFAULT VALUES", ()),
    ("INSERT INTO t (id) VALUES (nullif(1, 1))", ()),
    ("INSERT INTO t (id) VALUES (?1)", (1,)),
    ("INSERT INTO t (a, id) VALUES (?2, ?)", (1, 2)),
    ("INSERT INTO t AS x (id) VALUES (1)", ()),
]


@pytest.mark.parametrize(("sql", "parameters"), GIVEN)
def test_given(sql, parameters):
    assert gives_all_keys(sql, parameters, T)


@pytest.mark.parametrize(("sql", "parameters"), CHOSEN)
def test_not_certainly_given(sql, parameters):
    assert not gives_all_keys(sql, parameters, T)


def test_keys_that_are_no_row_numbers():
    assert gives_all_keys(
        "INSERT INTO t (b) VALUES (1)", (), table("CREATE TABLE t (a TEXT PRIMARY KEY, b)")
    )
    assert not gives_all_keys("INSERT INTO t VALUES (1)", (), table("CREATE TABLE t (a)"))


def test_rows():
    assert rows_of("INSERT INTO t VALUES (1, 2, 3)") == 1
    assert rows_of("INSERT INTO t VALUES (?, (?), ')'), (?, ?, ?), (1, 2, (3)) RETURNING a") == 3
    assert rows_of("INSERT INTO t DEFAULT VALUES") is None


@given(st.lists(st.tuples(st.none() | st.integers(1, 9), st.text(alphabet="(),?'\"-", max_size=4))))
def test_what_stands_in_a_literal_is_no_value(rows):
    into = table("CREATE TABLE t (a TEXT, id INTEGER PRIMARY KEY)")
    for key, text in rows:
        sql = f"INSERT INTO t VALUES ({apsw.format_sql_value(text)}, ?)"
        assert rows_of(sql) == 1
        assert gives_all_keys(sql, (key,), into) == (key is not None)
