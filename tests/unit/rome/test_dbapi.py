"""PEP 249, name by name."""

import datetime
import decimal
import time
import uuid

import pytest

from discovery.rome import dbapi
from tests.redis_servers import redis_server


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
def connection(address):
    opened = dbapi.connect(address, "pep249")
    opened.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
    opened.execute("CREATE TABLE plain (name TEXT PRIMARY KEY)")
    opened.commit()
    yield opened
    opened.rollback()
    opened.execute("DROP TABLE t")
    opened.execute("DROP TABLE plain")
    opened.commit()
    opened.close()


@pytest.fixture
def cursor(connection):
    found = connection.cursor()
    found.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"n{n}") for n in range(1, 6)])
    return found


# The module


def test_what_the_module_says_of_itself():
    assert (dbapi.apilevel, dbapi.threadsafety, dbapi.paramstyle) == ("2.0", 1, "qmark")
    assert dbapi.sqlite_version_info >= (3, 35)
    assert ".".join(map(str, dbapi.sqlite_version_info)) == dbapi.sqlite_version


TREE = {
    "Warning": Exception,
    "Error": Exception,
    "InterfaceError": "Error",
    "DatabaseError": "Error",
    "DataError": "DatabaseError",
    "OperationalError": "DatabaseError",
    "IntegrityError": "DatabaseError",
    "InternalError": "DatabaseError",
    "ProgrammingError": "DatabaseError",
    "NotSupportedError": "DatabaseError",
}


@pytest.mark.parametrize("name", TREE)
def test_the_tree_of_exceptions(name):
    parent = TREE[name] if isinstance(TREE[name], type) else getattr(dbapi, TREE[name])
    assert getattr(dbapi, name).__bases__ == (parent,)
    assert getattr(dbapi.Connection, name) is getattr(dbapi, name)


def test_constructors_and_type_objects():
    assert dbapi.Date(2016, 5, 1) == datetime.date(2016, 5, 1)
    assert dbapi.Time(23, 59, 1) == datetime.time(23, 59, 1)
    assert dbapi.Timestamp(2016, 5, 1, 23, 59, 1) == datetime.datetime(2016, 5, 1, 23, 59, 1)
    assert dbapi.Binary(b"\x00\xff") == b"\x00\xff"
    now = 1_462_147_141.0
    local = time.localtime(now)
    assert dbapi.DateFromTicks(now) == datetime.date(*local[:3])
    assert dbapi.TimeFromTicks(now) == datetime.time(*local[3:6])
    assert dbapi.TimestampFromTicks(now) == datetime.datetime(*local[:6])
    for name in ("STRING", "BINARY", "NUMBER", "DATETIME", "ROWID"):
        assert isinstance(getattr(dbapi, name), type)


# Connections


def test_nothing_is_there_until_commit(address, connection):
    other = dbapi.connect(address, "pep249")
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    assert other.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
    connection.commit()
    assert other.execute("SELECT count(*) FROM t").fetchall() == [(0,)], "a snapshot stays"
    other.rollback()
    assert other.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
    other.close()


def test_close_rolls_back_and_may_be_repeated(address, connection):
    other = dbapi.connect(address, "pep249")
    other.execute("INSERT INTO t VALUES (1, 'a')")
    other.close()
    other.close()
    assert connection.execute("SELECT * FROM t").fetchall() == []


def test_a_closed_connection_refuses_everything(address, connection):
    other = dbapi.connect(address, "pep249")
    cursor = other.execute("SELECT 1")
    other.close()
    for act in (
        other.cursor,
        other.commit,
        other.rollback,
        lambda: other.execute("SELECT 1"),
        lambda: cursor.execute("SELECT 1"),
        lambda: cursor.executemany("INSERT INTO t VALUES (?, ?)", []),
        cursor.fetchone,
        cursor.fetchmany,
        cursor.fetchall,
        lambda: next(iter(cursor)),
    ):
        with pytest.raises(dbapi.InterfaceError, match="closed"):
            act()


def test_as_a_context_it_commits_or_rolls_back(connection):
    with connection:
        connection.execute("INSERT INTO t VALUES (1, 'a')")
    with pytest.raises(ZeroDivisionError), connection:
        connection.execute("INSERT INTO t VALUES (2, 'b')")
        _ = 1 / 0
    assert connection.execute("SELECT id FROM t").fetchall() == [(1,)]


# Cursors


def test_attributes_of_a_new_cursor(connection):
    cursor = connection.cursor()
    assert cursor.connection is connection
    assert (cursor.description, cursor.rowcount, cursor.arraysize) == (None, -1, 1)
    assert cursor.lastrowid is None


