"""What Redis loses of a database, or has changed, is told and stops writes, but not reads."""

import contextlib
import itertools
import time

import msgpack
import pytest

from discovery.rome import dbapi, errors
from discovery.rome.integrity import check
from discovery.rome.urls import settings_of
from tests.redis_servers import redis_server

_names = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("damage")) as started:
        yield started


class Database:
    """One database on the server, with three rows in each of two tables."""

    def __init__(self, server):
        self.server = server
        self.name = f"whole{next(_names)}"
        self.connections = []
        self.first = self.connect()
        self.run(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT COLLATE NOCASE UNIQUE)",
            "CREATE TABLE u (id INTEGER PRIMARY KEY)",
        )
        self.run("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')", "INSERT INTO u VALUES (1)")

    def connect(self):
        """A connection with a replica of its own, as a new process has."""
        made = dbapi.connect(
            f"127.0.0.1:{self.server.port}", self.name, timeout=10 + len(self.connections)
        )
        self.connections.append(made)
        return made

    def run(self, *statements, on=None):
        connection = on or self.first
        for statement in statements:
            connection.execute(statement)
        connection.commit()

    def key(self, name):
        return f"rome:{{{self.name}}}:{name}"

    def ask(self, verb, name, *arguments):
        return self.server.ask(verb, self.key(name), *arguments)

    def witnesses(self):
        report = check(settings_of(self.server.url(self.name)))
        return [one.witness for one in report.violations]


@pytest.fixture
def database(server):
    made = Database(server)
    yield made
    for connection in made.connections:
        connection.close()


def read(connection, table="t"):
    rows = connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
    connection.rollback()
    return rows


LOSSES = {
    "a hash of rows": ("DEL", "rows:t"),
    "a field": ("HDEL", "rows:t", msgpack.packb([2])),
    "the index of versions": ("DEL", "versions"),
    "the log": ("DEL", "log"),
    "an entry": ("XDEL", "log", "1-0"),
    "the schema": ("DEL", "schema"),
    "the totals": ("DEL", "totals"),
    "a field more": ("HSET", "rows:t", msgpack.packb([9]), msgpack.packb([9, "z"])),
}


@pytest.mark.parametrize("what", LOSSES)
def test_a_loss_is_told_to_who_commits_and_who_boots(database, what):
    verb, key, *arguments = LOSSES[what]
    database.ask(verb, key, *arguments)
    keys = (database.key(name) for name in ("head", "log", "rows:t", "rows:u", "totals"))
    before = [database.server.ask("DUMP", key) for key in keys]
    with pytest.raises(errors.Damaged, match=r"were committed.*; .*`discovery rome repair`"):
        database.run("UPDATE t SET n = n || 'x' WHERE id = 1")
    keys = (database.key(name) for name in ("head", "log", "rows:t", "rows:u", "totals"))
    assert [database.server.ask("DUMP", key) for key in keys] == before
    assert read(database.first) == [(1, "a"), (2, "b"), (3, "c")]
    new = database.connect()
    if what in {"a hash of rows", "a field", "the schema", "the totals"}:
        with pytest.raises(errors.Damaged, match="were committed"):
            read(new)
    assert what == "the schema" or len(read(new)) in {0, 2, 3, 4}
    with pytest.raises(errors.Damaged, match="takes no writes"):
        new.execute("INSERT INTO u VALUES (7)")
    assert any("were committed" in witness for witness in database.witnesses())


def test_a_row_with_another_content_is_found_at_boot_and_by_check(database):
    database.ask("HSET", "rows:t", msgpack.packb([2]), msgpack.packb([2, "other"]))
    new = database.connect()
    assert (2, "other") in read(new)
    with pytest.raises(errors.Damaged, match="table t holds other rows, and its 3 were committed"):
        database.run("DELETE FROM u", on=new)
    assert any("holds other rows" in witness for witness in database.witnesses())


def test_an_eviction_of_the_head_and_a_flush_are_told(database):
    database.ask("DEL", "head")
    with pytest.raises(errors.Damaged, match="its head is lost; it can neither be read nor writ"):
        read(database.first)
    database.server.ask("FLUSHALL")
    with pytest.raises(errors.TailLost):
        read(database.first)


def test_a_loss_is_found_by_who_only_reads_or_writes_elsewhere(database):
    """Within a minute: each process looks from time to time, and no transaction waits for it."""
    database.ask("DEL", "rows:t")
    store = database.first.replica.store
    database.first.replica.watch.due = time.monotonic()
    said, reads, asked, until = "", 0, store.round_trips, time.monotonic() + 10
    while not said and time.monotonic() < until:
        reads += 1
        try:
            read(database.first, "u")
        except errors.Damaged as told:
            said = str(told)
        time.sleep(0.01)
    assert "table t holds 0 rows, and 3 were committed" in said
    assert store.round_trips - asked <= reads + 3
    assert read(database.first, "u") == [(1,)]
    with pytest.raises(errors.Damaged, match="table t holds 0 rows"):
        database.run("INSERT INTO u VALUES (7)")


