"""FOR UPDATE: the second locker waits and sees what the first has made, or never commits."""

import contextlib
import itertools
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from discovery.rome import counters, dbapi, errors, locks, replica
from tests.redis_servers import redis_server, until

ROWS = (
    "CREATE TABLE study (id INTEGER NOT NULL PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE, n INT)",
    "CREATE TABLE trial (id INTEGER NOT NULL PRIMARY KEY, study INT REFERENCES study(id), n INT)",
    "CREATE TABLE pair (a INT NOT NULL, b TEXT NOT NULL, n INT, PRIMARY KEY (a, b))",
    "CREATE TABLE loose (n INT)",
    "CREATE VIEW studies AS SELECT * FROM study",
    "INSERT INTO study VALUES (1, 'One', 0), (2, 'Two', 0), (3, 'Three', 0)",
    "INSERT INTO pair VALUES (1, 'x', 0), (1, 'y', 0)",
    "INSERT INTO loose VALUES (1), (2)",
)
_names = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as started:
        yield started


class Processes:
    """Connections with a replica each, as in processes of their own."""

    def __init__(self, server, stack, **options):
        self.server, self.stack, self.options = server, stack, options
        self.database = f"locks{next(_names)}"
        first = self.make()
        for statement in ROWS:
            first.execute(statement)
        first.commit()

    def make(self, **options):
        address = f"127.0.0.1:{self.server.port}"
        options = {"timeout": 10 + next(_names) / 1000, "lock_wait": 10, **self.options, **options}
        made = dbapi.connect(address, self.database, **options)
        self.stack.callback(made.close)
        return made

    def held(self):
        return self.server.ask("HLEN", f"rome:{{{self.database}}}:locks")


@pytest.fixture
def processes(server):
    with contextlib.ExitStack() as stack:
        yield Processes(server, stack)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as made:
        yield made


def rows(connection, sql, *values):
    return connection.execute(sql, values).fetchall()


def waits(future):
    time.sleep(0.1)
    return not future.done()


LOCK_ONE = "SELECT n FROM study WHERE id = 1 FOR UPDATE"


@pytest.mark.parametrize("fresh", ["sync", "push"])
@pytest.mark.parametrize(
    "locking",
    [
        "SELECT * FROM study WHERE id = 1 FOR UPDATE",
        "SELECT count(*) FROM study WHERE id = 1 FOR UPDATE",
        "SELECT DISTINCT name FROM study WHERE id < 2 FOR UPDATE",
        "SELECT s.n FROM study AS s LEFT JOIN trial t ON t.study = s.id WHERE s.id = 1 FOR UPDATE",
        "SELECT * FROM studies WHERE id = 1 FOR UPDATE",
        "SELECT id FROM study WHERE id = 1 UNION SELECT 0 FOR UPDATE",
        "WITH w AS (SELECT n FROM study WHERE id = 1) SELECT * FROM w FOR UPDATE",
        "SELECT n FROM pair WHERE a = 1 AND b = 'x' FOR UPDATE",
        "SELECT n FROM loose WHERE n = 1 FOR UPDATE",
    ],
)
def test_the_second_waits_and_sees_what_the_first_has_made(processes, pool, locking, fresh):
    one, two = processes.make(fresh=fresh), processes.make(fresh=fresh)

    def number(connection):
        connection.execute(locking)
        (count,) = rows(connection, "SELECT count(*) FROM trial")[0]
        connection.execute("INSERT INTO trial VALUES (?, NULL, ?)", (next(_names), count))

    number(one)
    second = pool.submit(number, two)
    assert waits(second)
    one.commit()
    second.result(5)
    two.commit()
    assert sorted(rows(processes.make(), "SELECT n FROM trial")) == [(0,), (1,)]
    assert one.replica.counters.deadlocks == two.replica.counters.deadlocks == 0
    assert processes.held() == 0


@pytest.mark.parametrize("writes", ["UPDATE study SET n = n + 1 WHERE id = 1", None])
def test_a_lost_lock_lets_no_stale_decision_commit(processes, writes):
    """Also where neither writes the row that both have locked."""
    one, two = processes.make(), processes.make()
    for connection in (one, two):
        rows(connection, LOCK_ONE)
        (count,) = rows(connection, "SELECT count(*) FROM trial")[0]
        if writes:
            connection.execute(writes)
        connection.execute("INSERT INTO trial VALUES (?, 1, ?)", (next(_names), count))
        processes.server.ask("DEL", f"rome:{{{processes.database}}}:locks")
    two.commit()
    with pytest.raises(errors.Deadlock):
        one.commit()
    assert rows(one, "SELECT n FROM trial") == [(0,)]


