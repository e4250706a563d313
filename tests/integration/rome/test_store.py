"""Connections that break, servers that pause or restart, and a log that is trimmed."""

import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import apsw
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from sqlalchemy import exc, insert, select, text, update

from discovery.rome import errors
from discovery.rome.connections import client_of
from discovery.rome.replica import MOST_WAITING
from tests.redis_servers import redis_server
from tests.rome_counters import add, count, counter, engine_on, read, replica_of, step
from tests.tcp_proxy import Proxy

FRESH = ["sync", "push"]


@pytest.fixture
def server(tmp_path):
    with redis_server(tmp_path) as started:
        yield started


def kill_clients(server):
    server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


# Connections


@pytest.mark.parametrize("fresh", FRESH)
def test_killed_clients(server, fresh):
    """Between transactions, inside them, before a lease of keys: nobody hears of it."""
    with engine_on(server.url("db", fresh=fresh), make=True) as engine:
        for number in range(60):
            kill_clients(server)
            add(engine, f"a{number}")
        for number in range(40):
            with engine.begin() as connection:
                connection.execute(select(counter.c.n)).scalar()
                kill_clients(server)
                connection.execute(update(counter).values(n=counter.c.n + 1))
                kill_clients(server)
                connection.execute(insert(step).values(counter="a", label=f"b{number}"))
                kill_clients(server)
        assert count(engine) == 100


def test_the_short_way_says_what_redis_py_says(server, monkeypatch):
    """All kinds of arguments and answers, an error, and a connection that is shut meanwhile."""
    client = client_of(("127.0.0.1", server.port), None, protocol=2)
    lua = "return {1, 'a', {KEYS[1], {}}, false, redis.status_reply('OK'), ARGV[1], ARGV[2]}"
    commands = [
        ("EVAL", lua, 1, "kéy", b"\r\n\0\xff", -(2**53)),
        ("SET", "number", 0.1),
        ("GET", "number"),
        ("GET", "nothing"),
        ("EVAL", f"return string.rep('x', {10**6})", 0),
        ("SET", "large", bytes(10**6)),
    ]
    expected = [client.execute_command(*command) for command in commands]
    expected[1] = expected[-1] = b"OK"  # redis-py makes a truth value of it
    long_way = []
    monkeypatch.setattr(
        client, "execute_command", lambda *command: long_way.append(command) or b"OK"
    )
    assert [client.ask(*command) for command in commands] == expected
    assert long_way == commands[-1:]
    with pytest.raises(ResponseError, match="wrong number of arguments"):
        client.ask("GET")
    assert client.ask("GET", "number") == b"0.1"
    kill_clients(server)
    with pytest.raises(RedisConnectionError):
        client.ask("GET", "number")
    monkeypatch.undo()
    assert client.ask("GET", "number") == b"0.1"
    client.close()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("fresh", FRESH)
