"""Which statements lock, what they lock, and what SQLite is given instead."""

import apsw
import pytest

from discovery.rome.locking import Source, locking


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT 'FOR UPDATE'",
        "SELECT 'it''s FOR UPDATE NOWAIT' FROM t",
        'SELECT "FOR UPDATE" FROM t',
        "SELECT [FOR UPDATE], `FOR SHARE` FROM t",
        "SELECT a FROM t -- FOR UPDATE",
        "SELECT a FROM t /* FOR UPDATE */",
        "SELECT for_update FROM t",
        "SELECT a FROM t WHERE lock = 1",
    ],
)
def test_what_locks_nothing(sql):
    assert locking(sql) is None


@pytest.mark.parametrize(
    ("clause", "shared", "waiting", "of"),
    [
        ("FOR UPDATE", False, "wait", ()),
        ("for  update\n nowait", False, "nowait", ()),
        ("FOR UPDATE OF t SKIP LOCKED", False, "skip", ("t",)),
        ('FOR UPDATE OF "a ""b", main.t', False, "wait", ('a "b', "t")),
        ("FOR NO KEY UPDATE", False, "wait", ()),
        ("FOR SHARE", True, "wait", ()),
        ("FOR KEY SHARE NOWAIT", True, "nowait", ()),
        ("LOCK IN SHARE MODE", True, "wait", ()),
        ("FOR UPDATE OF t FOR SHARE OF u", False, "wait", ("t", "u")),
        ("FOR UPDATE;", False, "wait", ()),
    ],
)
def test_clauses(clause, shared, waiting, of):
    found = locking(f"SELECT 'x FOR SHARE' FROM t, u WHERE a = ? {clause}")
    assert (found.shared, found.waiting, found.of) == (shared, waiting, of)
    assert found.sql.rstrip(";") == "SELECT 'x FOR SHARE' FROM t, u WHERE a = ?"
    assert found.select.sources == (Source("t", "t"), Source("u", "u"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM (SELECT a FROM t FOR UPDATE) x",
        "SELECT a FROM t WHERE a IN (SELECT b FROM u FOR UPDATE)",
        "SELECT a FROM (SELECT a FROM t) x FOR UPDATE",
        "SELECT a FROM t UNION ALL SELECT a FROM u FOR UPDATE",
        "SELECT a FROM t EXCEPT SELECT a FROM u FOR UPDATE",
        "WITH x AS (SELECT a FROM t) SELECT a FROM x FOR UPDATE",
        "SELECT a FROM f(1) FOR UPDATE",
        "SELECT 1 FOR UPDATE",
        "SELECT a FROM t WHERE a = ?1 FOR UPDATE",
    ],
)
def test_texts_that_do_not_tell_the_rows(sql):
    found = locking(sql)
    assert found.select is None
    assert "UPDATE" not in found.sql


SHAPES = [
    "SELECT * FROM t",
    "SELECT ALL a, (SELECT max(b) FROM u) FROM t AS x WHERE x.a > ? -- why\n",
    "SELECT x.a FROM t x LEFT OUTER JOIN u AS y ON y.b = x.a AND y.c IN (1, ?) WHERE 1 OR 0",
    "SELECT 'a, b FROM c' FROM [t], `u` WHERE t.a = u.b ORDER BY t.a LIMIT ?",
    'SELECT "t"."a" AS "FROM" FROM main."t" NATURAL JOIN u ORDER BY 1',
    "SELECT x.a FROM t x JOIN t y USING (a) WHERE x.a NOT IN (SELECT b FROM u WHERE b = ?)",
]


@pytest.fixture
def database():
    with apsw.Connection(":memory:") as opened:
        opened.execute("CREATE TABLE t (a INTEGER PRIMARY KEY); CREATE TABLE u (b INT, c INT)")
        opened.execute("INSERT INTO t VALUES (1), (2), (3); INSERT INTO u VALUES (1, 1), (2, 2)")
        yield opened


@pytest.mark.parametrize("sql", SHAPES)
def test_more_columns_change_nothing_else(database, sql):
    found = locking(f"{sql} FOR UPDATE")
    values = [1] * sql.count("?")
    before = database.execute(sql, values).fetchall()
    columns = [f'"{source.alias}"._rowid_' for source in found.select.sources]
    after = database.execute(found.select.with_columns(columns, "1"), values).fetchall()
    assert [row[: -len(columns)] for row in after] == before
    assert len(after) > 0
    first, second, _ = found.select.places
    keys = found.select.only_columns(columns, "1")
    assert database.execute(keys, values[first : first + second]).fetchall()
    assert sum(found.select.places) == len(values)


@pytest.mark.parametrize(
    ("listed", "grouped"),
    [
        ("a", False),
        ("count(*)", True),
        ("DISTINCT a", True),
        ("a, max (b)", True),
        ("row_number() OVER ()", True),
        ("'count(*)'", False),
        ("discount(a)", False),
    ],
)
def test_rows_that_are_not_those_of_the_table(listed, grouped):
    assert locking(f"SELECT {listed} FROM t FOR UPDATE").select.grouped == grouped
    assert locking(f"SELECT {listed} FROM t GROUP BY a FOR UPDATE").select.grouped
