"""Calls: which are counted, what they cost, to whom a statement belongs."""

import threading

import pytest
import sqlalchemy as sa

from discovery.probe import calls, round_trips
from discovery.probe.calls import Call, WatchedBlock, current, watched


class Sink:
    def __init__(self):
        self.rows = []
        self.strays = 0

    def add(self, line):
        fields = line.decode().rstrip("\n").split("\t")
        self.rows.append(dict(zip(FIELDS, fields, strict=True)))

    def stray(self):
        self.strays += 1

    @property
    def names(self):
        return [row["function"] for row in self.rows]


FIELDS = ("start", "us", "statements", "trips", "connections", "db_errors", "database", "error",
          "function")  # fmt: skip
SINK = Sink()


@pytest.fixture
def sink():
    """What the process's listeners tell: there is one of them, as engines' events are."""
    round_trips.listen(_sink)
    SINK.__init__()
    return SINK


def _sink():
    return SINK


def test_nested_calls_belong_to_the_outermost(sink):
    inner = watched(current, "inner", _sink)
    outer = watched(lambda: (inner(), inner()), "outer", _sink)
    first, second = outer()
    assert first is second
    assert sink.names == ["outer"]
    assert current() is None


def test_an_error_is_named_and_passes(sink):
    def fails():
        raise KeyError("x")

    with pytest.raises(KeyError):
        watched(fails, "fails", _sink)()
    assert sink.rows[0]["error"] == "KeyError"
    assert current() is None


def test_time_is_that_of_the_outermost(sink, monkeypatch):
    clock = iter([10.0, 10.25])
    monkeypatch.setattr(calls.time, "perf_counter", lambda: next(clock))
    watched(lambda: None, "f", _sink)()
    assert sink.rows[0]["us"] == "250000"


def test_what_a_function_says_of_itself_stays():
    def f(context, *, more=1):
        """Words."""

    seen = watched(f, "f", _sink)
    assert (seen.__name__, seen.__doc__, seen.__wrapped__) == ("f", "Words.", f)


def test_threads_have_calls_of_their_own(sink):
    def beside():
        watched(lambda: None, "beside", _sink)()

    def waits():
        thread = threading.Thread(target=beside)
        thread.start()
        thread.join()

    watched(waits, "outer", _sink)()
    assert sink.names == ["beside", "outer"]


class Block:
    def __init__(self, enter=None, leave=None):
        self.enter, self.leave = enter, leave

    def __enter__(self):
        if self.enter:
            raise self.enter
        return "resource"

    def __exit__(self, *_):
        if self.leave:
            raise self.leave


def test_a_block_is_a_call(sink):
    with WatchedBlock(Block(), "block", _sink) as resource:
        assert resource == "resource"
        assert isinstance(current(), Call)
    assert current() is None
    assert (sink.names, sink.rows[0]["error"]) == (["block"], "")


@pytest.mark.parametrize(
    ("block", "inside", "error"),
    [
        (Block(enter=OSError()), None, "OSError"),
        (Block(leave=TimeoutError()), None, "TimeoutError"),
        (Block(), ValueError(), "ValueError"),
        (Block(leave=TimeoutError()), ValueError(), "TimeoutError"),
    ],
)
def test_a_block_that_fails_is_a_call_with_that_error(sink, block, inside, error):
    with pytest.raises((OSError, ValueError)) as raised, WatchedBlock(block, "block", _sink):
        if inside:
            raise inside
    assert type(raised.value).__name__ == error
    assert sink.rows[0]["error"] == error
    assert current() is None


@pytest.fixture
def engine(sink, tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path}/data.db", pool_pre_ping=True)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    sink.__init__()
    yield engine
    engine.dispose()


TABLE = sa.table("t", sa.column("a"))


def cost(sink, work):
    """Statements, round trips, connections and errors of a call."""
    watched(work, "f", _sink)()
    row = sink.rows[-1]
    return tuple(int(row[name]) for name in ("statements", "trips", "connections", "db_errors"))


