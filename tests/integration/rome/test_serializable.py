"""SERIALIZABLE certifies whatever a statement tells of rows, by its answer or by its silence.

Two transactions run at once, each on a replica of its own. Whoever commits must have been told what
SQLite by itself tells when the two come one after the other, and leave the same rows.
"""

import itertools

import apsw
import pytest

from discovery.rome.dbapi import Connection
from discovery.rome.errors import DatabaseError, Deadlock, IntegrityError
from discovery.rome.statements import with_literals
from tests.histories.interleaved import connect
from tests.redis_servers import redis_server

SCHEMA = (
    "CREATE TABLE a (id INTEGER PRIMARY KEY, k INT UNIQUE, x INT)",
    "CREATE TABLE b (id INTEGER PRIMARY KEY, k INT UNIQUE, x INT)",
)
TO_A = "INSERT INTO a VALUES (1, 1, 1)"
TO_B = "INSERT INTO b VALUES (1, 1, 1)"
NO_B = "SELECT count(*) FROM b"
CHILD = "CREATE TABLE c (id INTEGER PRIMARY KEY, a INT REFERENCES a(id) ON DELETE CASCADE)"

HOLES = {
    "DELETE without WHERE": ([], ["DELETE FROM a", TO_B], ["DELETE FROM b", TO_A]),
    "UPDATE without WHERE": ([], ["UPDATE a SET x = 5", TO_B], ["UPDATE b SET x = 5", TO_A]),
    "UPDATE FROM": ([], ["UPDATE a SET x = b.x FROM b RETURNING x", TO_A], [NO_B, TO_B, TO_A]),
    "DELETE of a WITHOUT ROWID table": (
        ["CREATE TABLE w (id INT PRIMARY KEY) WITHOUT ROWID"],
        ["DELETE FROM w", TO_B],
        [NO_B, "INSERT INTO w VALUES (1)"],
    ),
    "an ignored INSERT": (
        [TO_A],
        ["INSERT OR IGNORE INTO a VALUES (1, 1, 1)", TO_B],
        [NO_B, "DELETE FROM a WHERE id = 1"],
    ),
    "ON CONFLICT DO NOTHING": (
        [TO_A],
        ["INSERT INTO a VALUES (2, 1, 1) ON CONFLICT DO NOTHING", TO_B],
        [NO_B, "DELETE FROM a WHERE id = 1"],
    ),
    "ON CONFLICT DO NOTHING that did it": (
        [],
        ["INSERT INTO a VALUES (1, 1, 1) ON CONFLICT DO NOTHING", "DELETE FROM a", TO_B],
        [NO_B, TO_A],
    ),
    "an upsert whose condition did not hold": (
        [TO_A],
        ["INSERT INTO a VALUES (1, 1, 1) ON CONFLICT (id) DO UPDATE SET x = 2 WHERE x > 1", TO_B],
        [NO_B, "UPDATE a SET x = 5"],
    ),
    "UPDATE OR IGNORE": (
        [TO_A, "INSERT INTO a VALUES (2, 2, 2)"],
        ["UPDATE OR IGNORE a SET k = 1 WHERE id = 2", TO_B],
        [NO_B, "DELETE FROM a WHERE id = 1"],
    ),
    "a key that ignores its violation": (
        ["CREATE TABLE once (k INT UNIQUE ON CONFLICT IGNORE)", "INSERT INTO once VALUES (1)"],
        ["INSERT INTO once VALUES (1)", TO_B],
        [NO_B, "DELETE FROM once"],
    ),
    "INSERT … SELECT": (
        [],
        ["INSERT INTO b SELECT 1, 1, 1 WHERE NOT EXISTS (SELECT * FROM a)"],
        ["INSERT INTO a SELECT 1, 1, 1 WHERE NOT EXISTS (SELECT * FROM b)"],
    ),
    "IN with a table's name": (
        ["CREATE TABLE one (x INT)"],
        ["INSERT INTO b VALUES (1, 1, 1 IN one)"],
        [NO_B, "INSERT INTO one VALUES (1)"],
    ),
    "a row number that SQLite chose": (
        [],
        ["INSERT INTO a (k, x) VALUES (1, 1)", TO_B],
        [NO_B, "INSERT INTO a VALUES (5, 5, 5)"],
    ),
    "NULL for a row number": (
        [],
        ["INSERT INTO a VALUES (NULL, 1, 1)", TO_B],
        [NO_B, "INSERT INTO a VALUES (5, 5, 5)"],
    ),
    "a view": (
        ["CREATE VIEW v AS SELECT 1 FROM a"],
        ["SELECT count(*) FROM v", TO_B],
        [NO_B, TO_A],
    ),
    "a common table": (
        [],
        ["WITH c AS (SELECT 1 FROM a) SELECT count(*) FROM c", TO_B],
        [NO_B, TO_A],
    ),
    "a table-valued function of a column": (
        ["INSERT INTO b VALUES (7, 7, 7)"],
        ["SELECT count(*) FROM a, json_each('[1]')", "DELETE FROM b"],
        [NO_B, TO_A],
    ),
    "a PRAGMA that reads rows": (
        [CHILD],
        ["PRAGMA foreign_key_check", TO_B],
        [NO_B, "PRAGMA foreign_keys", TO_A],
    ),
    "a trigger that reads": (
        ["CREATE TRIGGER t AFTER INSERT ON b BEGIN UPDATE b SET x = (SELECT count(*) FROM a); END"],
        [TO_B],
        [NO_B, TO_A],
    ),
    "a trigger that ignores": (
        [
            "CREATE TRIGGER t BEFORE INSERT ON b WHEN EXISTS (SELECT 1 FROM a) "
            "BEGIN SELECT RAISE(IGNORE); END"
        ],
        [TO_B],
        [NO_B, TO_A],
    ),
    "a trigger that refuses": (
        [
            TO_A,
            "CREATE TABLE d (id INTEGER PRIMARY KEY)",
            "CREATE TRIGGER t BEFORE INSERT ON d WHEN EXISTS (SELECT 1 FROM a) "
            "BEGIN SELECT RAISE(ABORT, 'no'); END",
        ],
        ["INSERT INTO d VALUES (1)", TO_B],
        [NO_B, "DELETE FROM a"],
    ),
    "INSTEAD OF": (
        [
            "CREATE VIEW v AS SELECT x FROM a",
            "CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN DELETE FROM a; END",
        ],
        ["INSERT INTO v VALUES (1)", TO_B],
        [NO_B, TO_A],
    ),
    "a unique key that was taken": (
        [TO_A],
        ["INSERT INTO a VALUES (2, 1, 1)", TO_B],
        [NO_B, "DELETE FROM a"],
    ),
    "a reference to nothing": (
        [CHILD],
        ["INSERT INTO c VALUES (1, 1)", TO_B],
        [NO_B, TO_A],
    ),
    "a parent that has children": (
        [
            TO_A,
            "CREATE TABLE c (id INTEGER PRIMARY KEY, a INT REFERENCES a(id))",
            "INSERT INTO c VALUES (1, 1)",
        ],
        ["DELETE FROM a", TO_B],
        [NO_B, "DELETE FROM c"],
    ),
    "a cascade that found nobody": (
        [TO_A, CHILD],
        ["DELETE FROM a WHERE id = 1", "INSERT INTO a VALUES (1, 1, 1)", TO_B],
        [NO_B, "INSERT INTO c VALUES (1, 1)"],
    ),
    "a calculation that failed": (
        ["INSERT INTO a VALUES (1, 1, 9223372036854775807)", "INSERT INTO a VALUES (2, 2, 1)"],
        ["SELECT sum(x) FROM a", TO_B],
        [NO_B, "DELETE FROM a"],
    ),
    "a violated NOT NULL of a subquery": (
        ["CREATE TABLE n (x INT NOT NULL)"],
        ["INSERT INTO n SELECT max(x) FROM a", TO_B],
        [NO_B, TO_A],
    ),
    "what was rolled back to a savepoint": (
        [],
        ["SAVEPOINT s", "SELECT count(*) FROM a", "ROLLBACK TO s", TO_B],
        [NO_B, TO_A],
    ),
    "an INSERT that was rolled back to a savepoint": (
        [],
        ["SAVEPOINT s", TO_A, "ROLLBACK TO s", TO_B],
        [NO_B, TO_A],
    ),
    "a key that replaces what has children": (
        [
            "CREATE TABLE p (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, v INT)",
            "CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES p ON DELETE CASCADE)",
            "INSERT INTO p VALUES (1, 1)",
        ],
        ["INSERT INTO p VALUES (1, 2)"],
        ["SELECT v FROM p", "INSERT INTO c VALUES (2, 1)"],
    ),
    "a key that replaces its own parent": (
        [
            "CREATE TABLE p (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, v INT, "
            "p INT REFERENCES p ON DELETE CASCADE)",
            "INSERT INTO p VALUES (1, 1, NULL)",
        ],
        ["INSERT INTO p VALUES (1, 2, NULL)"],
        ["SELECT v FROM p", "INSERT INTO p VALUES (2, 1, 1)"],
    ),
    "a key that may not replace what has children": (
        [
            "CREATE TABLE p (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, v INT)",
            "CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES p(id) ON DELETE RESTRICT)",
            "INSERT INTO p VALUES (1, 1)",
        ],
        ["INSERT INTO p VALUES (1, 2)", TO_B],
        [NO_B, "INSERT INTO c VALUES (2, 1)"],
    ),
    "a number of another type": (
        ["CREATE TABLE any (v)", "INSERT INTO any VALUES (1)"],
        ["SELECT v FROM any", TO_B],
        [NO_B, "UPDATE any SET v = 1.0"],
    ),
    "more parameters than SQLite binds": (
        [],
        [f"SELECT count(*) FROM a WHERE id IN ({', '.join('?' * 33_000)})", TO_B],
        [NO_B, TO_A],
    ),
    "an INSERT that was deleted again": ([], [TO_A, "DELETE FROM a", TO_B], [NO_B, TO_A]),
    "a reference that was deleted again": (
        [TO_A, CHILD],
        ["INSERT INTO c VALUES (1, 1)", "DELETE FROM c", TO_B],
        [NO_B, "DELETE FROM a"],
    ),
    "a reference that was rolled back": (
        [TO_A, CHILD],
        ["SAVEPOINT s", "INSERT INTO c VALUES (1, 1)", "ROLLBACK TO SAVEPOINT s", TO_B],
        [NO_B, "DELETE FROM a"],
    ),
    "a copy into a temporary table": (
        [],
        [
            "CREATE TEMPORARY TABLE copy AS SELECT * FROM a",
            "INSERT INTO b SELECT * FROM copy",
            TO_B,
        ],
        [NO_B, "INSERT INTO a VALUES (5, 5, 5)"],
    ),
    "a table that is made of another": (
        [],
        ["CREATE TABLE copy AS SELECT * FROM a", TO_B],
        [NO_B, TO_A],
    ),
}


