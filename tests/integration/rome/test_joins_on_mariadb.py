"""MySQL's UPDATE and DELETE of a join: the same statement on MariaDB and, as it is translated, on
SQLite gives the same rows and the same count."""

import random

import apsw
import pytest

from discovery.rome import mysql_join
from tests.mariadb_servers import USER, mariadb_server
from tests.redis_servers import HOST

TABLES = {"t": ("id", "a", "b", "s"), "u": ("id", "x", "y", "s"), "w": ("id", "a", "v")}
ONE_TO_ONE = "t.id = u.id"
MANY = ("t.a = u.x", "t.s = u.s", "t.a < u.y", "t.a = u.x AND u.y > ?")
JOINS = ("JOIN", "INNER JOIN", "LEFT JOIN", "LEFT OUTER JOIN", "RIGHT JOIN", "STRAIGHT_JOIN")
CONDITIONS = (
    *("", "", "t.b IS NULL", "u.y IS NULL", "u.id IS NULL", "t.a <> 1 OR u.x = 2", "t.s = 'A'"),
    *("t.a IN (SELECT v FROM w)", "NOT EXISTS (SELECT 1 FROM w WHERE w.v = u.x)", "u.y = ?"),
    *("t.s LIKE 'a%' AND u.x BETWEEN 1 AND 2", "(t.a, u.x) = (1, 1)", "t.a != u.y", "t.a >= ?"),
)
STATEMENTS = 400


def rows(chance):
    """Small tables, in which much is equal, NULL, or of another case."""
    number = [None, 0, 1, 1, 2, 3]
    text = [None, "a", "A", "b", "ab"]
    return {
        table: [
            (n, *(chance.choice(text if name == "s" else number) for name in names[1:]))
            for n in chance.sample(range(1, 6), chance.randint(2, 5))
        ]
        for table, names in TABLES.items()
    }


def statement(chance):
    """A statement whose meaning MySQL does not leave open, and its parameters."""
    target, other = chance.choice([("t", "u"), ("u", "t")])
    unique = chance.random() < 0.5
    on = ONE_TO_ONE if unique else chance.choice(MANY)
    condition = chance.choice(CONDITIONS)
    if chance.random() < 0.2:
        tables, where = "t AS t, `u`", f" WHERE {on}" + (condition and f" AND ({condition})")
    else:
        tables = f"`t` {chance.choice(JOINS)} u ON {on}"
        where = condition and f" WHERE {condition}"
    if chance.random() < 0.3:
        if chance.random() < 0.5:
            return f"DELETE {target} FROM {tables}{where}"
        return f"DELETE FROM {target} USING {tables}{where}"
    first = TABLES[target][1]
    values = ["7", f"{target}.{first} + 1", "?", "NULL", f"IF({target}.id > 3, 8, 9)"]
    if unique:
        seen = f"{other}.{TABLES[other][1]}"
        values += [seen, seen, f"coalesce({seen}, 5) * 2", f"CASE WHEN {seen} = 1 THEN 6 END"]
    changes = [f"{target}.{first} = {chance.choice(values)}"]
    if chance.random() < 0.4:
        changes.append(f"{target}.`s` = {chance.choice(['?', 'NULL', repr('Z')])}")
    if chance.random() < 0.3:
        changes[0] = changes[0].removeprefix(f"{target}.")
    return f"UPDATE {tables} SET {', '.join(changes)}{where}"


@pytest.fixture(scope="module")
def mariadb():
    pymysql = pytest.importorskip("pymysql")
    with mariadb_server() as server:
        server.create("db")
        connection = pymysql.connect(
            host=HOST,
            port=server.port,
            user=USER,
            password=USER,
            database="db",
            client_flag=pymysql.constants.CLIENT.FOUND_ROWS,
        )
        yield connection
        connection.close()


@pytest.fixture(scope="module")
def sqlite():
    connection = apsw.Connection(":memory:")
    yield connection
    connection.close()


def test_rows_and_counts_are_those_of_mariadb(mariadb, sqlite):
    ask = mariadb.cursor()
    for table, names in TABLES.items():
        kinds = ["VARCHAR(9)" if name == "s" else "INTEGER" for name in names[1:]]
        columns = ", ".join(f"{n} {k}" for n, k in zip(names[1:], kinds, strict=True))
        ask.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {columns})")
        columns = columns.replace("(9)", "(9) COLLATE NOCASE")
        sqlite.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {columns})")
    mariadb.commit()
    chance = random.Random(1)
    counts = []
    for _ in range(STATEMENTS):
        sql, content = statement(chance), rows(chance)
        given = [chance.choice([1, 2]) for _ in range(sql.count("?"))]
        sqlite.execute("BEGIN")
        for table, made in content.items():
            for row in made:
                marks = ", ".join("?" * len(row))
                sqlite.execute(f"INSERT INTO {table} VALUES ({marks})", row)
                ask.execute(f"INSERT INTO {table} VALUES ({marks.replace('?', '%s')})", row)
        ask.execute(sql.replace("%", "%%").replace("?", "%s"), given)
        sqlite.execute(mysql_join.translated(sql, TABLES.__getitem__), given)
        counts.append(sqlite.changes())
        assert sqlite.changes() == ask.rowcount, (sql, given, content)
        for table in TABLES:
            ask.execute(f"SELECT * FROM {table} ORDER BY id")
            here = list(sqlite.execute(f"SELECT * FROM {table} ORDER BY id"))
            assert here == list(ask.fetchall()), (sql, given, content)
        sqlite.execute("ROLLBACK")
        mariadb.rollback()
    assert sum(count > 0 for count in counts) > STATEMENTS / 3