def test_check_statements_and_commit_are_counted(sink, engine):
    def work():
        with engine.begin() as connection:
            connection.execute(sa.insert(TABLE).values(a=1))
            connection.execute(sa.select(TABLE)).all()

    # The pool's check, two statements, COMMIT, and the ROLLBACK of whatever is given back.
    assert cost(sink, work) == (2, 1 + 2 + 1 + 1, 0, 0)
    assert sink.rows[-1]["database"].endswith("data.db")


def test_a_new_connection_is_counted_as_one_and_is_not_checked(sink, engine):
    engine.dispose()

    def work():
        with engine.connect() as connection:
            connection.execute(sa.select(TABLE)).all()

    assert cost(sink, work) == (1, 2, 1, 0)  # the statement, and the ROLLBACK when it is given back


def test_nothing_is_sent_for_nothing(sink, engine):
    assert cost(sink, lambda: None) == (0, 0, 0, 0)


def test_rows_one_by_one_are_a_round_trip_each(sink, engine):
    def work():
        with engine.begin() as connection:
            connection.execute(sa.insert(TABLE), [{"a": n} for n in range(10, 15)])

    assert cost(sink, work) == (1, 1 + 5 + 1 + 1, 0, 0)


def test_errors_that_were_caught_are_counted(sink, engine):
    def work():
        for _ in range(2):
            try:
                with engine.begin() as connection:
                    connection.exec_driver_sql("nonsense")
            except sa.exc.OperationalError:
                pass

    assert cost(sink, work) == (2, 2 * (1 + 1 + 2), 0, 2)
    assert sink.rows[-1]["error"] == ""


def test_statements_of_no_call_are_strays(sink, engine):
    with engine.connect() as connection:
        connection.execute(sa.select(TABLE)).all()
        connection.execute(sa.select(TABLE)).all()
    assert (sink.strays, sink.rows) == (2, [])


class Status:
    """A connection as psycopg2 has them, and SQLAlchemy around it."""

    autocommit = False

    def __init__(self, status):
        self.status = status

    @property
    def connection(self):
        return self

    @property
    def dbapi_connection(self):
        return self


def test_psycopg2_sends_begin_by_itself_and_commits_only_a_transaction():
    driver = round_trips.Psycopg2()
    ready, begun = Status(1), Status(2)
    assert (driver.statement(ready, "SELECT", 1), driver.statement(begun, "SELECT", 1)) == (2, 1)
    assert (driver.end(ready), driver.end(begun)) == (0, 1)
    alone = Status(1)
    alone.autocommit = True
    assert driver.statement(alone, "SELECT", 1) == 1


def test_pymysql_sends_many_rows_of_an_insert_at_once():
    driver = round_trips.PyMySql()
    assert driver.statement(None, "INSERT INTO t VALUES (%s)", 5) == 1
    assert driver.statement(None, "UPDATE t SET a = %s", 5) == 5


def test_rome_counts_for_itself(sink, tmp_path):
    from discovery.rome import counters  # noqa: PLC0415
    from tests.redis_servers import redis_server  # noqa: PLC0415

    with redis_server(tmp_path) as server:
        engine = sa.create_engine(server.url("probed"), pool_pre_ping=True)
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql("CREATE TABLE t (a INTEGER PRIMARY KEY)")

            def work():
                with engine.begin() as connection:
                    connection.execute(sa.insert(TABLE).values(a=1))
                    connection.execute(sa.select(TABLE)).all()

            work()
            # One to begin at the newest state, one to commit.
            assert cost(sink, lambda: engine.connect().close()) == (0, 0, 0, 0)
            with engine.begin() as connection:
                connection.exec_driver_sql("DELETE FROM t")
            assert cost(sink, work) == (2, 2, 0, 0)
            assert counters.listeners.count(round_trips._sent) == 1
        finally:
            engine.dispose()