def test_lockers_of_different_rows_do_not_meet(processes):
    one, two = processes.make(), processes.make()
    assert rows(one, LOCK_ONE) == [(0,)]
    assert rows(two, "SELECT n FROM study WHERE name = 'tWO' FOR UPDATE") == [(0,)]
    for connection, number in ((one, 1), (two, 2)):
        connection.execute("INSERT INTO trial VALUES (?, ?, 0)", (number, number))
    two.commit()
    one.commit()
    assert one.replica.counters.conflicts == two.replica.counters.conflicts == 0


@pytest.mark.parametrize(
    "whole",
    ["SELECT count(*) FROM studies FOR UPDATE", "SELECT 1 FROM study WHERE n = 0 FOR UPDATE"],
)
@pytest.mark.parametrize("first", [0, 1])
def test_who_locks_a_table_and_who_locks_a_row_meet(processes, whole, first):
    pair = [processes.make(), processes.make()]
    processes.server.ask("DEL", f"rome:{{{processes.database}}}:locks")
    for connection, locking in zip(pair, (LOCK_ONE, whole), strict=True):
        rows(connection, locking)
        (count,) = rows(connection, "SELECT count(*) FROM trial")[0]
        connection.execute("INSERT INTO trial VALUES (?, 1, ?)", (next(_names), count))
        processes.server.ask("DEL", f"rome:{{{processes.database}}}:locks")
    pair[first].commit()
    with pytest.raises(errors.Deadlock):
        pair[1 - first].commit()


@pytest.mark.parametrize(
    "reads", ["SELECT id FROM study WHERE id > 2", "SELECT id FROM study WHERE id = 4"]
)
def test_no_row_enters_what_a_locking_read_has_found(processes, reads):
    one, two = processes.make(), processes.make()
    found = rows(one, f"{reads} FOR UPDATE")
    one.execute("INSERT INTO trial VALUES (1, 1, ?)", (len(found),))
    two.execute("INSERT INTO study VALUES (4, 'Four', 0)")
    two.commit()
    with pytest.raises(errors.Deadlock):
        one.commit()


FOR_NULL = "INSERT INTO study VALUES (4, NULL, 0)"
NOBODY = "INSERT INTO trial VALUES (9, 5, 0)"
LATER = "INSERT INTO study VALUES (5, 'Five', 0)"


@pytest.mark.parametrize("how", ["FOR UPDATE", "FOR SHARE"])
@pytest.mark.parametrize(
    ("reads", "there", "enters"),
    [
        ("SELECT id FROM study WHERE name IS NULL", FOR_NULL, FOR_NULL.replace("4", "5")),
        ("SELECT id FROM study WHERE name IS ?", FOR_NULL, FOR_NULL.replace("4", "5")),
        ("SELECT id FROM study WHERE id > (SELECT id FROM study WHERE id = 2)", LOCK_ONE, LATER),
        ("SELECT t.n FROM trial t JOIN study s ON s.id = t.study", NOBODY, LATER),
        ("SELECT count(*) FROM trial t JOIN study s ON s.id = t.study", NOBODY, LATER),
        ("SELECT n FROM study WHERE id IN (1, 5)", LOCK_ONE, LATER),
        ("SELECT (SELECT max(n) FROM study study WHERE id = 1) FROM study WHERE n = 0", "", LATER),
    ],
)
def test_no_row_enters_a_join_a_null_or_what_a_subquery_asks_for(server, reads, there, enters, how):
    """SQLite's plan looks one row up by a unique key, and yet the statement finds others."""
    with contextlib.ExitStack() as stack:
        processes = Processes(server, stack, foreign_keys=False)
        one, two = processes.make(), processes.make()
        one.execute("INSERT INTO trial VALUES (1, 1, 0)")
        for sql in filter(None, [there]):
            one.execute(sql)
        one.commit()
        found = rows(one, f"{reads} {how}", *[None] * reads.count("?"))
        assert found
        one.execute("INSERT INTO loose VALUES (?)", (len(found),))
        two.execute(enters)
        two.commit()
        with pytest.raises(errors.Deadlock):
            one.commit()


