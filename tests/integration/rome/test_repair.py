"""`discovery rome repair`: by the log where it tells, else by what fits; and old databases."""

import io
import itertools
import sqlite3
import sys

import msgpack
import pytest

from discovery.cli import main
from discovery.rome import dbapi, errors
from discovery.rome.integrity import check
from discovery.rome.status import status
from discovery.rome.urls import settings_of
from tests.redis_servers import redis_server

_names = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("repair")) as started:
        yield started


class Database:
    """Rows 1 to 3, in a database of which the log tells all; a connection that goes on using it."""

    def __init__(self, server, keep=10_000):
        self.server, self.name = server, f"repair{next(_names)}"
        self.url = server.url(self.name)
        self.used = self.connect(keep=keep)
        self.used.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT COLLATE NOCASE UNIQUE)")
        self.used.execute("CREATE INDEX i ON t (n)")
        self.used.commit()
        for row in ((1, "a"), (2, "b"), (3, "c")):
            self.used.execute("INSERT INTO t VALUES (?, ?)", row)
            self.used.commit()

    def connect(self, **options):
        return dbapi.connect(
            f"127.0.0.1:{self.server.port}", self.name, timeout=10 + next(_names), **options
        )

    def ask(self, verb, name, *arguments):
        return self.server.ask(verb, f"rome:{{{self.name}}}:{name}", *arguments)

    def put(self, key, *row):
        self.ask("HSET", "rows:t", msgpack.packb([key]), msgpack.packb(row))

    def violations(self):
        return [one.witness for one in check(settings_of(self.url)).violations]

    def rows(self, connection=None):
        """As a process says that boots now, or one that was there."""
        made = connection or self.connect()
        for told in range(2):
            try:
                found = made.execute("SELECT id, n FROM t ORDER BY id").fetchall()
                break
            except errors.Damaged:
                assert not told
        made.rollback()
        if connection is None:
            made.close()
        return found


@pytest.fixture
def database(server):
    made = Database(server)
    yield made
    made.used.close()


