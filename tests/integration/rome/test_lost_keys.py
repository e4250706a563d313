"""Each key of a database lost, each two of them, each field of its head: who uses it is told, what
the others tell is put right, what they do not is said, and nothing is lost in silence."""

import itertools

import pytest

from discovery.rome import dbapi, errors
from discovery.rome.dump import dump
from discovery.rome.integrity import check
from discovery.rome.repair import repair
from discovery.rome.status import status
from discovery.rome.urls import settings_of
from tests.redis_servers import redis_server

KEYS = ("head", "ids", "log", "rows:t", "rows:u", "schema", "totals", "versions")
FIELDS = (
    *("format", "epoch", "seq", "hash", "oldest", "keep", "schema"),
    *("statements", "totals", "versions"),
)
UNSAFE = {*FIELDS[:7]}
"""Fields without which nobody can read."""
LOST = [
    *(("DEL", (key,)) for key in KEYS),
    *(("DEL", pair) for pair in itertools.combinations(KEYS, 2)),
    ("DEL", ("head", "log", "versions")),
    ("XTRIM", ("log",)),
    *(("HDEL", (field,)) for field in FIELDS),
]
_names = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("lost")) as started:
        yield started


class Database:
    """Two tables that refer to each other, of which the log tells all, or the last ten commits."""

    def __init__(self, server, name, keep):
        self.server, self.name, self.keep = server, name, keep
        self.settings = settings_of(server.url(name, keep=keep))
        connection = self.connect()
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n TEXT UNIQUE)")
        connection.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t)")
        connection.commit()
        for number in range(1, 4):
            connection.execute("INSERT INTO t (n) VALUES (?)", (f"a{number}",))
            connection.execute("INSERT INTO u VALUES (?, ?)", (number, number))
            connection.commit()
        for number in range(0 if keep > 100 else 12):
            connection.execute("UPDATE t SET n = ? WHERE id = 3", (f"b{number}",))
            connection.commit()
        connection.close()
        keys = [key.decode() for key in server.ask("KEYS", self.key("*"))]
        self.kept = {key: server.ask("DUMP", key) for key in keys}

    def key(self, name):
        return f"rome:{{{self.name}}}:{name}"

    def connect(self):
        return dbapi.connect(
            f"127.0.0.1:{self.server.port}",
            self.name,
            timeout=10 + next(_names) / 1000,
            keep=self.keep,
        )

    def put_back(self):
        for key in self.server.ask("KEYS", self.key("*")):
            self.server.ask("DEL", key)
        for key, held in self.kept.items():
            self.server.ask("RESTORE", key, 0, held)

    def lose(self, verb, what):
        if verb == "HDEL":
            self.server.ask("HDEL", self.key("head"), *what)
        elif verb == "XTRIM":
            self.server.ask("XTRIM", self.key("log"), "MAXLEN", 0)
        else:
            self.server.ask("DEL", *map(self.key, what))


@pytest.fixture(scope="module")
def whole(server):
    return Database(server, "whole", keep=10_000)


@pytest.fixture(scope="module")
def trimmed(server):
    return Database(server, "trimmed", keep=10)


def rows(connection):
    found = {
        table: connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
        for table in ("t", "u")
    }
    connection.rollback()
    return found


def answer(act):
    """What comes back, or the sentence of an error of the driver's; anything else is a fault."""
    try:
        return act()
    except errors.Error as error:
        return error


def write(connection):
    connection.execute("INSERT INTO t (n) VALUES ('new')")
    connection.commit()


def use(database, used, before):
    """Who was connected, and who comes: each reads all, or is told; nobody writes on a half."""
    for connection in (used, answer(database.connect)):
        if isinstance(connection, errors.Error):
            assert isinstance(connection, errors.Damaged)
            continue
        told = answer(lambda of=connection: rows(of))
        assert told == before or isinstance(told, errors.Damaged)
        wrote = answer(lambda of=connection: write(of))
        connection.close()
        yield told, wrote


def survive(database, verb, what):
    """What of a loss is put right, and what the repair says that it leaves."""
    database.put_back()
    used = database.connect()
    before = rows(used)
    database.lose(verb, what)
    lost = set(what) if verb == "DEL" else {"log"} if verb == "XTRIM" else set()
    head = "head" in lost or (verb == "HDEL" and set(what) & UNSAFE)
    for told, wrote in use(database, used, before):
        if lost <= {"rows:u"}:  # who was connected has the rows, and writes to another table
            assert wrote is None or isinstance(wrote, errors.Damaged)
        else:
            assert isinstance(wrote, errors.Damaged)
        assert isinstance(told, errors.Damaged) or not head
    database.put_back()
    database.lose(verb, what)
    assert isinstance(answer(lambda: status(database.settings)), errors.Damaged) == bool(head)
    assert isinstance(answer(lambda: "".join(dump(database.settings))), errors.Damaged) == bool(
        head
    )
    found = [one.witness for one in check(database.settings).violations]
    assert found
    assert not head or any("its head" in witness for witness in found)
    plan = repair(database.settings, apply=False)
    again = [one.witness for one in check(database.settings).violations]
    assert sorted(again) == sorted(found)
    assert plan.does or plan.leaves
    repair(database.settings, apply=True)
    return before, plan


@pytest.mark.parametrize(("verb", "what"), LOST, ids=lambda found: "+".join(found)[:40])
def test_what_is_lost_of_a_database_that_the_log_tells(whole, verb, what):
    before, plan = survive(whole, verb, what)
    needs_log = {"rows:t", "rows:u", "schema"} & set(what) if verb == "DEL" else set()
    if "log" in what and needs_log and verb == "DEL":
        assert plan.leaves
        if "schema" in what:
            assert "put the CREATE statements of a backup into the list" in plan.leaves[-1]
            return
    assert [
        one.witness for one in check(whole.settings).violations if "lacks" not in one.witness
    ] == []
    new = whole.connect()
    after = rows(new)
    gone = {name[5:] for name in needs_log if name.startswith("rows:")} if "log" in what else set()
    assert after == {**before, **{name: [] for name in gone}}
    write(new)
    new.close()
    assert {row[1] for row in before["t"]} <= {"a1", "a2", "a3"}


@pytest.mark.parametrize("key", KEYS)
def test_what_is_lost_of_a_database_whose_log_was_trimmed(trimmed, key):
    before, plan = survive(trimmed, "DEL", (key,))
    new = answer(trimmed.connect)
    if key == "schema":
        assert "put the CREATE statements of a backup into the list" in plan.leaves[-1]
        for statement in (
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n TEXT UNIQUE)",
            "CREATE TABLE u (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t)",
        ):
            trimmed.server.ask("RPUSH", trimmed.key("schema"), statement)
        assert check(trimmed.settings).violations == ()
        new.close()
        new = trimmed.connect()
    elif key.startswith("rows:"):
        assert any(
            "3 were committed, and the log does not tell which" in one for one in plan.leaves
        )
        before = rows(new)
        assert sum(map(len, before.values())) == {"rows:t": 4, "rows:u": 3}[key]
    elif key in {"head", "ids", "totals"}:
        assert any(one.startswith("not known: wh") for one in plan.leaves)
    assert rows(new) == before
    write(new)
    new.close()


def test_what_tells_nothing_of_rome_any_more_wants_a_backup(whole):
    whole.put_back()
    whole.lose("DEL", ("head", "log", "totals", "versions"))
    for act in (whole.connect, lambda: check(whole.settings)):
        with pytest.raises(errors.StoreRefused, match=r"not ROME's; .*load a backup under one"):
            act()
