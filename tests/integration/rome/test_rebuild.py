"""Whatever was committed: following the log, booting from the hashes and a restart agree."""

import contextlib
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, exc

from discovery.rome.pages import open_pages
from tests.redis_servers import redis_server
from tests.rome_counters import replica_of
from tests.rome_statements import ROWS, SCHEMA, TABLES, statements

_names = itertools.count(1)

MIGRATIONS = (
    "ALTER TABLE label ADD COLUMN note TEXT DEFAULT 'none'",
    "DROP INDEX live_labels",
    "CREATE TABLE more (id INTEGER PRIMARY KEY, name TEXT UNIQUE)",
    "INSERT INTO more (name) VALUES ('one')",
)

transactions = st.tuples(
    st.integers(0, 1), st.lists(statements, min_size=1, max_size=5), st.booleans()
)
overlapping = st.lists(
    st.one_of(transactions, st.sampled_from(MIGRATIONS)), min_size=3, max_size=15
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    options = ("--appendonly", "yes", "--appendfsync", "always")
    with redis_server(tmp_path_factory.mktemp("redis"), *options) as started:
        yield started


def contents(state):
    """Every table's rows, and the schema; SQLite finds nothing wrong with them."""
    database, _ = open_pages(state.pages)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    found = {
        name: sorted(database.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
        for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    }
    schema = sorted(database.execute("SELECT type, name, sql FROM sqlite_schema").fetchall())
    database.close()
    return found, schema, (state.epoch, state.seq, state.hash)


@contextlib.contextmanager
def processes(server, database, count):
    """Engines with a replica each: their settings differ in the timeout."""
    with contextlib.ExitStack() as stack:
        engines = []
        for number in range(count):
            engine = create_engine(server.url(database, timeout=9 + number, keep=10))
            stack.callback(engine.dispose)
            engines.append(engine)
        yield engines


def run(connection, work):
    for sql, row in work:
        with contextlib.suppress(exc.DBAPIError):
            connection.exec_driver_sql(sql, row)


def apply(engines, step):
    """One transaction, or a change of the schema; the other engine may commit in its midst."""
    if isinstance(step, str):
        with contextlib.suppress(exc.DBAPIError), engines[0].begin() as connection:
            connection.exec_driver_sql(step)
        return
    who, work, crossed = step
    with contextlib.suppress(exc.DBAPIError), engines[who].begin() as connection:
        run(connection, work)
        if crossed:
            with contextlib.suppress(exc.DBAPIError), engines[1 - who].begin() as other:
                run(other, work[::-1])


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(overlapping)
def test_log_and_hashes_agree(server, steps):
    database = f"rebuild{next(_names)}"
    with processes(server, database, 3) as (first, second, follower):
        with first.begin() as connection:
            for sql in (*SCHEMA.split(";"), *ROWS):
                connection.exec_driver_sql(sql)
        follows = replica_of(follower)
        for step in steps:
            apply((first, second), step)
            follows.fresh()
        followed = contents(follows.state)
        assert set(TABLES) <= set(followed[0])
        for engine in (first, second):
            assert contents(replica_of(engine).fresh()) == followed
        with processes(server, database, 4) as (*_, late):
            assert contents(replica_of(late).state) == followed


def test_a_restart_agrees(server):
    """As above, with many transactions at once and the server's file between."""
    steps = [
        (
            number % 2,
            [("UPDATE parent SET name = ? WHERE id = 1", (f"n{number}",))],
            number % 3 == 0,
        )
        for number in range(40)
    ]
    with processes(server, "restarted", 2) as (first, second):
        with first.begin() as connection:
            for sql in (*SCHEMA.split(";"), *ROWS):
                connection.exec_driver_sql(sql)
        for step in (*steps, *MIGRATIONS):
            apply((first, second), step)
        before = contents(replica_of(first).fresh())
        server.kill()
        server.start()
        with processes(server, "restarted", 3) as (*_, late):
            assert contents(replica_of(late).state) == before
        assert contents(replica_of(second).fresh()) == before
        assert replica_of(second).counters.tails_lost == 0
        assert before[0]["parent"][0] == (1, "n39")
        assert before[0]["more"] == [(1, "one")]