@pytest.fixture
def command(capsys, monkeypatch):
    def run(verb, *arguments):
        monkeypatch.setattr(sys, "argv", ["discovery", "rome", verb, *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


BY_LOG = {
    "a lost hash": lambda it: it.ask("DEL", "rows:t"),
    "a lost row": lambda it: it.ask("HDEL", "rows:t", msgpack.packb([2])),
    "another content": lambda it: it.put(2, 2, "other"),
    "a row of nobody": lambda it: it.put(9, 9, "A"),
    "a row under the key of another": lambda it: it.put(2, 3, "c"),
    "a row that is none": lambda it: it.ask("HSET", "rows:t", msgpack.packb([2]), b"\xc1"),
    "a number for a row": lambda it: it.ask("HSET", "rows:t", msgpack.packb([2]), b"\x05"),
    "a row of three columns": lambda it: it.put(2, 2, "b", "x"),
    "a lost schema": lambda it: it.ask("DEL", "schema"),
    "a schema that is none": lambda it: it.ask("LSET", "schema", 1, "CREATE INDEX i ON no (n)"),
    "lost versions": lambda it: it.ask("DEL", "versions"),
    "lost totals": lambda it: it.ask("DEL", "totals"),
    "lost counters": lambda it: it.ask("DEL", "ids"),
    "a counter that is none": lambda it: it.ask("HSET", "ids", "t", "abc"),
    "a counter behind its end": lambda it: it.ask("HSET", "ids", "t", "9223372036854775808"),
    "a counter of no table": lambda it: it.ask("HSET", "ids", b"\xff", "abc", "t", "x"),
    "an index of no number": lambda it: it.ask("HSET", "versions", "8 bytes.", "x"),
}


@pytest.mark.parametrize("what", BY_LOG)
def test_what_the_log_tells_is_put_right(database, command, what):
    before = database.rows(database.used)
    BY_LOG[what](database)
    assert database.violations()
    dumped = command("dump", database.url)
    assert dumped[0] == 0
    keys = database.server.ask("KEYS", f"rome:{{{database.name}}}:*")
    held = [database.server.ask("DUMP", key) for key in sorted(keys)]
    code, said, _ = command("repair", database.url)
    assert (code, "nothing was changed; --apply does it" in said) == (1, True), said
    keys = database.server.ask("KEYS", f"rome:{{{database.name}}}:*")
    assert [database.server.ask("DUMP", key) for key in sorted(keys)] == held
    code, said, _ = command("repair", database.url, "--apply")
    assert code == 0, said
    assert database.violations() == []
    assert database.rows() == database.rows(database.used) == before
    for connection in (database.connect(), database.used):
        connection.execute("UPDATE t SET n = n || 'x' WHERE id = 1")
        connection.commit()
    assert database.violations() == []
    assert command("repair", database.url)[:2] == (0, "nothing to put right\n")


def test_duplicates_of_which_no_log_tells(server, command, tmp_path):
    """The log of commits that made them is gone: one is kept, the other is written aside."""
    database = Database(server, keep=10)
    for number in range(20):
        database.used.execute("UPDATE t SET n = ? WHERE id = 3", (f"c{number}",))
        database.used.commit()
    database.put(7, 7, "A\0x")
    database.put(8, 8, "a\0y")
    database.put(9, 9, "a\0z\0")
    new = database.connect()
    assert [row[0] for row in new.execute("SELECT id FROM t ORDER BY id").fetchall()] == [
        1,
        2,
        3,
        7,
        9,
    ]
    with pytest.raises(errors.Damaged, match="1 more of the kind; it can be read and takes no wri"):
        new.execute("DELETE FROM t WHERE id = 1")
    code, said, told = command("dump", database.url)
    assert (code, "1 rows are comments" in told) == (0, True), told
    lite = sqlite3.connect(":memory:")
    lite.executescript(said)
    assert lite.execute("SELECT count(*) FROM t").fetchone() == (5,)
    lite.close()
    assert "-- t [8, 'a\\x00y']: UNIQUE constraint failed: t.n\n" in said
    code, said, _ = command("status", database.url)
    assert (code, "table t holds 6 rows, and 3 were committed" in said.replace("\n", " ")) == (
        0,
        True,
    )
    aside = tmp_path / "aside.sql"
    code, said, _ = command("repair", database.url, "--apply", "--aside", str(aside))
    assert code == 0, said
    assert "leave out a row of table t does not fit (UNIQUE constraint failed: t.n)" in said
    assert "stays table t holds 6 rows, and 3 were committed (what comes into Redis" in said
    assert aside.read_text() == (
        "-- t [8, 'a\\x00y'] under key [8]: UNIQUE constraint failed: t.n\n"
    )
    assert [row[0] for row in database.rows()] == [1, 2, 3, 7, 9]
    database.used.execute("INSERT INTO t VALUES (100, 'new')")
    database.used.commit()
    assert database.violations() == []
    database.used.close()
    new.close()


def test_two_concurrent_names_with_nul_end_no_database(database):
    """As Keystone's API takes them: of 'a\\0b' and 'a\\0c' one is there, and the other refused."""
    other = database.connect()
    for connection, name in ((database.used, "z\0b"), (other, "z\0c")):
        connection.execute("SELECT count(*) FROM t").fetchall()
        connection.execute("INSERT INTO t VALUES (?, ?)", (ord(name[2]), name))
    database.used.commit()
    with pytest.raises(errors.DatabaseError):
        other.commit()
    assert database.violations() == []
    assert database.rows()[-1] == (98, "z\0b")
    other.close()


def test_a_database_of_before_is_used_as_it_was_and_gets_totals_by_repair(database, command):
    """Format 1: an older ROME may use it, too; nothing is counted until `repair --apply`."""
    database.ask("DEL", "totals")
    database.ask("HDEL", "head", "versions", "statements", "totals")
    database.ask("HSET", "head", "format", "1")
    assert database.violations() == []
    new = database.connect()
    new.execute("INSERT INTO t VALUES (4, 'd')")
    new.commit()
    new.execute("CREATE TABLE u (a)")
    new.commit()
    assert database.ask("EXISTS", "totals") == 0
    assert database.ask("HGET", "head", "format") == b"1"
    assert any("has no totals" in said for said in status(settings_of(database.url)).damage)
    code, said, _ = command("repair", database.url)
    assert (code, "add totals" in said) == (1, True)
    assert command("repair", database.url, "--apply")[0] == 0
    assert database.ask("HGET", "head", "format") == b"2"
    for connection in (new, database.used):
        connection.execute("INSERT INTO u VALUES (1)")
        connection.commit()
    assert database.violations() == []
    database.ask("HDEL", "rows:t", msgpack.packb([4]))
    with pytest.raises(errors.Damaged, match="table t holds 3 rows, and 4 were committed"):
        database.used.execute("DELETE FROM t WHERE id = 1")
        database.used.commit()
    new.close()
