"""Whatever is certified can be booted by a process that knows only the log, and no statement
changes one process' replica alone."""

import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.rome import dbapi, errors
from discovery.rome.catalogue import quoted
from discovery.rome.integrity import check
from discovery.rome.rows import open_as_stored
from discovery.rome.urls import settings_of
from tests.redis_servers import redis_server

_names = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("certified")) as started:
        yield started


class Pair:
    """Two processes' connections to one database, and a third that boots whenever it is asked."""

    def __init__(self, server):
        self.server, self.name = server, f"boots{next(_names)}"
        self.timeouts = itertools.count(20)
        self.one, self.two = self.connect(), self.connect()
        self.one.create_function("mine", 1, lambda value: value, deterministic=True)
        self.one.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT UNIQUE)")
        self.one.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        self.one.commit()

    def connect(self):
        return dbapi.connect(
            f"127.0.0.1:{self.server.port}", self.name, timeout=next(self.timeouts)
        )

    def everything(self, connection):
        """Each page of the state would differ; what they say must not."""
        connection.execute("SELECT count(*) FROM t").fetchall()
        connection.rollback()
        state = connection.replica.state
        assert state.damage is None
        database, _ = open_as_stored(state.pages)
        found = {
            name: sorted(database.execute(f"SELECT * FROM {quoted(name)}").fetchall(), key=repr)
            for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if not name.startswith("sqlite_sequence")
        }
        found[""] = database.execute(
            "SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2"
        ).fetchall()
        for pragma in ("user_version", "application_id", "encoding", "page_size", "auto_vacuum"):
            found[f"PRAGMA {pragma}"] = database.execute(f"PRAGMA {pragma}").fetchall()
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.close()
        return found

    def agree(self):
        three = self.connect()
        ours, theirs, new = map(self.everything, (self.one, self.two, three))
        three.close()
        assert ours == theirs == new
        assert check(settings_of(self.server.url(self.name))).violations == ()


@pytest.fixture
def pair(server):
    made = Pair(server)
    yield made
    made.one.close()
    made.two.close()


ONLY_HERE = {
    "an index on a function": "CREATE INDEX i ON t (mine(n))",
    "an index on some rows by a function": "CREATE INDEX i ON t (n) WHERE mine(n)",
    "a CHECK": "CREATE TABLE u (a CHECK (mine(a)))",
    "a generated column": "CREATE TABLE u (a, b AS (mine(a)))",
    "a default": "CREATE TABLE u (a, b DEFAULT (mine(1)))",
    "a virtual table": "CREATE VIRTUAL TABLE u USING fts5 (a)",
    "a tree of boxes": "CREATE VIRTUAL TABLE u USING rtree (id, a, b)",
    "a collation of a column": "CREATE TABLE u (a TEXT COLLATE german)",
    "a foreign key of a generated column": "CREATE TABLE u (a, b AS (a + 1) STORED REFERENCES t)",
    "a column named as the row number": "CREATE TABLE u (_rowid_ INTEGER, a)",
}


@pytest.mark.parametrize("what", ONLY_HERE)
def test_what_no_other_process_could_build_is_refused(pair, what):
    with pytest.raises(errors.DatabaseError) as caught:
        pair.one.execute(ONLY_HERE[what])
        pair.one.commit()
    pair.one.rollback()
    assert isinstance(caught.value, errors.NotSupportedError | errors.OperationalError)
    assert "\n" not in str(caught.value)
    pair.agree()


TAKEN = [
    ["CREATE VIEW v AS SELECT mine(n) FROM t"],
    ["CREATE TABLE u AS SELECT *, 'it''s' AS \"a \"\" b\nc\" FROM t", "UPDATE u SET n = 'x'"],
    [
        'CREATE TABLE "a ""quoted""; --\nname" (x UNIQUE)',
        'CREATE INDEX "i""" ON t (n COLLATE RTRIM)',
    ],
    ["CREATE TABLE u (a TEXT CHECK (a REGEXP 'x'), b DEFAULT (1 + 1), c AS (a || b) STORED)"],
    ["CREATE TABLE u (k TEXT, PRIMARY KEY (k COLLATE NOCASE)) WITHOUT ROWID"],
    ["CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; INSERT INTO t VALUES (9, 'g'); END"],
    ["CREATE TEMP TABLE x (a)", "INSERT INTO x VALUES (1)"],
    ["CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE id = 1; END"],
    ["ALTER TABLE t ADD COLUMN r REAL DEFAULT 7", "UPDATE t SET n = n || 'x'"],
    ["ANALYZE", "REINDEX", "PRAGMA optimize", "INSERT INTO t VALUES (3, 'c')"],
    [*(f"CREATE TABLE many{n} (a, b UNIQUE)" for n in range(15))],
]