@pytest.mark.parametrize(
    ("reads", "aside"),
    [
        ("SELECT n FROM study WHERE id = 1 AND name IS NOT NULL", LATER),
        (
            "SELECT n FROM pair WHERE a = 1 AND b = 'x' AND n IS 0",
            "INSERT INTO pair VALUES (2, 'x', 0)",
        ),
        ("SELECT s.n FROM trial t JOIN study s ON s.id = t.study WHERE t.id = 1", LATER),
    ],
)
def test_a_row_that_was_looked_up_by_its_key_alone_is_not_the_table(processes, reads, aside):
    one, two = processes.make(), processes.make()
    one.execute("INSERT INTO trial VALUES (1, 1, 0)")
    one.commit()
    assert rows(one, f"{reads} FOR UPDATE") == [(0,)]
    one.execute("INSERT INTO loose VALUES (7)")
    two.execute(aside)
    two.commit()
    one.commit()
    assert one.replica.counters.deadlocks == 0


def test_more_parameters_than_sqlite_binds(processes):
    one, two = processes.make(), processes.make()
    many = f"FROM study WHERE id IN ({', '.join('?' * 33_000)})"
    assert rows(one, f"SELECT count(*) {many} FOR UPDATE", *range(33_000)) == [(3,)]
    assert rows(two, f"SELECT id {many} FOR UPDATE SKIP LOCKED", *range(33_000)) == []
    with pytest.raises(errors.NotLocked):
        rows(two, f"SELECT id {many} FOR UPDATE NOWAIT", *range(33_000))


def test_a_deadlock_is_found_at_once(processes, pool):
    one, two = processes.make(), processes.make()
    rows(one, LOCK_ONE)
    rows(two, "SELECT * FROM study WHERE id = 2 FOR UPDATE")
    blocked = pool.submit(rows, two, LOCK_ONE)
    assert waits(blocked)
    begun = time.monotonic()
    with pytest.raises(errors.Deadlock, match="waits for this one"):
        rows(one, "SELECT * FROM study WHERE id = 2 FOR UPDATE")
    assert time.monotonic() - begun < 1
    assert blocked.result(5) == [(0,)]


def test_a_circle_of_three(processes, pool):
    """Whoever closes it is told, and the others go on."""
    three = [processes.make() for _ in range(3)]

    def work(number):
        mine = three[number]
        try:
            rows(mine, "SELECT n FROM study WHERE id = ? FOR UPDATE", number + 1)
            ready.wait(5)
            rows(mine, "SELECT n FROM study WHERE id = ? FOR UPDATE", (number + 1) % 3 + 1)
            mine.commit()
        except errors.Deadlock:
            return "deadlock"
        return "done"

    ready = threading.Barrier(3)
    begun = time.monotonic()
    said = sorted(pool.map(work, range(3)))
    assert said == ["deadlock", "done", "done"]
    assert time.monotonic() - begun < 5


def test_nowait_and_the_time_out_leave_the_transaction_as_it_was(processes):
    one, two = processes.make(), processes.make(lock_wait=0.5)
    rows(one, LOCK_ONE)
    two.execute("INSERT INTO trial VALUES (1, 2, 0)")
    begun = time.monotonic()
    with pytest.raises(errors.NotLocked, match="rome: not locked"):
        rows(two, f"{LOCK_ONE} NOWAIT")
    assert time.monotonic() - begun < 0.5
    with pytest.raises(errors.LockTimeout, match="rome: lock wait timed out"):
        rows(two, LOCK_ONE)
    assert time.monotonic() - begun >= 0.5
    assert rows(two, "SELECT id FROM study WHERE id = 2 FOR UPDATE NOWAIT") == [(2,)]
    two.commit()
    one.commit()
    assert rows(one, "SELECT id FROM trial") == [(1,)]


