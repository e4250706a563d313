"""A boot reads in pieces while others write, and stands at one moment all the same."""

import threading
from concurrent.futures import ThreadPoolExecutor

import msgpack
import pytest

from discovery.rome import connect, reading, snapshot
from discovery.rome.errors import Deadlock, IntegrityError
from discovery.rome.integrity import check
from discovery.rome.pages import open_pages
from discovery.rome.settings import parse
from discovery.rome.state import boot
from discovery.rome.store import Store
from tests.redis_servers import redis_server

ROWS = 150
SCHEMA = (
    "CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER)",
    "CREATE TABLE done (id INTEGER PRIMARY KEY, n INTEGER)",
    "CREATE TABLE extra (id INTEGER PRIMARY KEY, writer INTEGER, pad TEXT)",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(
        tmp_path_factory.mktemp("reading"), "--hash-max-listpack-entries", "8"
    ) as started:
        yield started


def connection_to(server, name, **options):
    return connect(f"127.0.0.1:{server.port}", name, **{"timeout": 30, **options})


def make(server, name, **options):
    with connection_to(server, name, **options) as connection:
        for statement in SCHEMA:
            connection.execute(statement)
        accounts = ((i, f"name {i}") for i in range(ROWS))
        connection.cursor().executemany("INSERT INTO account VALUES (?, ?, 100)", accounts)
        connection.cursor().executemany("INSERT INTO done VALUES (?, 0)", [(1,), (2,)])


def write(server, name, writer, stop):
    """Amounts and unique names change places, rows come and go, and all of it is counted."""
    connection = connection_to(server, name, timeout=30 + writer)
    made = 0
    while not stop.is_set():
        one, other = (made * 7 + writer) % ROWS, (made * 13 + 5) % ROWS
        try:
            names = dict(
                connection.execute(
                    "SELECT id, name FROM account WHERE id IN (?, ?)", (one, other)
                ).fetchall()
            )
            if one != other:
                for who, called in ((one, f"w{writer}"), (other, names[one]), (one, names[other])):
                    connection.execute("UPDATE account SET name = ? WHERE id = ?", (called, who))
                connection.execute("UPDATE account SET n = n - 1 WHERE id = ?", (one,))
                connection.execute("UPDATE account SET n = n + 1 WHERE id = ?", (other,))
            row = (writer * 1_000_000 + made, writer, "x" * (made % 50))
            connection.execute("INSERT INTO extra VALUES (?, ?, ?)", row)
            connection.execute("DELETE FROM extra WHERE id = ?", (row[0] - 60,))
            connection.execute("UPDATE done SET n = n + 1 WHERE id = ?", (writer,))
            connection.commit()
            made += 1
        except (Deadlock, IntegrityError):
            connection.rollback()
    connection.close()
    return made


def rows(state):
    database, _ = open_pages(state.pages)
    found = {
        table.name: sorted(database.execute(table.select_all))
        for table in state.catalogue.tables.values()
    }
    database.close()
    return found


def whole(found):
    """What every commit leaves true."""
    assert sum(n for *_, n in found["account"]) == 100 * ROWS
    assert sorted(name for _, name, _ in found["account"]) == sorted(
        f"name {i}" for i in range(ROWS)
    )
    for writer, made in found["done"]:
        ids = [id - writer * 1_000_000 for id, one, _ in found["extra"] if one == writer]
        assert ids == list(range(max(made - 60, 0), made))


def small_pieces(monkeypatch):
    for name, value in {"FIRST_ROWS": 3, "MOST_ROWS": 7, "PIECE_BYTES": 400}.items():
        monkeypatch.setattr(reading, name, value)


@pytest.mark.parametrize("keep", [10, 10_000])
def test_a_boot_stands_at_one_moment_while_others_write(server, monkeypatch, keep):
    small_pieces(monkeypatch)
    name = f"moment{keep}"
    make(server, name, keep=keep)
    stop = threading.Event()
    with ThreadPoolExecutor(2) as pool, Store(parse(f"127.0.0.1:{server.port}", name)) as store:
        writers = [pool.submit(write, server, name, writer, stop) for writer in (1, 2)]
        try:
            states = [boot(store, life) for life in range(1, 13)]
        finally:
            stop.set()
        assert all(writer.result() for writer in writers)
        for state in states:
            whole(rows(state))
        last = rows(boot(store, 99))
    assert len({state.seq for state in states}) > 1
    with connection_to(server, name) as follower:
        assert rows(follower.replica.fresh()) == last


@pytest.mark.parametrize("keep", [10, 10_000])
def test_a_check_is_of_one_moment_and_in_pieces_while_others_write(server, monkeypatch, keep):
    """Nothing is found wrong; no request is for a large key as a whole, if the log reaches back."""
    small_pieces(monkeypatch)
    for name in ("MOST_ROWS", "PIECE_BYTES", "FIRST_ROWS"):
        monkeypatch.setattr(snapshot, name, getattr(reading, name))
    name = f"checked{keep}"
    make(server, name, keep=keep)
    asked, at_once = [], Store.at_once

    def noted(self, commands, **options):
        asked.extend(commands)
        return at_once(self, commands, **options)

    stop = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, server, name, writer, stop) for writer in (1, 2)]
        monkeypatch.setattr(Store, "at_once", noted)
        try:
            reports = [check(parse(f"127.0.0.1:{server.port}", name)) for _ in range(5)]
        finally:
            stop.set()
        assert all(writer.result() for writer in writers)
    assert [report.violations for report in reports] == [()] * 5
    assert reports[-1].entries > reports[0].entries or keep == 10
    if keep > 10:
        whole = {key.rpartition(":")[2] for verb, key, *_ in asked if verb == "HGETALL"}
        assert whole == {"head", "totals", "ids"}
        assert all("COUNT" in command for command in asked if command[0] in {"XRANGE", "HSCAN"})