def test_a_closed_cursor_refuses_everything(cursor):
    cursor.execute("SELECT 1")
    cursor.close()
    for act in (
        lambda: cursor.execute("SELECT 1"),
        lambda: cursor.executemany("SELECT 1", []),
        cursor.fetchone,
        cursor.fetchmany,
        cursor.fetchall,
    ):
        with pytest.raises(dbapi.InterfaceError, match="closed"):
            act()


def test_description_names_each_column(cursor):
    cursor.execute("SELECT id, name AS called, 1 + 1 FROM t WHERE 0")
    assert [column[0] for column in cursor.description] == ["id", "called", "1 + 1"]
    assert all(column[1:] == (None,) * 6 for column in cursor.description)
    cursor.execute("UPDATE t SET name = name")
    assert cursor.description is None


def test_fetching(cursor):
    cursor.execute("SELECT id FROM t ORDER BY id")
    assert cursor.fetchone() == (1,)
    assert cursor.fetchmany() == [(2,)]
    assert cursor.fetchmany(2) == [(3,), (4,)]
    assert cursor.fetchmany(0) == []
    assert cursor.fetchall() == [(5,)]
    assert (cursor.fetchone(), cursor.fetchmany(3), cursor.fetchall()) == (None, [], [])
    cursor.arraysize = 3
    cursor.execute("SELECT id FROM t ORDER BY id")
    assert len(cursor.fetchmany()) == 3
    assert [*cursor] == [(4,), (5,)]
    assert iter(cursor) is cursor


def test_fetching_without_rows_is_an_error(connection):
    cursor = connection.cursor()
    with pytest.raises(dbapi.ProgrammingError):
        cursor.fetchone()
    cursor.execute("INSERT INTO t VALUES (1, 'a')")
    for fetch in (cursor.fetchone, cursor.fetchmany, cursor.fetchall):
        with pytest.raises(dbapi.ProgrammingError):
            fetch()


def test_a_failed_statement_leaves_no_rows_behind(cursor):
    cursor.execute("SELECT id FROM t")
    with pytest.raises(dbapi.OperationalError):
        cursor.execute("SELECT nothing FROM t")
    assert (cursor.description, cursor.rowcount) == (None, -1)
    with pytest.raises(dbapi.ProgrammingError):
        cursor.fetchall()


def test_rowcount(cursor):
    assert cursor.rowcount == 5, "executemany counts all of its rows"
    cursor.execute("UPDATE t SET name = name || '!' WHERE id > 3")
    assert cursor.rowcount == 2
    cursor.execute("UPDATE t SET name = name WHERE id = 99")
    assert cursor.rowcount == 0
    cursor.execute("SELECT * FROM t")
    assert cursor.rowcount == -1
    cursor.executemany("UPDATE t SET name = name WHERE id > ?", [(3,), (4,), (5,)])
    assert cursor.rowcount == 3
    cursor.executemany("UPDATE t SET name = name WHERE id > ?", [])
    assert cursor.rowcount == 0
    cursor.execute("DELETE FROM t WHERE id < 3")
    assert cursor.rowcount == 2
    cursor.execute("CREATE INDEX i ON t (name)")
    assert cursor.rowcount == -1


def test_rowcount_and_rows_of_returning(cursor):
    cursor.execute("UPDATE t SET name = id * 2 WHERE id < 4 RETURNING id, name")
    assert cursor.rowcount == 3
    assert [column[0] for column in cursor.description] == ["id", "name"]
    assert sorted(cursor.fetchall()) == [(1, "2"), (2, "4"), (3, "6")]
    cursor.execute("DELETE FROM t WHERE id = 1 RETURNING id")
    assert (cursor.rowcount, cursor.fetchall()) == (1, [(1,)])
    cursor.execute("INSERT INTO t VALUES (rome_id('t', 'id'), 'x') RETURNING name, id")
    assert [column[0] for column in cursor.description] == ["name", "id"]
    assert (cursor.rowcount, cursor.fetchall()[0][0]) == (1, "x")
    cursor.execute("INSERT INTO t VALUES (rome_id('t', 'id'), 'y')")
    assert (cursor.rowcount, cursor.description) == (1, None)


def test_lastrowid(connection):
    cursor = connection.cursor()
    cursor.execute("INSERT INTO t (name) VALUES ('a')")
    assert cursor.lastrowid == 1
    cursor.execute("INSERT INTO t VALUES (17, 'b')")
    assert cursor.lastrowid == 17
    cursor.execute("INSERT INTO t VALUES (rome_id('t', 'id'), 'c')")
    leased = cursor.lastrowid
    assert cursor.execute("SELECT id FROM t WHERE name = 'c'").fetchone() == (leased,)
    cursor.execute("UPDATE t SET name = 'd' WHERE id = 1")
    assert cursor.lastrowid is None
    cursor.execute("INSERT INTO plain VALUES ('a')")
    assert cursor.lastrowid is None, "its number is not the key"