@pytest.mark.parametrize(
    ("locking", "found"),
    [
        ("SELECT id FROM study ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED", [(2,)]),
        ("SELECT count(*) FROM study FOR UPDATE SKIP LOCKED", [(2,)]),
        ("SELECT id FROM study WHERE id = 1 OR id = 3 FOR UPDATE SKIP LOCKED", [(3,)]),
        (
            "SELECT p.b, s.id FROM pair p LEFT JOIN study s ON s.id = p.a AND p.b = 'x' "
            "ORDER BY p.b FOR UPDATE SKIP LOCKED",
            [("y", None)],
        ),
        (
            "SELECT p.b, s.id FROM pair p JOIN study s ON s.id = p.a "
            "ORDER BY p.b FOR UPDATE OF p SKIP LOCKED",
            [("x", 1), ("y", 1)],
        ),
    ],
)
def test_skip_locked_passes_over_what_others_hold(processes, locking, found):
    one, two = processes.make(), processes.make()
    rows(one, LOCK_ONE)
    assert rows(two, locking) == found
    two.execute("INSERT INTO trial VALUES (1, 2, 0)")
    one.commit()
    two.commit()
    assert two.replica.counters.deadlocks == 0


def test_what_skip_locked_cannot_do_is_said(processes):
    one, two = processes.make(), processes.make()
    rows(one, "SELECT * FROM studies FOR UPDATE")
    with pytest.raises(errors.NotLocked, match="wants plain tables"):
        rows(two, "SELECT * FROM studies FOR UPDATE SKIP LOCKED")
    with pytest.raises(errors.ProgrammingError, match="OF nobody: no table"):
        rows(two, "SELECT * FROM study FOR UPDATE OF nobody")


def test_a_queue_gives_each_job_once(processes, pool):
    """Four workers with SKIP LOCKED, and none waits for another."""
    first = processes.make()
    first.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, worker INT)")
    first.cursor().executemany(
        "INSERT INTO job VALUES (?, NULL)", [(number,) for number in range(24)]
    )
    first.commit()
    sql = "SELECT id FROM job WHERE worker IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"

    def work(connection):
        done = []
        while True:
            try:
                found = rows(connection, sql)
                if found:
                    connection.execute("UPDATE job SET worker = 1 WHERE id = ?", found[0])
                connection.commit()
            except errors.Deadlock:
                continue
            if not found:
                return done
            done += found

    done = list(pool.map(work, [processes.make() for _ in range(4)]))
    assert sorted(itertools.chain(*done)) == [(number,) for number in range(24)]


def test_for_share_waits_for_a_lock_and_is_none(processes, pool):
    one, two, three = (processes.make() for _ in range(3))
    share = "SELECT n FROM study WHERE id = 1 FOR SHARE"
    assert rows(two, share) == rows(three, share.replace("FOR SHARE", "LOCK IN SHARE MODE"))
    two.execute("INSERT INTO trial VALUES (1, 1, 0)")
    three.execute("INSERT INTO trial VALUES (2, 1, 0)")
    two.commit()
    three.commit()
    assert three.replica.counters.conflicts == 0, "two that share do not meet"
    rows(one, LOCK_ONE)
    waiting = pool.submit(rows, two, share)
    assert waits(waiting)
    one.execute("UPDATE study SET n = 7 WHERE id = 1")
    one.commit()
    assert waiting.result(5) == [(7,)]
    two.execute("INSERT INTO trial VALUES (3, 1, 0)")
    one.execute("UPDATE study SET n = 8 WHERE id = 1")
    one.commit()
    with pytest.raises(errors.Deadlock):
        two.commit()


@pytest.fixture
def short_leases(monkeypatch):
    monkeypatch.setattr(replica, "LEASE_S", 0.3)
    monkeypatch.setattr(locks, "LEASE_S", 0.3)


@pytest.mark.usefixtures("short_leases")
def test_a_lock_ends_with_its_client_and_is_renewed_by_a_live_one(processes):
    one, two = processes.make(), processes.make()
    rows(one, LOCK_ONE)
    for _ in range(4):
        time.sleep(0.12)
        rows(one, "SELECT 1 FROM study")
        with pytest.raises(errors.NotLocked):
            rows(two, f"{LOCK_ONE} NOWAIT")
    until(lambda: rows_or_none(two), "nobody renews it", 5)
    two.commit()
    until(lambda: processes.held() == 0, "nothing is left", 5)


def rows_or_none(connection):
    with contextlib.suppress(errors.NotLocked):
        return rows(connection, f"{LOCK_ONE} NOWAIT")