@pytest.mark.parametrize("statements", TAKEN, ids=lambda found: found[0][:40])
def test_what_every_process_can_build_is_taken(pair, statements):
    for statement in statements:
        pair.one.execute(statement)
        pair.one.commit()
    pair.one.execute("INSERT INTO t (id, n) VALUES (77, 'x77')")
    pair.one.commit()
    pair.agree()


SHADOWS = [
    ["CREATE TEMP TABLE t (id INTEGER PRIMARY KEY, n TEXT)"],
    ["CREATE TEMP TABLE t (n REAL, id TEXT PRIMARY KEY) WITHOUT ROWID"],
    ["CREATE TEMP VIEW t AS SELECT 5 AS id, 'v' AS n"],
    ["CREATE TEMP TABLE t (id, n)", "INSERT INTO t VALUES (1, 'temporary')"],
]


@pytest.mark.parametrize("statements", SHADOWS, ids=lambda found: found[0])
def test_a_temporary_table_of_the_same_name_hides_no_row(pair, statements):
    """A commit is of the database's table, also where the name alone means another one."""
    for statement in (
        *statements,
        "INSERT INTO main.t VALUES (3, 'c')",
        "UPDATE main.t SET n = n || '!' WHERE id = 1",
        "DELETE FROM main.t WHERE id = 2",
        "CREATE TABLE u AS SELECT * FROM main.t",
        "INSERT INTO main.t (id, n) VALUES (rome_id('t', 'id'), 'd')",
    ):
        pair.one.execute(statement)
        pair.one.commit()
    assert pair.two.execute("SELECT n FROM t ORDER BY id").fetchall() == [("a!",), ("c",), ("d",)]
    pair.two.rollback()
    pair.agree()


LARGEST = 2**63 - 1


@pytest.mark.parametrize("number", [2**53 + 1, 10**18, LARGEST - 5, LARGEST])
@pytest.mark.parametrize("key", ["INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT"])
def test_keys_up_to_the_largest_number_are_told_to_the_last_digit(pair, key, number):
    """Redis' Lua rounds above 2**53; what it rounded up to ended the database of AUTOINCREMENT."""
    pair.one.execute(f"CREATE TABLE u (id {key}, n)")
    pair.one.commit()
    pair.one.execute("INSERT INTO u VALUES (rome_id('u', 'id'), 'small')")
    pair.one.commit()
    pair.two.execute("INSERT INTO u VALUES (?, 'large')", (number,))
    pair.two.commit()
    for _ in range(20):  # more than half a block: a commit would bring the next one along
        pair.one.execute("INSERT INTO u VALUES (rome_id('u', 'id'), 'held')")
        pair.one.commit()
    pair.agree()
    three = pair.connect()
    if number > LARGEST - 32:
        with pytest.raises(errors.DataError, match="table u: no number is left for a new row"):
            three.execute("INSERT INTO u VALUES (rome_id('u', 'id'), 'none')")
    else:
        three.execute("INSERT INTO u VALUES (rome_id('u', 'id'), 'next')")
        three.commit()
        assert three.execute("SELECT id FROM u WHERE n = 'next'").fetchone() > (number,)
    three.rollback()
    three.close()
    pair.agree()


def test_ordered_keys_go_on_above_the_exact_numbers_of_lua(server):
    connections = [
        dbapi.connect(f"127.0.0.1:{server.port}", "large", keys="ordered", timeout=20 + i)
        for i in range(2)
    ]
    one, two = connections
    one.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n)")
    one.execute("INSERT INTO t VALUES (?, 0)", (2**53,))
    one.commit()
    for connection in (one, two, one, two, one):
        connection.execute("INSERT INTO t VALUES (rome_id('t', 'id'), 1)")
        connection.commit()
    found = one.execute("SELECT id - ? FROM t ORDER BY id", (2**53,)).fetchall()
    assert found == [(n,) for n in range(6)]
    for connection in connections:
        connection.close()


