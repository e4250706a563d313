"""A row that is written with what it holds is written: of two that write it, one comes first.

SQLite's changesets have no such rows. Each pair runs on two replicas, at the default level.
"""

import itertools

import pytest

from discovery.rome.errors import Deadlock
from discovery.rome.integrity import check
from discovery.rome.settings import parse
from tests.histories.interleaved import connect
from tests.redis_servers import redis_server

_names = itertools.count(1)

SCHEMA = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, k INT UNIQUE, v INT)",
    "CREATE TABLE label (name VARCHAR(9) COLLATE NOCASE PRIMARY KEY, v INT)",
    "CREATE TABLE loose (k INT, v INT)",
    "CREATE TABLE hidden (rowid TEXT, oid TEXT, _rowid_ TEXT, k INT PRIMARY KEY, v INT)",
    "CREATE TABLE bare (k INT PRIMARY KEY, v INT) WITHOUT ROWID",
    "CREATE TABLE c (id INTEGER PRIMARY KEY, t INT REFERENCES t(k) ON UPDATE SET DEFAULT)",
    "CREATE TABLE bell (n INT)",
    "CREATE TRIGGER ring AFTER INSERT ON bell BEGIN UPDATE t SET v = v WHERE id = new.n; END",
    "INSERT INTO t VALUES (1, 1, 10), (2, 2, 20)",
    "INSERT INTO label VALUES ('one', 10), ('two', 20)",
    "INSERT INTO loose VALUES (1, 10), (2, 20)",
    "INSERT INTO hidden VALUES ('a', 'a', 'a', 1, 10), ('b', 'b', 'b', 2, 20)",
    "INSERT INTO bare VALUES (1, 10), (2, 20)",
    "INSERT INTO c VALUES (1, NULL)",
)
SAME = {
    "to its own value": "UPDATE t SET v = v WHERE id = 1",
    "to the same value": "UPDATE t SET v = 10 WHERE id = 1",
    "all of them": "UPDATE t SET v = v",
    "an upsert": "INSERT INTO t VALUES (1, 1, 10) ON CONFLICT (id) DO UPDATE SET v = excluded.v",
    "REPLACE": "REPLACE INTO t VALUES (1, 1, 10)",
    "REPLACE by another key": "UPDATE OR REPLACE t SET k = 1 WHERE id = 1",
    "by a trigger": "INSERT INTO bell VALUES (1)",
    "UPDATE FROM": "UPDATE t SET v = u.v FROM t AS u WHERE u.id = t.id AND t.id = 1",
    "RETURNING": "UPDATE t SET v = v WHERE id = 1 RETURNING v",
}
OTHERS = {
    "a key without case": ("label", "name = 'ONE'", "name = 'two'"),
    "no key": ("loose", "k = 1", "k = 2"),
    "no name for its number": ("hidden", "k = 1", "k = 2"),
    "WITHOUT ROWID": ("bare", "k = 1", "k = 2"),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
def replicas(address):
    """Two replicas of a database that has the tables."""
    name = f"same{next(_names)}"
    opened = [connect(address, name) for _ in range(2)]
    for sql in SCHEMA:
        opened[0].execute(sql)
    opened[0].commit()
    yield opened
    for connection in opened:
        connection.close()
    assert check(parse(address, name)).violations == ()


def ask(connection, sql):
    cursor = connection.execute(sql)
    return cursor.fetchall() if cursor.description else cursor.rowcount


def race(replicas, first, second):
    """Both run, then one commits after the other; whether the second met the first, and failed."""
    for connection, statements in zip(replicas, (first, second), strict=True):
        for sql in statements:
            ask(connection, sql)
    before = replicas[1].replica.counters.conflicts
    replicas[0].commit()
    try:
        replicas[1].commit()
        failed = False
    except Deadlock:
        failed = True
    return replicas[1].replica.counters.conflicts > before, failed


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("same", SAME)
def test_it_meets_whoever_changes_the_row(same, turn, replicas):
    """Who comes second is run again; that the row was changed is another answer."""
    reads = "SELECT v FROM t WHERE id = 1"
    programs = [[reads, SAME[same]], [reads, "UPDATE t SET v = 11 WHERE id = 1"]][::turn]
    assert race(replicas, *programs) == (True, turn == -1)


@pytest.mark.parametrize(("same", "other"), list(itertools.pairwise([*SAME, next(iter(SAME))])))
def test_two_of_them_meet(same, other, replicas):
    assert race(replicas, [SAME[same]], [SAME[other]]) == (True, False)


def test_a_row_that_is_deleted_and_back_was_written(replicas):
    back = ["DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (1, 1, 10)"]
    assert race(replicas, back, [SAME["to its own value"]]) == (True, False)


def test_a_row_that_was_there_for_the_transaction_alone_is_none(replicas):
    before = replicas[0].replica.state.seq
    for sql in ("INSERT INTO label VALUES ('new', 1)", "DELETE FROM label WHERE name = 'NEW'"):
        replicas[0].execute(sql)
    replicas[0].commit()
    assert replicas[0].replica.state.seq == before


def test_it_meets_whoever_deletes_the_row(replicas):
    same, gone = [SAME["to its own value"]], ["DELETE FROM t WHERE id = 1"]
    assert race(replicas, same, gone) == (True, False)
    replicas[0].rollback()
    replicas[0].execute("INSERT INTO t VALUES (1, 1, 10)")
    replicas[0].commit()
    assert race(replicas, gone, same) == (True, True)


def test_promotion_cures_write_skew(replicas):
    """Each reads both rows, writes the other's one with what it holds, and takes from its own."""
    programs = [
        [
            "SELECT sum(v) FROM t",
            f"UPDATE t SET v = v WHERE id = {3 - own}",
            f"UPDATE t SET v = v - 30 WHERE id = {own}",
        ]
        for own in (1, 2)
    ]
    assert race(replicas, *programs) == (True, True)
    assert ask(replicas[0], "SELECT sum(v) FROM t") == [(0,)]


@pytest.mark.parametrize("kind", OTHERS)
def test_rows_of_every_kind_of_table(kind, replicas):
    """Where SQLite's number finds no row, the table is one row."""
    table, one, _ = OTHERS[kind]
    same = f"UPDATE {table} SET v = v WHERE {one}"
    assert race(replicas, [same], [f"UPDATE {table} SET v = 11 WHERE {one}"]) == (True, False)
    assert race(replicas, [f"DELETE FROM {table} WHERE {one}"], [same]) == (True, True)


@pytest.mark.parametrize("kind", OTHERS)
def test_rows_apart(kind, replicas):
    table, one, two = OTHERS[kind]
    programs = [[f"UPDATE {table} SET v = v WHERE {where}"] for where in (one, two)]
    met = kind in {"no name for its number", "WITHOUT ROWID"}
    assert race(replicas, *programs) == (met, False)


def test_it_is_an_entry_without_rows_that_others_follow(replicas):
    one, other = replicas
    assert ask(other, "SELECT count(*) FROM t") == [(2,)]
    other.rollback()
    before = one.replica.state.seq
    assert ask(one, "UPDATE t SET v = v") == 2
    one.commit()
    assert one.replica.state.seq == before + 1
    assert ask(other, "SELECT id, v FROM t") == [(1, 10), (2, 20)]
    assert other.replica.state.seq == before + 1


def test_what_matches_nothing_is_not_sent(replicas):
    before = replicas[0].replica.state.seq
    assert ask(replicas[0], "UPDATE t SET v = v WHERE id = 9") == 0
    assert ask(replicas[0], "UPDATE t SET v = 10 WHERE id = 1 AND v = 11") == 0
    replicas[0].commit()
    assert replicas[0].replica.state.seq == before
    assert ask(replicas[0], "UPDATE t SET v = 10 WHERE id = 1 AND v = 10") == 1


@pytest.mark.parametrize("before", [True, False])
def test_beside_ddl_it_is_the_table_that_was_written(before, replicas):
    """It is run again, with the DDL; only another answer ends it."""
    same, ddl = SAME["to its own value"], "CREATE TABLE more (id INTEGER PRIMARY KEY)"
    program = [same, ddl] if before else [ddl, same]
    other = ["UPDATE t SET v = 5 WHERE id = 2"]
    reads = "SELECT v FROM t WHERE id = 2"
    assert race(replicas, other, [reads, *program]) == (True, True)
    assert race(replicas, ["UPDATE t SET v = 6 WHERE id = 2"], program) == (True, False)


@pytest.mark.parametrize("by", ["UPDATE", "REPLACE", "DELETE"])
def test_a_key_that_goes_to_another_case_and_back(by, replicas):
    """The totals of the table count its row once; the changeset says that it is new."""
    for name in ("ONE", "one"):
        if by == "UPDATE":
            replicas[0].execute("UPDATE label SET name = ? WHERE name = 'one'", (name,))
            continue
        if by == "DELETE":
            replicas[0].execute("DELETE FROM label WHERE name = 'one'")
        replicas[0].execute("REPLACE INTO label VALUES (?, 10)", (name,))
    replicas[0].commit()
    assert ask(replicas[1], "SELECT name FROM label ORDER BY v") == [("one",), ("two",)]
