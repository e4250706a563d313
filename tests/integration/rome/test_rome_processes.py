"""Forks, threads, greenlets and many databases in one process."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import exc, insert, select, text, update

from discovery.rome import errors
from tests.redis_servers import redis_server, until
from tests.rome_counters import add, count, counter, engine_on, replica_of, step, steps

FRESH = ["sync", "push"]
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as started:
        yield started


def in_child(work):
    """What ``work`` returns in a forked child, through a pipe."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            os.write(writing, json.dumps(work()).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0
    return json.loads(said)


def clients(server, database):
    """Addresses of the connections that this database has, by the process that made them."""
    found = {}
    for line in server.ask("CLIENT", "LIST").decode().splitlines():
        about = dict(item.split("=", 1) for item in line.split())
        if about["name"].startswith(f"rome:{database}:"):
            found.setdefault(int(about["name"].split(":")[2]), set()).add(about["addr"])
    return found


# Forks


@pytest.mark.parametrize("fresh", FRESH)
def test_fork_after_connect(server, fresh):
    """As uWSGI does: the child goes on with the parent's pages, and with sockets of its own."""
    database = f"fork-{fresh}"
    with engine_on(server.url(database, fresh=fresh), make=True) as engine:
        add(engine, "before")
        assert count(engine) == 1
        inherited = replica_of(engine).state

        def work():
            replica = replica_of(engine)
            same = replica.state.pages is inherited.pages
            seen = count(engine)
            for number in range(20):
                add(engine, f"child{number}")
            mine = clients(server, database)
            return [same, seen, count(engine), replica.counters.boots, len(mine[os.getpid()])]

        same, seen, after, boots, sockets = in_child(work)
        assert same
        assert (seen, after, boots) == (1, 21, 0)
        assert sockets >= 1
        if fresh == "push":
            until(lambda: replica_of(engine).state.seq >= inherited.seq + 20, "the feed goes on", 5)
        add(engine, "after")
        assert count(engine) == 22


def test_children_at_once(server):
    """Four children that were forked from one connected parent, and the parent, all write."""
    with engine_on(server.url("children"), make=True) as engine:
        add(engine, "first")  # leases a block of keys, of which most are left
        ready, go = os.pipe()
        children = []
        for child in range(4):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    os.close(go)
                    os.read(ready, 1)
                    for number in range(30):
                        with engine.begin() as connection:
                            row = {"counter": None, "label": f"{child}-{number}"}
                            connection.execute(insert(step).values(row))
                    code = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(code)
            children.append(pid)
        os.close(ready)
        os.close(go)
        for number in range(30):
            with engine.begin() as connection:
                connection.execute(insert(step).values(label=f"parent-{number}"))
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
        with engine.connect() as connection:
            ids = list(connection.execute(select(step.c.id)).scalars())
        assert len(ids) == len(set(ids)) == 151


def test_leased_keys_stay_with_the_parent(server):
    with engine_on(server.url("leases"), make=True) as engine:
        add(engine, "first")

        def take():
            with engine.begin() as connection:
                made = connection.execute(insert(step).values(label=f"{time.monotonic_ns()}"))
                return made.inserted_primary_key[0]

        assert len({take(), in_child(take), take(), in_child(take)}) == 4
        assert replica_of(engine).counters.conflicts == 0


def test_fork_inside_a_transaction(server):
    """The parent goes on with it; the child begins anew, and does not end the parent's."""
    with engine_on(server.url("inside"), make=True) as engine:
        with engine.connect() as connection:
            connection.execute(update(counter).values(n=counter.c.n + 1))
            connection.execute(insert(step).values(counter="a", label="parent"))

            def work():
                driver = connection.connection.dbapi_connection
                driver.rollback()
                begun = driver.in_transaction
                add(engine, "child")
                return [begun, count(engine)]

            assert in_child(work) == [False, 1]
            connection.commit()
        assert count(engine) == 2


def test_fork_while_threads_work(server):
    """Locks that another thread held at the fork are no trouble for the child."""
    with engine_on(server.url("busy"), make=True, names=("a", "b", "c")) as engine:
        stop = threading.Event()

        def work(name):
            number = 0
            while not stop.is_set():
                number += 1
                add(engine, f"{name}{number}", name)

        threads = [threading.Thread(target=work, args=(name,)) for name in "bc"]
        for thread in threads:
            thread.start()
        try:
            for number in range(10):
                with engine_on(server.url("busy", timeout=9)) as own:
                    assert in_child(lambda own=own, n=number: [add(own, f"child{n}")]) == [None]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert count(engine) == 10
        assert count(engine, "b") > 0


# Threads


@pytest.mark.parametrize("fresh", FRESH)
def test_threads(server, fresh):
    """Eight threads on one engine: each its own counter, and all of them one together."""
    names = [f"t{number}" for number in range(8)]
    url = server.url(f"threads-{fresh}", fresh=fresh)
    with engine_on(url, make=True, names=("all", *names)) as engine:

        def work(name):
            retried = 0
            for number in range(25):
                add(engine, f"{name}-{number}", name)
                while True:
                    try:
                        add(engine, f"all-{name}-{number}", "all")
                        break
                    except exc.OperationalError as error:
                        if not isinstance(error.orig, errors.Deadlock):
                            raise
                        retried += 1
            return retried

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, names))
        assert [count(engine, name) for name in names] == [25] * 8
        assert count(engine, "all") == 200
        with engine.connect() as connection:
            ids = list(connection.execute(select(step.c.id)).scalars())
        assert len(ids) == len(set(ids)) == 400
        counters = replica_of(engine).counters
        assert counters.boots == 0
        # the state that the commits have made is the state that a process finds that comes now
        with engine_on(server.url(f"threads-{fresh}", timeout=9)) as other:
            assert count(other, "all") == 200
            assert steps(other) == 400