def alone(database: apsw.Connection, sql: str) -> list[object]:
    """What SQLite says, of any number of parameters."""
    return database.execute(with_literals(sql, range(sql.count("?")))).fetchall()


def told(run, sql: str) -> object:
    try:
        rows = run(sql)
    except (IntegrityError, apsw.ConstraintError):
        return "refused"
    except Deadlock:
        raise
    except (DatabaseError, apsw.Error) as error:
        return type(error).__name__.replace("OperationalError", "SQLError")
    return sorted(map(repr, rows))  # 1 is not 1.0


def serially(setup: list[str], programs: list[list[str]]) -> tuple[list[list[object]], object]:
    """What each is told by SQLite, one after the other, and what is there at the end."""
    database = apsw.Connection(":memory:")
    database.execute("PRAGMA foreign_keys=ON")
    for sql in setup:
        database.execute(sql)
    answers = []
    for program in programs:
        database.execute("BEGIN")
        answers.append([told(lambda s: alone(database, s), sql) for sql in program])
        database.execute("COMMIT")
    return answers, left(lambda sql: database.execute(sql).fetchall())


def left(run) -> object:
    tables = [name for (name,) in run("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {table: sorted(map(repr, run(f"SELECT * FROM {table}"))) for table in tables}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield f"127.0.0.1:{server.port}"


def ask(connection: Connection, sql: str) -> list[object]:
    cursor = connection.execute(sql, range(sql.count("?")))
    return cursor.fetchall() if cursor.description else []


@pytest.fixture
def replicas(address, request):
    """Two on one database, and one that makes it and looks at the end."""
    name = f"serial{abs(hash(request.node.name))}"
    options = getattr(request, "param", {})
    opened = [connect(address, name, **options) for _ in range(3)]
    yield opened
    for connection in opened:
        connection.close()


def at_once(replicas, setup, programs, last):
    """Begin both, then finish one after the other, then commit; the answers of those that could."""
    maker, *others = replicas
    for sql in setup:
        maker.execute(sql)
    maker.commit()
    answers: list[list[object] | None] = [[], []]
    for connection in others:
        connection.serializable = True
        connection.execute("SELECT name FROM sqlite_schema").fetchall()  # begin on one state
    for number in (*(0, 1), *(0, 1)):
        done = answers[number]
        rest = programs[number][len(done) : None if done else 1]
        done += [told(lambda s, n=number: ask(others[n], s), sql) for sql in rest]
    for number in (1 - last, last):
        try:
            others[number].commit()
        except DatabaseError:
            answers[number] = None
    return answers


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("hole", HOLES)
def test_there_is_an_order(hole, last, replicas):
    setup, *programs = HOLES[hole]
    setup = [*SCHEMA, *setup]
    answers = at_once(replicas, setup, programs, last)
    committed = [number for number in (0, 1) if answers[number] is not None]
    assert committed, "one of them commits"
    found = left(lambda sql: ask(replicas[0], sql))
    orders = []
    for order in itertools.permutations(committed):
        said, rows = serially(setup, [programs[number] for number in order])
        orders.append((dict(zip(order, said, strict=True)), rows))
    assert ({number: answers[number] for number in committed}, found) in orders


def test_who_goes_on_after_a_key_was_taken_is_told(replicas):
    """The transaction is gone, and an IntegrityError alone would not say so."""
    maker, one, other = replicas
    for sql in SCHEMA:
        maker.execute(sql)
    maker.commit()
    one.execute(NO_B).fetchall()
    one.rollback()
    for key, go_on in enumerate((lambda: one.execute(TO_B), one.commit), 1):
        other.execute("INSERT INTO a VALUES (?, ?, 1)", (key, key))
        other.commit()
        one.execute("INSERT INTO a VALUES (7, ?, 1)", (key,))  # on the last known state
        with pytest.raises(IntegrityError):
            one.execute(NO_B)
        with pytest.raises(Deadlock, match="the transaction was rolled back"):
            go_on()
    one.execute("INSERT INTO a VALUES (7, 7, 7)")
    one.commit()
    assert maker.execute("SELECT id FROM a").fetchall() == [(1,), (2,), (7,)]
    assert maker.execute(NO_B).fetchall() == [(0,)]


def test_a_pragma_changes_what_a_statement_reads(replicas):
    """REPLACE sets triggers off where they are recursive; it is the same text, and known."""
    maker, one, other = replicas
    trigger = (
        "CREATE TRIGGER t AFTER DELETE ON a BEGIN INSERT INTO b SELECT 1, 1, count(*) FROM e; END"
    )
    for sql in (*SCHEMA, "CREATE TABLE e (x INT)", trigger, TO_A):
        maker.execute(sql)
    maker.commit()
    one.serializable = other.serializable = True
    for pragma in ("SELECT 1", "PRAGMA recursive_triggers = ON"):
        one.execute(pragma)
        one.commit()
        one.execute("REPLACE INTO a VALUES (1, 1, 2)")
        other.execute("SELECT x FROM a").fetchall()
        other.execute("INSERT INTO e VALUES (1)")
        other.commit()
        one.commit()
        maker.rollback()
    assert maker.execute("SELECT x FROM b").fetchall() == [(2,)]