@pytest.mark.usefixtures("short_leases")
def test_locks_of_the_dead_do_not_pile_up(processes):
    """Redis looks at some for each that is taken, and at all when nobody locks."""
    one, two = processes.make(), processes.make()
    one.cursor().executemany("INSERT INTO loose VALUES (?)", [(number,) for number in range(200)])
    one.commit()
    rows(one, "SELECT * FROM loose FOR UPDATE")
    assert processes.held() > 200
    one._transaction._locks.held.clear()  # as if it were killed
    one.rollback()
    for _ in range(300):
        rows(two, LOCK_ONE)
        two.rollback()
        if processes.held() == 0:
            break
        time.sleep(0.002)
    until(lambda: processes.held() == 0, "nothing is left", 5)


def trips(connection, *statements, end="commit"):
    """Requests of this thread; the feed has its own."""
    sent = []
    counters.listeners.append(lambda: sent.append(threading.get_ident()))
    try:
        for statement in statements:
            connection.execute(statement)
        getattr(connection, end)()
    finally:
        counters.listeners.pop()
    return sent.count(threading.get_ident())


def fewest(*arguments, **keywords):
    """Of several tries: push asks where a busy machine lets its thread wait."""
    return min(trips(*arguments, **keywords) for _ in range(3))


WRITE = "UPDATE study SET n = n + 1 WHERE id = 2"


@pytest.mark.parametrize(("fresh", "begin"), [("sync", 1), ("push", 0)])
def test_round_trips(processes, fresh, begin):
    """A lock that is the first statement is the begin; nobody else pays."""
    one = processes.make(fresh=fresh)
    trips(one, LOCK_ONE, WRITE)  # Redis learns the scripts
    until(lambda: trips(one, "SELECT 1 FROM study") == begin, "the feed is there", 5)
    assert fewest(one, "SELECT 1 FROM study", WRITE) == begin + 1
    assert fewest(one, LOCK_ONE, WRITE) == 2
    assert fewest(one, LOCK_ONE, WRITE, LOCK_ONE, f"{LOCK_ONE} SKIP LOCKED") == 2
    assert fewest(one, "SELECT 1 FROM study", LOCK_ONE, WRITE) == begin + 2
    assert fewest(one, LOCK_ONE) == 2, "the lock, and its end"
    assert fewest(one, LOCK_ONE, end="rollback") == 2
    assert fewest(one, "SELECT n FROM study WHERE id = 1 FOR SHARE") == 1


def test_earlier_answers_that_do_not_hold_any_more_matter_only_if_they_are_certified(processes):
    """A plain read before a lock that was free is a read of the snapshot, as on MySQL."""
    one, two = processes.make(), processes.make()
    assert rows(one, "SELECT count(*) FROM trial") == [(0,)]
    two.execute("INSERT INTO trial VALUES (1, 1, 0)")
    two.commit()
    assert rows(one, LOCK_ONE) == [(0,)]
    one.execute("UPDATE study SET n = 1 WHERE id = 1")
    one.commit()
    assert one.replica.counters.deadlocks == 0


# Through SQLAlchemy

metadata = sa.MetaData()
study = sa.Table(
    "study", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer)
)
trial = sa.Table(
    "trial",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.ForeignKey("study.id")),
    sa.Column("number", sa.Integer),
)


def test_the_dialect_writes_what_mysql_understands():
    engine = sa.create_engine("rome://nowhere/db")
    aliased = study.alias("s")
    joined = sa.select(aliased.c.n).join(trial, trial.c.study_id == aliased.c.id)
    for arguments, text in (
        ({}, "FOR UPDATE"),
        ({"read": True}, "FOR SHARE"),
        ({"nowait": True, "of": aliased}, "FOR UPDATE OF s NOWAIT"),
        ({"skip_locked": True, "of": [aliased, trial.c.id]}, "FOR UPDATE OF s, trial SKIP LOCKED"),
    ):
        compiled = str(joined.with_for_update(**arguments).compile(engine))
        assert compiled.endswith(text)


def create_trials(url, count):
    """What Optuna does: lock the study, add a trial, and count those with smaller keys."""
    engine = sa.create_engine(url)
    for _ in range(count):
        while True:
            try:
                with engine.begin() as connection:
                    connection.execute(
                        sa.select(study).where(study.c.id == 1).with_for_update()
                    ).one()
                    added = connection.execute(trial.insert().values(study_id=1))
                    key = added.inserted_primary_key[0]
                    past = sa.select(sa.func.count(trial.c.id)).where(
                        trial.c.study_id == 1, trial.c.id < key
                    )
                    number = connection.execute(past).scalar()
                    connection.execute(
                        trial.update().where(trial.c.id == key).values(number=number)
                    )
                break
            except sa.exc.OperationalError:
                time.sleep(0.01)
    engine.dispose()