def test_a_policy_that_evicts_is_found_while_it_runs(database):
    replica = database.first.replica
    server = database.server
    server.ask("CONFIG", "SET", "maxmemory", "1gb", "maxmemory-policy", "allkeys-random")
    try:
        replica.watch.now(replica.state)
    finally:
        server.ask("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")
    with pytest.raises(errors.StoreRefused, match="throws keys away when it is full"):
        read(database.first)
    assert read(database.first, "u") == [(1,)]
    with pytest.raises(errors.StoreRefused, match="allkeys-random"):
        database.run("DELETE FROM u")
    replica.watch.now(replica.state)
    database.run("DELETE FROM u")
    assert database.witnesses() == []


def test_totals_follow_every_kind_of_change(database):
    """Swapped keys, keys that change case, replaced and cascaded rows, new columns, DDL."""
    database.run(
        "CREATE TABLE k (a TEXT COLLATE NOCASE, b REAL, c, PRIMARY KEY (a, b))",
        "CREATE TABLE r (x, y DEFAULT 1.5)",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, t REFERENCES t ON DELETE CASCADE)",
    )
    for statement in (
        "INSERT INTO k VALUES ('a', 1, -0.0), ('B', 2.5, x'00ff'), ('c', 9e18, NULL)",
        "UPDATE k SET a = upper(a), b = b + 1",
        "UPDATE k SET a = lower(a)",
        "INSERT INTO k VALUES ('A', 2, 'new') ON CONFLICT DO UPDATE SET c = 'met'",
        "INSERT INTO r (x) VALUES (1), ('1'), (1.0), (NULL)",
        "UPDATE r SET y = x WHERE x = 1",
        "ALTER TABLE r ADD COLUMN z REAL DEFAULT 7",
        "UPDATE r SET z = y, x = 2.0",
        "REPLACE INTO t VALUES (2, 'C')",
        "INSERT INTO child VALUES (1, 1), (2, 1), (3, 2)",
        "DELETE FROM t WHERE id = 1",
        "UPDATE t SET id = id + 10",
        "DROP TABLE u",
        "DELETE FROM k",
    ):
        try:
            database.run(statement)
        except errors.IntegrityError:
            database.first.rollback()
        assert database.witnesses() == [], statement
    database.connect()
    assert database.connections[-1].replica.state.damage is None


def test_a_statement_that_failed_half_way_adds_nothing_to_the_totals(database):
    """SQLite's record of changes then says that a row is new which is there in another case."""
    database.run("CREATE TABLE k (a TEXT COLLATE NOCASE, b INT, c, PRIMARY KEY (a, b))")
    database.run("INSERT INTO k VALUES ('AB', 6, 'x'), ('é', 6, 'y')")
    with pytest.raises(errors.IntegrityError):
        database.first.execute("UPDATE k SET a = 'ab', c = 'z' WHERE b = 6")
    database.run("INSERT INTO k VALUES ('a', 2, 'w')")
    database.run(
        "SAVEPOINT s", "UPDATE k SET a = 'aB' WHERE a = 'AB'", "ROLLBACK TO s", "DELETE FROM u"
    )
    assert database.witnesses() == []


@pytest.mark.parametrize("table", ["", " WITHOUT ROWID"])
@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE v SET a = 'a'"],  # the first row takes the key, and the second one ends it
        ["UPDATE v SET a = 'a' WHERE a = 'A'", "UPDATE v SET a = 'A' WHERE a = 'a'"],
        ["DELETE FROM v WHERE a = 'A'", "INSERT INTO v VALUES ('a', 1)"],
    ],
    ids=["ended half way", "there and back", "again"],
)
def test_a_key_that_is_written_in_another_case_counts_once(database, table, statements):
    """Of a table without row numbers, SQLite's hook tells nothing of what was changed."""
    database.run(f"CREATE TABLE v (a TEXT COLLATE NOCASE PRIMARY KEY, b INT){table}")
    database.run("INSERT INTO v VALUES ('A', 1), ('B', 2)")
    for statement in statements:
        with contextlib.suppress(errors.IntegrityError):
            database.first.execute(statement)
    database.first.commit()
    assert len(read(database.connect(), "v")) == 2
    assert database.witnesses() == []