def test_sizes_are_taken_and_ignored(cursor):
    cursor.setinputsizes([None, dbapi.STRING])
    cursor.setoutputsize(1000)
    cursor.setoutputsize(1000, 0)


# Parameters


VALUES = [
    (None, None),
    (7, 7),
    (2**63 - 1, 2**63 - 1),
    (-0.5, -0.5),
    ("ǆ'\"?\n", "ǆ'\"?\n"),
    ("", ""),
    ("nul\0inside", "nul\0inside"),
    (b"\x00\xff", b"\x00\xff"),
    (bytearray(b"ab"), b"ab"),
    (memoryview(b"ab"), b"ab"),
    (True, 1),
    (datetime.datetime(2016, 5, 1, 1, 2, 3, 4), "2016-05-01 01:02:03.000004"),
    (datetime.date(2016, 5, 1), "2016-05-01"),
    (datetime.time(1, 2, 3), "01:02:03"),
    (decimal.Decimal("1.5"), 1.5),
    (uuid.UUID(int=1), "00000000000000000000000000000001"),
]


@pytest.mark.parametrize(("value", "stored"), VALUES, ids=lambda value: repr(value)[:20])
def test_values_come_back(connection, value, stored):
    ((found,),) = connection.execute("SELECT ?", (value,)).fetchall()
    assert found == stored
    assert type(found) is type(stored)


def test_wrong_parameters(connection):
    for parameters in ((), (1, 2)):
        with pytest.raises(dbapi.ProgrammingError):
            connection.execute("SELECT ?", parameters)
    with pytest.raises(dbapi.ProgrammingError):
        connection.execute("SELECT ?", (object(),))
    for too_much in (2**63, "\ud800"):
        with pytest.raises(dbapi.DataError):
            connection.execute("SELECT ?", (too_much,))
    with pytest.raises(dbapi.ProgrammingError):
        connection.execute("SELECT :a", {"a": 1})


@pytest.mark.parametrize("number", [30_000, 40_000, 100_000])
def test_more_parameters_than_sqlite_binds(connection, number):
    """32,766 are SQLite's; MySQL's drivers write values into the statement, and know no end."""
    connection.cursor().executemany(
        "INSERT INTO t VALUES (?, ?)", [(n, f"it's {n}?") for n in range(50)]
    )
    marks = ", ".join("?" * (number - 1))
    names = [f"it's {n}?" for n in range(40, 39 + number)]
    found = connection.execute(
        f"SELECT id, '?' FROM t WHERE id > ? AND name IN ({marks}) ORDER BY id", [41, *names]
    )
    assert found.fetchall() == [(n, "?") for n in range(42, 50)]
    if number > 40_000:
        with pytest.raises(dbapi.ProgrammingError, match="100000 parameters"):
            connection.execute(f"SELECT ? IN ({marks})", names * 2)
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(50,)], "it goes on"


# Errors


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        ("IntegrityError", "INSERT INTO t VALUES (1, 'other')"),
        ("IntegrityError", "INSERT INTO t VALUES (9, 'n2')"),
        ("OperationalError", "SELECT * FROM nowhere"),
        ("OperationalError", "SELEC 1"),
        ("OperationalError", "SELECT 'a' REGEXP '('"),
        ("ProgrammingError", "SELECT 1; DELETE FROM t"),
        ("NotSupportedError", "ATTACH DATABASE 'x' AS y"),
        ("NotSupportedError", "VACUUM"),
    ],
)
def test_errors_have_their_kind_and_the_transaction_goes_on(cursor, kind, sql):
    with pytest.raises(getattr(dbapi, kind)):
        cursor.execute(sql)
    assert cursor.execute("SELECT count(*) FROM t").fetchone() == (5,)


def test_a_python_function_that_fails_is_an_operational_error(connection):
    connection.create_function("fail", 0, lambda: {}["key"])
    with pytest.raises(dbapi.OperationalError, match="KeyError"):
        connection.execute("SELECT fail()")


def test_semicolons_that_separate_nothing(connection):
    assert connection.execute("SELECT ';' ; -- one; only\n ;").fetchall() == [(";",)]
    connection.execute(
        "CREATE TRIGGER twice AFTER INSERT ON t BEGIN "
        "INSERT INTO plain VALUES (new.name); INSERT INTO plain VALUES (new.id); END"
    )
    connection.execute("INSERT INTO t VALUES (7, 'a')")
    assert sorted(connection.execute("SELECT * FROM plain")) == [("7",), ("a",)]