def test_a_check_finds_what_was_changed_by_hand_in_pieces_too(server, monkeypatch):
    small_pieces(monkeypatch)
    monkeypatch.setattr(snapshot, "MOST_ROWS", 7)
    make(server, "hand")
    prefix = "rome:{hand}:"
    before = server.ask("HGETALL", f"{prefix}versions")
    server.ask("HSET", f"{prefix}versions", before[0], 99)
    server.ask("HSET", f"{prefix}rows:account", msgpack.packb([7]), msgpack.packb([7, "x", 1]))
    found = {one.of for one in check(parse(f"127.0.0.1:{server.port}", "hand")).violations}
    assert found == {"version index", "table account", "totals"}


def test_a_log_that_goes_on_faster_than_the_pieces_come(server, monkeypatch):
    """Then all is read at once, after a few tries: nobody waits for calm."""
    small_pieces(monkeypatch)
    make(server, "fast", keep=10)
    piece, pieces = reading.Reading._piece, []
    writer = connection_to(server, "fast", timeout=31)

    def crowded(self, batch):
        pieces.append(self._at_once)
        for _ in range(15):
            writer.execute("UPDATE done SET n = n + 1 WHERE id = 1")
            writer.commit()
        return piece(self, batch)

    monkeypatch.setattr(reading.Reading, "_piece", crowded)
    with Store(parse(f"127.0.0.1:{server.port}", "fast")) as store:
        assert rows(boot(store, 1))["done"][0] == (1, 15 * len(pieces))
    assert pieces == [False, False, False, True]
    writer.close()


def test_a_cursor_of_another_server_is_not_gone_on_with(server, monkeypatch):
    """After a failover half of a table would be missing, or twice there."""
    make(server, "cursor")
    monkeypatch.setattr(reading, "FIRST_ROWS", 10)
    monkeypatch.setattr(reading, "MOST_ROWS", 10)
    with Store(parse(f"127.0.0.1:{server.port}", "cursor")) as store:
        at_once = store.at_once
        asked = []

        def on_two_servers(commands, **options):
            replies = at_once(commands, **options)
            if commands[0][0] == "INFO":
                asked.append(commands)
                replies[0]["run_id"] = "one" if len(asked) <= 6 else "other"
                scans = [command for command in commands if command[0] == "HSCAN"]
                if len(asked) == 7:
                    assert [int(cursor) != 0 for _, _, cursor, *_ in scans] == [True]
                if len(asked) == 8:
                    assert [int(cursor) for _, _, cursor, *_ in scans] == [0]
            return replies

        monkeypatch.setattr(store, "at_once", on_two_servers)
        assert len(rows(boot(store, 1))["account"]) == ROWS
        assert len(asked) > 8


def test_a_small_database_is_two_round_trips(server):
    with connection_to(server, "small") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO t VALUES (1)")
    with Store(parse(f"127.0.0.1:{server.port}", "small")) as store:
        assert rows(boot(store, 1)) == {"t": [(1,)]}
        assert store.round_trips == 2


def test_a_process_that_was_away_takes_large_commits_in_parts(server):
    """A request brings about 8 MB, however many entries they are."""
    with (
        connection_to(server, "large") as writer,
        connection_to(server, "large", timeout=31) as late,
    ):
        writer.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
        writer.commit()
        late.replica.fresh()
        for number in range(10):
            writer.execute("INSERT INTO t VALUES (?, ?)", (number, bytes(3_000_000)))
            writer.commit()
        before = late.replica.store.round_trips
        assert late.execute("SELECT count(*) FROM t").fetchone() == (10,)
        assert late.replica.store.round_trips - before == 4
        assert late.replica.counters.applied == 10