@pytest.mark.parametrize("options", [{}, {"fresh": "push"}, {"keys": "ordered"}])
def test_four_processes_count_trials_as_optuna_does(server, options):
    url = server.url(f"optuna{next(_names)}", **options)
    engine = sa.create_engine(url)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(study.insert().values(id=1, n=0))
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                create_trials(url, 15)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    with engine.connect() as connection:
        numbers = connection.execute(sa.select(trial.c.number)).scalars().all()
    assert sorted(numbers) == list(range(60))
    engine.dispose()


# Generated keys


def test_ordered_keys_are_committed_in_order(processes, pool):
    """Who reads "all above the last one that I saw" misses none."""
    metadata = sa.MetaData()
    log = sa.Table("log", metadata, sa.Column("id", sa.Integer, primary_key=True))
    url = processes.server.url(f"ordered{next(_names)}", keys="ordered", timeout=20)
    reader = sa.create_engine(url)
    metadata.create_all(reader)
    stop = threading.Event()

    def write(number):
        engine = sa.create_engine(url.replace("timeout=20", f"timeout={21 + number}"))
        for count in range(10):
            with engine.begin() as connection:
                rows_of_one = [{} for _ in range(1 + count % 3)]
                for _ in range(1 + count % 2):
                    connection.execute(log.insert().values(rows_of_one))
        deadlocks = engine.connect().connection.dbapi_connection.replica.counters.deadlocks
        engine.dispose()
        return deadlocks

    def read():
        seen, last = [], 0
        while not stop.is_set() or seen[-1:] != [last]:
            with reader.connect() as connection:
                news = connection.scalars(sa.select(log.c.id).where(log.c.id > last)).all()
            seen += sorted(news)
            last = max(news, default=last)
        return seen

    reading = pool.submit(read)
    assert list(pool.map(write, range(3))) == [0, 0, 0]
    time.sleep(0.1)
    stop.set()
    seen = reading.result(10)
    with reader.connect() as connection:
        assert seen == connection.scalars(sa.select(log.c.id).order_by(log.c.id)).all()
    reader.dispose()


def test_an_ordered_key_whose_lock_was_lost_does_not_come_too_late(processes):
    made = [processes.make(keys="ordered") for _ in range(2)]
    for connection in made:
        connection.execute("INSERT INTO trial VALUES (rome_id('trial', 'id'), 1, 0)")
        processes.server.ask("DEL", f"rome:{{{processes.database}}}:locks")
    made[1].commit()
    with pytest.raises(errors.Deadlock, match="a younger key of trial"):
        made[0].commit()
    insert = "INSERT INTO trial VALUES (rome_id('trial', 'id'), 1, 0)"
    assert trips(made[0], insert) == 3, "lock, number, commit"
    made[1].rollback()
    plain = processes.make()
    trips(plain, insert)
    assert trips(plain, insert) == 1
    assert trips(plain, LOCK_ONE, insert) == 3, "lock, number, commit"
    rows(made[1], LOCK_ONE)
    skip = "SELECT id FROM study ORDER BY id {} FOR UPDATE SKIP LOCKED"
    assert trips(plain, skip.format(""), insert) == 3
    assert trips(plain, skip.format("LIMIT 1"), insert) == 4, "another row, number, commit"


def test_who_waits_for_ordered_keys_for_too_long_goes_on(processes):
    """The time-out is the INSERT's; what the transaction did before is still there."""
    insert = "INSERT INTO trial VALUES (rome_id('trial', 'id'), 1, 0)"
    one, two = (processes.make(keys="ordered", lock_wait=0.2) for _ in range(2))
    one.execute(insert)
    two.execute(WRITE)
    with pytest.raises(errors.LockTimeout):
        two.execute(insert)
    assert two.in_transaction
    two.commit()
    assert rows(two, "SELECT n FROM study WHERE id = 2") == [(1,)]
    one.commit()
    two.execute(insert)
    two.commit()
    assert rows(one, "SELECT count(*) FROM trial") == [(2,)]