def test_replies_that_are_lost(server, seed, fresh):
    """Connections end after a random part of a reply or of a request: once each, never twice."""
    chance = random.Random(seed)

    def plan(data):
        return (
            chance.choice([0, 1, len(data) // 2, len(data) - 1]) if chance.random() < 0.1 else None
        )

    with Proxy(server.port) as proxy, engine_on(server.url("db"), make=True) as direct:
        with engine_on(f"rome://127.0.0.1:{proxy.port}/db?fresh={fresh}") as engine:
            replica_of(engine)
            proxy.plan = proxy.plan_requests = plan
            for number in range(100):
                add(engine, f"a{number}")
            proxy.plan = proxy.plan_requests = lambda data: None
            assert proxy.cuts > 20
            assert count(engine) == 100
        assert count(direct) == 100


@pytest.mark.parametrize("kept", [0, 1])
def test_every_commit_loses_its_first_reply(server, kept):
    """The reply of EVALSHA is lost once for each commit, whole or after its first byte."""
    committing = threading.Event()

    def requests(data):
        if b"EVALSHA" in data and b"db}:versions" in data:
            committing.set()

    def replies(data):
        if committing.is_set():
            committing.clear()
            proxy.plan_requests = lambda data: None  # the second try passes
            return kept
        return None

    with (
        Proxy(server.port, replies) as proxy,
        engine_on(f"rome://127.0.0.1:{proxy.port}/db", make=True) as engine,
    ):
        for number in range(20):
            cuts = proxy.cuts
            proxy.plan_requests = requests
            add(engine, f"a{number}")
            assert proxy.cuts == cuts + 1
        assert count(engine) == 20
        assert replica_of(engine).counters.deadlocks == 0


def test_lost_reply_and_a_log_that_moved_on(server):
    """When nobody can know any more whether a commit was done, that is what the caller is told."""
    with (
        Proxy(server.port) as proxy,
        engine_on(server.url("db", keep=10, timeout=9), make=True) as other,
        engine_on(f"rome://127.0.0.1:{proxy.port}/db?timeout=20") as engine,
    ):

        def others_come_first(data):
            proxy.plan = lambda data: None
            for number in range(30):
                add(other, f"b{number}")
            return 0

        with engine.connect() as connection:
            connection.execute(update(counter).values(n=counter.c.n + 1))
            connection.execute(insert(step).values(counter="a", label="mine"))
            proxy.plan = others_come_first
            with pytest.raises(exc.OperationalError, match="is not known") as caught:
                connection.commit()
        assert isinstance(caught.value.orig, errors.InDoubt)
        n, labels = read(other)
        assert n == len(labels) == 31
        assert labels.count("mine") == 1


def test_scripts_forgotten(server):
    with engine_on(server.url("db"), make=True) as engine:
        for number in range(20):
            server.ask("SCRIPT", "FLUSH")
            add(engine, f"a{number}")
        assert count(engine) == 20


def test_scripts_forgotten_with_wait(tmp_path):
    with (
        redis_server(tmp_path, replicas=1) as server,
        engine_on(server.url("db", wait=1), make=True) as engine,
    ):
        for number in range(10):
            server.ask("SCRIPT", "FLUSH")
            add(engine, f"a{number}")
        assert count(engine) == 10


# Servers


@pytest.mark.parametrize("fresh", FRESH)
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_restart_with_its_file(tmp_path, fresh, end):
    """A commit waits for the server to come back; nothing is lost where each write is synced."""
    options = ("--appendonly", "yes", "--appendfsync", "always")
    with (
        redis_server(tmp_path, *options) as server,
        engine_on(server.url("db", fresh=fresh), make=True) as engine,
        ThreadPoolExecutor(1) as pool,
    ):
        for round_ in range(3):
            add(engine, f"a{round_}")
            getattr(server, end)()
            waiting = pool.submit(add, engine, f"b{round_}")
            time.sleep(0.3)
            assert not waiting.done()
            server.start()
            waiting.result(10)
        assert count(engine) == 6
        assert replica_of(engine).counters.tails_lost == 0


def test_restart_between_statement_and_commit(tmp_path):
    options = ("--appendonly", "yes", "--appendfsync", "always")
    with (
        redis_server(tmp_path, *options) as server,
        engine_on(server.url("db"), make=True) as engine,
    ):
        with engine.begin() as connection:
            connection.execute(update(counter).values(n=counter.c.n + 1))
            connection.execute(insert(step).values(counter="a", label="across"))
            server.kill()
            server.start()
        assert count(engine) == 1


@pytest.mark.parametrize("fresh", FRESH)
def test_restart_without_its_file(server, fresh):
    """All is lost: the process is told once, and then works on what there is."""
    with engine_on(server.url("db", fresh=fresh), make=True) as engine:
        add(engine, "before")
        server.kill()
        server.start()
        time.sleep(1.5 if fresh == "push" else 0)
        with pytest.raises(exc.OperationalError, match="no longer has commit") as caught:
            count(engine)
        assert isinstance(caught.value.orig, errors.TailLost)
        assert caught.value.connection_invalidated
        with pytest.raises(exc.OperationalError, match="no such table"):
            count(engine)
        with engine_on(server.url("db", fresh=fresh), make=True):
            add(engine, "after")
            assert read(engine) == (1, ["after"])


def pause(server, how):
    if how == "pause":
        server.ask("CLIENT", "PAUSE", 5_000, "ALL")
    else:
        server.signal(signal.SIGSTOP)


def resume(server, how):
    if how == "pause":  # nobody can end it, either
        server.ask("PING")
    else:
        server.signal(signal.SIGCONT)


@pytest.mark.parametrize("how", ["pause", "stop"])
def test_pause_that_is_shorter(server, how):
    """A server that is silent for several tries, and a commit that is sent in each: done once."""
    with (
        engine_on(server.url("db", timeout=8), make=True) as engine,
        ThreadPoolExecutor(1) as pool,
    ):
        pause(server, how)
        waiting = pool.submit(add, engine, "a")
        time.sleep(5)
        assert not waiting.done()
        resume(server, how)
        waiting.result(5)
        assert count(engine) == 1


@pytest.mark.parametrize("how", ["pause", "stop"])
def test_pause_that_is_longer(server, how):
    """The caller hears that it is not known, within the timeout; the commit is done once or not."""
    with engine_on(server.url("db", timeout=2), make=True) as engine:
        with engine.connect() as connection:
            connection.execute(update(counter).values(n=counter.c.n + 1))
            connection.execute(insert(step).values(counter="a", label="doubtful"))
            pause(server, how)
            begun = time.monotonic()
            with pytest.raises(exc.OperationalError, match="is not known") as caught:
                connection.commit()
            took = time.monotonic() - begun
        assert isinstance(caught.value.orig, errors.InDoubt)
        assert caught.value.connection_invalidated
        assert 2 <= took < 3.5
        begun = time.monotonic()
        with pytest.raises(exc.OperationalError, match="did not answer for 2 s") as caught:
            count(engine)
        assert not isinstance(caught.value.orig, errors.InDoubt)
        assert time.monotonic() - begun < 3.5
        resume(server, how)
        add(engine, "later")
        n, labels = read(engine)
        assert n == len(labels)
        assert labels in (["later"], ["doubtful", "later"])


def test_commit_that_was_never_sent(server):
    """A server that is gone before the commit: lost, and not in doubt."""
    with (
        engine_on(server.url("db", timeout=1.5), make=True) as engine,
        engine.connect() as connection,
    ):
        connection.execute(update(counter).values(n=counter.c.n + 1))
        kill_clients(server)
        server.kill()
        with pytest.raises(exc.OperationalError, match=r"did not answer for 1\.5 s") as caught:
            connection.commit()
        assert isinstance(caught.value.orig, errors.ConnectionLost)


# The log


@pytest.mark.parametrize("fresh", FRESH)
def test_late_replica_boots_again(server, fresh):
    with (
        engine_on(server.url("db", keep=10), make=True) as writer,
        Proxy(server.port) as proxy,
        engine_on(f"rome://127.0.0.1:{proxy.port}/db?fresh={fresh}&timeout=9") as late,
    ):
        assert count(late) == 0
        proxy.block()
        for number in range(30):
            add(writer, f"a{number}")
        proxy.unblock()
        if fresh == "push":
            time.sleep(2.1)
        assert count(late) == 30
        assert replica_of(late).counters.boots == 1
        assert replica_of(late).counters.tails_lost == 0


@pytest.mark.parametrize("behind", [8, 9, 10, 11])
def test_replica_at_the_end_of_the_log(server, behind):
    """As many commits late as the log holds, one more, one less: the same rows."""
    with (
        engine_on(server.url("db", keep=10), make=True) as writer,
        engine_on(server.url("db", keep=10, timeout=9)) as late,
    ):
        for number in range(20):
            add(writer, f"a{number}")
        assert count(late) == 20
        for number in range(behind):
            add(writer, f"b{number}")
        assert count(late) == 20 + behind
        add(late, "mine")
        assert count(writer) == 21 + behind


def test_transaction_older_than_the_log(server):
    """It is run again where what it has seen still holds, and told where not."""
    with (
        engine_on(server.url("db", keep=10), make=True, names=("a", "b", "c")) as writer,
        engine_on(server.url("db", keep=10, timeout=9)) as old,
    ):
        with old.connect() as connection:
            assert connection.execute(select(counter.c.n).filter_by(name="b")).scalar() == 0
            connection.execute(update(counter).filter_by(name="b").values(n=counter.c.n + 1))
            connection.execute(insert(step).values(counter="b", label="old"))
            for number in range(30):
                add(writer, f"a{number}")
            connection.commit()
        counters = replica_of(old).counters
        assert (counters.replayed, counters.deadlocks) == (1, 0)
        assert count(writer, "b") == 1

        with old.connect() as connection:
            assert connection.execute(select(counter.c.n).filter_by(name="a")).scalar() == 30
            connection.execute(update(counter).filter_by(name="c").values(n=7))
            for number in range(30, 60):
                add(writer, f"a{number}")
            with pytest.raises(exc.OperationalError, match="rome: deadlock") as caught:
                connection.commit()
        assert isinstance(caught.value.orig, errors.Deadlock)
        assert read(writer, "c") == (0, [])


def test_log_and_versions_are_bounded(server):
    """The index of versions covers the log and nothing else, however long it goes on."""
    keep = 10
    with engine_on(server.url("db", keep=keep), make=True, names=("a", "b")) as engine:
        sizes = []
        for number in range(150):
            add(engine, f"a{number}", "ab"[number % 2])
            if number > 20:
                sizes.append(server.ask("HLEN", "rome:{db}:versions"))
        assert server.ask("XLEN", "rome:{db}:log") == keep
        assert max(sizes) == max(sizes[:20])
        flat = server.ask("HGETALL", "rome:{db}:versions")
        versions = dict(zip(flat[::2], map(int, flat[1::2]), strict=True))
        log = server.ask("XRANGE", "rome:{db}:log", "-", "+")
        numbers = [int(number.split(b"-")[0]) for number, _ in log]
        assert numbers == list(range(numbers[0], numbers[0] + keep))
        assert set(versions.values()) <= set(numbers)
        written = {}
        for number, (_, (_, _, _, _, _, keys)) in zip(numbers, log, strict=True):
            changed = [keys[i : i + 8] for i in range(0, len(keys) - 16, 8)]
            written.update(dict.fromkeys([*changed, keys[-16:]], number))
        assert versions == written


def test_entries_that_do_not_continue_the_log(server):
    """Somebody has deleted from the log: the replica is built from the rows, and nobody waits."""
    with (
        engine_on(server.url("db"), make=True) as writer,
        engine_on(server.url("db", timeout=9)) as reader,
    ):
        assert count(reader) == 0
        for number in range(5):
            add(writer, f"a{number}")
        last = server.ask("XREVRANGE", "rome:{db}:log", "+", "-", "COUNT", 3)
        server.ask("XDEL", "rome:{db}:log", last[2][0])
        assert count(reader) == 5
        assert replica_of(reader).counters.boots == 1


def test_pages_that_cannot_be_written(server, monkeypatch):
    """SQLite refuses to apply what others have committed: the replica is built from the rows."""

    def refuse(*_, **__):
        monkeypatch.undo()
        raise apsw.CorruptError("database disk image is malformed")

    with (
        engine_on(server.url("db"), make=True) as writer,
        engine_on(server.url("db", timeout=9)) as reader,
    ):
        assert count(reader) == 0
        add(writer, "a")
        monkeypatch.setattr("discovery.rome.rows.write_rows", refuse)
        assert count(reader) == 1
        assert replica_of(reader).counters.boots == 1
        add(writer, "b")
        assert count(reader) == 2
        assert replica_of(reader).counters.boots == 1


@pytest.mark.parametrize(("commits", "wait"), [(MOST_WAITING, True), (MOST_WAITING + 1, False)])
def test_entries_wait_for_a_reader(server, commits, wait):
    """They are part of the log as it is known at once; many are applied, whoever reads."""
    with (
        engine_on(server.url("db"), make=True) as writer,
        engine_on(server.url("db", timeout=9)) as reader,
    ):
        assert count(reader) == 0
        replica = replica_of(reader)
        for number in range(commits):
            add(writer, f"a{number}")
        before, applied = replica.place.seq, replica.counters.applied
        assert replica._follow(replica.place, replica.store.run(*replica._sync(replica.place)))
        assert replica.place.seq == before + commits
        assert (replica.counters.applied == applied) is wait
        assert replica.state.seq == replica.place.seq
        assert replica.counters.applied == applied + commits
        assert count(reader) == commits


def test_a_database_that_is_removed(server):
    """FLUSHALL while a transaction holds leased keys: told, and a new database can be made."""
    with engine_on(server.url("db"), make=True) as engine:
        add(engine, "first")
        with engine.connect() as connection:
            connection.execute(insert(step).values(label="second"))
            server.ask("FLUSHALL")
            with pytest.raises(exc.OperationalError, match="no longer has commit"):
                connection.commit()
        with engine_on(server.url("db"), make=True):
            add(engine, "third")
            assert count(engine) == 1
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE step"))