REFUSED = [
    "PRAGMA user_version = 5",
    "PRAGMA main.user_version(5)",
    "PRAGMA/**/application_id = 7",
    'PRAGMA "user_version" = 5',
    "PRAGMA encoding = 'UTF-16'",
    "PRAGMA auto_vacuum = FULL",
    "PRAGMA page_size = 512",
    "PRAGMA writable_schema = ON",
    "PRAGMA ignore_check_constraints = ON",
    "PRAGMA case_sensitive_like = ON",
    "PRAGMA schema_version = 99",
    "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (id, n)'",
    "DELETE FROM sqlite_master",
    "UPDATE sqlite_sequence SET seq = 1000",
    "INSERT INTO sqlite_stat1 VALUES ('t', NULL, '5')",
    "ATTACH ':memory:' AS other",
    "VACUUM",
    "DELETE FROM t; INSERT INTO t VALUES (5, 'e')",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END; DELETE FROM t",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END/**/; DELETE FROM t; END",
    "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END; DELETE FROM t; END;",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE sqlite_sequence SET seq = 9; END",
    "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM/**/sqlite_sequence; END",
    'CREATE TRIGGER g AFTER DELETE ON t BEGIN INSERT INTO "sqlite_sequence" VALUES (1, 2); END',
    ";DELETE FROM t",
    "\ufeffDELETE FROM t",
    "EXPLAIN SELECT 1; DELETE FROM t",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO temp.x VALUES (1); END",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_no_statement_changes_one_replica_alone(pair, statement):
    pair.one.execute("CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, a)")
    pair.one.execute("INSERT INTO counted (a) VALUES (1)")
    pair.one.commit()
    pair.one.execute("CREATE TEMP TABLE x (a)")
    pair.one.commit()
    with pytest.raises(errors.DatabaseError):
        pair.one.execute(statement)
    pair.one.rollback()
    pair.one.execute("INSERT INTO t VALUES (78, 'later')")
    pair.one.commit()
    pair.agree()


def test_an_index_meets_the_rows_that_come_at_the_same_time(pair):
    """CREATE UNIQUE INDEX on one process, a second row of its value on another."""
    pair.one.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, v)")
    pair.one.execute("INSERT INTO u VALUES (1, 'same')")
    pair.one.commit()
    pair.two.execute("SELECT * FROM u").fetchall()
    pair.two.execute("CREATE UNIQUE INDEX uv ON u (v)")
    pair.one.execute("INSERT INTO u VALUES (2, 'same')")
    pair.one.commit()
    with pytest.raises(errors.DatabaseError):
        pair.two.commit()
    pair.agree()


def test_a_trigger_of_before_that_writes_sqlites_own_tables_is_not_fired(pair):
    """It was certified once; what would set it off is refused, and the rest goes on."""
    pair.one.execute("CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, a)")
    pair.one.commit()
    trigger = "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE sqlite_sequence SET seq = 9; END"
    key = f"rome:{{{pair.name}}}:"
    pair.server.ask("RPUSH", f"{key}schema", trigger)
    pair.server.ask("HINCRBY", f"{key}head", "statements", 1)
    new = pair.connect()
    with pytest.raises(errors.NotSupportedError, match="one process' replica alone"):
        new.execute("INSERT INTO t VALUES (5, 'e')")
    new.rollback()
    new.execute("DELETE FROM t WHERE id = 1")
    new.commit()
    new.execute("DROP TRIGGER g")
    new.commit()
    new.execute("INSERT INTO t VALUES (5, 'e')")
    new.commit()
    new.close()
    pair.agree()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("lower", 1), ("ABS", -1), ("like", 2), ("coalesce", 3), ("->", 2), ("Rome_id", 2)],
)
def test_no_function_of_a_program_stands_in_for_one_of_the_schema(pair, name, arguments):
    """An index or a CHECK would say something else in this process than in all others."""
    pair.one.execute("CREATE TABLE u (a TEXT CHECK (lower(a) <> 'x'), b AS (abs(a)))")
    pair.one.execute("CREATE INDEX i ON u (lower(a), a LIKE 'b%')")
    pair.one.commit()
    with pytest.raises(errors.NotSupportedError, match="give yours another name"):
        pair.one.create_function(name, arguments, lambda *_: "other", deterministic=True)
    pair.one.execute("INSERT INTO u VALUES ('A'), ('B')")
    pair.one.commit()
    pair.agree()


def test_regexp_is_the_same_in_each_process(pair):
    """oslo.db brings one of its own to each connection; a CHECK may call REGEXP."""
    pair.one.create_function("regexp", 2, lambda pattern, text: False)
    pair.one.execute("CREATE TABLE u (a TEXT CHECK (a REGEXP '^A'))")
    pair.one.execute("INSERT INTO u VALUES ('abc')")
    pair.one.commit()
    with pytest.raises(errors.IntegrityError):
        pair.one.execute("INSERT INTO u VALUES ('xyz')")
    pair.one.rollback()
    pair.agree()