def test_readers_see_whole_transactions(server):
    """While one thread writes, seven read: a counter and its rows always agree."""
    with engine_on(server.url("readers"), make=True) as engine:
        stop = threading.Event()

        def look():
            seen = [0]
            while not stop.is_set():
                seen.append(count(engine))
                assert seen[-1] >= seen[-2]
            return len(seen)

        with ThreadPoolExecutor(7) as pool:
            looking = [pool.submit(look) for _ in range(7)]
            for number in range(100):
                add(engine, f"a{number}")
            stop.set()
            assert all(one.result(20) > 5 for one in looking)
        assert count(engine) == 100


def test_own_commits_are_seen(server):
    """In push mode, too, a transaction that begins after a commit of this process sees it."""
    with (
        engine_on(server.url("own", fresh="push"), make=True, names=("a", "b")) as engine,
        engine_on(server.url("own", timeout=9)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        noise = pool.submit(lambda: [add(other, f"b{number}", "b") for number in range(150)])
        for number in range(150):
            add(engine, f"a{number}")
            assert count(engine) == number + 1
        noise.result(30)


# Databases


def test_many_databases(server):
    """Each has a replica of its own; settings that are equal share one."""
    with ThreadPoolExecutor(8) as pool:

        def work(number):
            with engine_on(server.url(f"many{number}"), make=True) as engine:
                for one in range(number + 1):
                    add(engine, f"a{one}")
                return count(engine), id(replica_of(engine))

        made = list(pool.map(work, range(12)))
        assert [found for found, _ in made] == list(range(1, 13))
        assert len({replica for _, replica in made}) == 12
        with engine_on(server.url("many3")) as again:
            assert id(replica_of(again)) == made[3][1]


def test_a_database_that_waits_does_not_hold_others_up(tmp_path, server):
    """A boot from a server that says nothing goes on for its timeout; other databases work."""
    with redis_server(tmp_path) as silent, ThreadPoolExecutor(1) as pool:
        silent.signal(signal.SIGSTOP)
        with engine_on(silent.url("db", timeout=4)) as stuck:
            waiting = pool.submit(count, stuck)
            time.sleep(0.5)
            begun = time.monotonic()
            with engine_on(server.url("swift"), make=True) as engine:
                add(engine, "a")
            assert time.monotonic() - begun < 2
            assert not waiting.done()
            with pytest.raises(exc.OperationalError, match="did not answer for 4 s"):
                waiting.result(10)


# Greenlets

GREEN = """
import eventlet
eventlet.monkey_patch()
import sys, time
from sqlalchemy import exc, text
from discovery.rome.errors import Deadlock
from tests.rome_counters import add, count, engine_on, read, replica_of
from tests.rome_counters import insert, step

url, other_url = sys.argv[1:]
ticks = 0

def tick():
    global ticks
    while True:
        eventlet.sleep(0.01)
        ticks += 1

def work(engine, name):
    for number in range(4):
        add(engine, f"{name}-{number}", name)
        while True:
            try:
                add(engine, f"all-{name}-{number}", "all")
                break
            except exc.OperationalError as error:
                if not isinstance(error.orig, Deadlock):
                    raise
        eventlet.sleep(0)

def many(engine, name):  # more rows in one statement than keys are held: leased inside SQLite
    with engine.begin() as connection:
        rows = [{"counter": name, "label": f"many-{name}-{n}"} for n in range(300)]
        connection.execute(insert(step).values(rows))

eventlet.spawn(tick)
names = [f"g{number}" for number in range(20)]
with engine_on(url, make=True, names=("all", "far", *names)) as engine:
    pool = eventlet.GreenPool(20)
    for name in names:
        pool.spawn(work, engine, name)
    pool.waitall()
    assert [count(engine, name) for name in names] == [4] * 20
    assert count(engine, "all") == 80
    with engine_on(other_url) as other:
        add(other, "far", "far")
    begun = time.monotonic()
    while read(engine, "far")[0] == 0:
        eventlet.sleep(0.01)
        assert time.monotonic() - begun < 3
    for name in names[:4]:
        pool.spawn(many, engine, name)
    pool.waitall()
    assert [len(read(engine, name)[1]) for name in names[:4]] == [304] * 4
    eventlet.sleep(0.1)
    assert ticks > 10, ticks
    print("boots", replica_of(engine).counters.boots)
"""


@pytest.mark.skipif(importlib.util.find_spec("eventlet") is None, reason="eventlet is optional")
@pytest.mark.parametrize("fresh", FRESH)
def test_greenlets(server, fresh):
    """A process patched by eventlet: 20 greenlets, and the feed as one more of them."""
    urls = [server.url(f"green-{fresh}", fresh=fresh), server.url(f"green-{fresh}", timeout=9)]
    process = subprocess.run(
        [sys.executable, "-c", GREEN, *urls],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout == "boots 0\n"


def test_functions_of_a_connection_after_a_fork(server):
    """What a program has taught its connection is known in the child as well."""
    with engine_on(server.url("taught"), make=True) as engine, engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        driver.create_function("twice", 1, lambda value: 2 * value)
        asked = text("SELECT twice(21)")
        assert connection.execute(asked).scalar() == 42
        assert in_child(lambda: connection.execute(asked).scalar()) == 42