WORDS = [
    *("SELECT", "INSERT INTO", "UPDATE", "DELETE FROM", "CREATE TABLE", "DROP TABLE", "WITH", "*"),
    *("PRAGMA", "SAVEPOINT", "ROLLBACK TO", "RELEASE", "COMMIT", "BEGIN", "VALUES (1)", "FROM"),
    *("t", "u", "nope", "sqlite_schema", "SET n =", "WHERE", "(", ")", ",", ";", "?", "'", '"'),
    *("\0", "1", "x'ff'", "CAST(x'ff' AS TEXT)", "\ud800", "é", "rome_id('t', 'id')", "mine(1)"),
    *("id INTEGER PRIMARY KEY", "zeroblob(9999999999)", "abs(-9223372036854775808)", "json('{')"),
    *("RETURNING *", "EXPLAIN", "/*", "--", "AS", "REPLACE INTO", "ON CONFLICT DO NOTHING"),
    *("rome_id(?, 1)", "ALTER TABLE", "FOR UPDATE", "SKIP LOCKED"),
]


class Odd:
    """A value of no known kind."""

    def __conform__(self, protocol):
        raise RuntimeError("no")


class Wrong(int):
    """A number that is none."""

    def __index__(self):
        raise RuntimeError("no")


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["\ud800", "a\0b", b"\xff", bytearray(b"x"), memoryview(b"abc")[::2]]),
    st.decimals(),
    st.datetimes(),
    st.uuids(),
    st.sampled_from([Odd(), Wrong(3), object(), {}, [], (1,), int, 1j]),
)


@settings(max_examples=250)
@given(
    st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join)
    | st.sampled_from([None, 3, b"SELECT 1", "", [], {}]),
    st.lists(VALUES, max_size=3) | st.sampled_from([None, 3, "ab", {"a": 1}, iter([1])]),
    st.sampled_from(["execute", "executemany", "many", "commit", "rollback"]),
)
def test_nothing_outside_of_pep_249_leaves_the_driver(server, sql, parameters, verb):
    connection = dbapi.connect(f"127.0.0.1:{server.port}", "fuzzed")
    connection.create_function("mine", 1, lambda value: 1 // 0)
    cursor = connection.cursor()
    steps = [
        lambda: connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n)"),
        lambda: cursor.execute(sql, parameters),
        lambda: cursor.executemany(sql, [parameters, parameters] if verb == "many" else parameters),
        lambda: cursor.fetchmany(parameters),
        cursor.fetchall,
        lambda: connection.commit() if verb == "commit" else connection.rollback(),
    ]
    for step in steps:
        with contextlib.suppress(errors.Error):
            step()
    connection.close()


def test_what_is_closed_says_so(server):
    connection = dbapi.connect(f"127.0.0.1:{server.port}", "closed")
    cursor, other = connection.cursor(), connection.cursor()
    cursor.close()
    for step in (
        cursor.fetchone,
        cursor.fetchall,
        lambda: cursor.execute("SELECT 1"),
        lambda: cursor.executemany("SELECT 1", []),
        lambda: next(cursor),
    ):
        with pytest.raises(errors.InterfaceError):
            step()
    connection.execute("SELECT 1")
    connection.close()
    connection.close()
    for step in (
        connection.cursor,
        connection.commit,
        connection.rollback,
        lambda: connection.execute("SELECT 1"),
        lambda: connection.create_function("f", 1, len),
        lambda: other.execute("SELECT 1"),
        other.fetchall,
    ):
        with pytest.raises(errors.InterfaceError):
            step()


@pytest.mark.parametrize(
    "arguments",
    [(1, "db"), ("127.0.0.1:1", 5), ("127.0.0.1:x", "db"), ("a", "db", 3, 4)],
)
def test_no_way_to_connect_leaves_pep_249(arguments):
    with pytest.raises(errors.Error):
        dbapi.connect(*arguments, timeout=0.2)


@pytest.mark.parametrize(
    "arguments", [("f", "x", len), ("f", 999, len), (None, 1, len), ("f", 1, 7), ("\ud800", 1, len)]
)
def test_no_function_leaves_pep_249(pair, arguments):
    pair.one.execute("SELECT 1")
    with pytest.raises(errors.Error):
        pair.one.create_function(*arguments)
        pair.one.execute(f"SELECT {arguments[0]}(1)")
