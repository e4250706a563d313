"""What certification must not let into the log, and what it must not do twice."""

import itertools
import time

import pytest
import redis
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, exc, insert, text

from discovery.rome import InDoubt, replica_of
from discovery.rome.feed import Feed
from discovery.rome.integrity import check
from discovery.rome.urls import settings_of
from tests.redis_servers import redis_server

numbers = itertools.count()
metadata = MetaData()
thing = Table(
    "thing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(10), unique=True),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("history")) as started:
        yield started


@pytest.fixture
def url(server):
    """A database for one test."""
    return server.url(f"db{next(numbers)}")


@pytest.fixture
def engines(url):
    """Engines on one database; each that is asked for has a replica of its own."""
    made = []

    def make(keep=100, fresh="sync"):
        options = f"timeout={10 + len(made)}&keep={keep}&fresh={fresh}"
        made.append(create_engine(f"{url}?{options}"))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def run(engine, *statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement) if isinstance(statement, str) else statement)


def rows(engine, sql):
    with engine.connect() as connection:
        return connection.execute(text(sql)).all()


def whole(url):
    return check(settings_of(url)).violations == ()


def test_keys_are_leased_in_the_transaction_that_makes_the_first_table(url, engines):
    engine = engines()
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(insert(thing), [{"name": "a"}, {"name": "b"}])
    assert len(rows(engines(), "SELECT * FROM thing")) == 2
    assert whole(url)


def test_a_violated_deferred_reference_never_reaches_the_log(url, engines):
    engine = engines()
    run(
        engine,
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
    )
    run(engine, "INSERT INTO c VALUES (1)", "INSERT INTO p VALUES (1)")
    with pytest.raises(exc.IntegrityError, match="FOREIGN KEY"):
        run(engine, "INSERT INTO c VALUES (2)")
    assert rows(engines(), "SELECT p FROM c") == rows(engine, "SELECT p FROM c") == [(1,)]
    assert whole(url)


def test_what_a_trigger_did_is_stored_once(url, engines):
    engine, other = engines(), engines()
    run(
        engine,
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TABLE seen (n INTEGER PRIMARY KEY, a INTEGER)",
        "CREATE TRIGGER g AFTER INSERT ON a BEGIN INSERT INTO seen (a) VALUES (new.id); END",
    )
    assert rows(other, "SELECT * FROM seen") == []
    run(engine, "INSERT INTO a VALUES (7)")
    for reader in (engine, other, engines()):
        assert rows(reader, "SELECT a FROM seen") == [(7,)]
    assert whole(url)


def test_a_replica_needs_no_function_that_a_check_calls(engines):
    engine, other = engines(), engines()
    run(engine, "CREATE TABLE a (n TEXT CHECK (n REGEXP '^x'))")
    assert rows(other, "SELECT * FROM a") == []
    run(engine, "INSERT INTO a VALUES ('xy')")
    with pytest.raises(exc.IntegrityError, match="CHECK"):
        run(engine, "INSERT INTO a VALUES ('y')")
    for reader in (other, engines()):
        assert rows(reader, "SELECT n FROM a") == [("xy",)]


def test_two_schemas_are_two_histories(server, engines):
    """A master that lost the change of a schema and has another in its place is found out."""
    engine = engines()
    metadata.create_all(engine)
    keys = {name: server.ask("DUMP", name) for name in server.ask("KEYS", "*")}
    run(engine, "CREATE TABLE lost (id INTEGER)")
    server.ask("FLUSHALL")
    for name, dumped in keys.items():
        server.ask("RESTORE", name, 0, dumped)
    run(engines(), "CREATE TABLE kept (id INTEGER)")
    with pytest.raises(exc.OperationalError, match="no longer has commit 2"):
        rows(engine, "SELECT * FROM thing")
    assert rows(engine, "SELECT name FROM sqlite_schema WHERE name IN ('lost', 'kept')") == [
        ("kept",)
    ]


def lose_the_answer(monkeypatch, store, meanwhile):
    """The next commit is made, its answer is lost, and ``meanwhile`` comes before it is resent."""
    evaluate = store._evaluate

    def once(*arguments):
        evaluate(*arguments)
        monkeypatch.setattr(store, "_evaluate", evaluate)
        meanwhile()
        raise redis.ConnectionError("lost")

    monkeypatch.setattr(store, "_evaluate", once)


@pytest.mark.parametrize(("others", "doubt"), [(0, False), (8, False), (30, True)])
def test_a_commit_is_never_made_twice(url, engines, monkeypatch, others, doubt):
    """With ten entries kept: found again, found again behind what was forgotten, or in doubt."""
    engine, other = engines(keep=10), engines()
    run(engine, "CREATE TABLE n (n INTEGER)", "INSERT INTO n VALUES (0)")
    run(other, "CREATE TABLE o (o INTEGER)")
    run(engine, "INSERT INTO n VALUES (0)")
    with engine.connect() as connection:
        connection.execute(text("UPDATE n SET n = n + 1"))
        store = connection.connection.dbapi_connection.replica.store

        def meanwhile():
            for number in range(others):
                run(other, f"INSERT INTO o VALUES ({number})")

        with monkeypatch.context() as patched:
            lose_the_answer(patched, store, meanwhile)
            if doubt:
                with pytest.raises(exc.OperationalError, match="is not known") as raised:
                    connection.commit()
                assert isinstance(raised.value.orig, InDoubt)
            else:
                connection.commit()
    assert rows(engines(), "SELECT n FROM n") == [(1,), (1,)]
    assert whole(url)


def test_serializable_certifies_what_a_caught_violation_has_told(engines):
    engine = engines()
    metadata.create_all(engine)
    run(engine, "INSERT INTO thing VALUES (1, 'a')", "CREATE TABLE o (said TEXT)")
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        point = connection.begin_nested()
        with pytest.raises(exc.IntegrityError):
            connection.execute(text("INSERT INTO thing VALUES (2, 'a')"))
        point.rollback()
        connection.execute(text("INSERT INTO o VALUES ('a is taken')"))
        run(engines(), "DELETE FROM thing")
        with pytest.raises(exc.OperationalError, match="rome: deadlock"):
            connection.commit()
    assert rows(engine, "SELECT * FROM o") == []


def test_a_name_that_was_taken_meanwhile_is_a_violated_key_at_commit(engines):
    """Also where the row's own key was leased; that one is not what is taken."""
    engine = engines()
    metadata.create_all(engine)
    with engine.connect() as connection:
        connection.execute(insert(thing).values(name="a"))
        connection.execute(text("SELECT * FROM thing"))
        with engines().begin() as other:
            other.execute(insert(thing).values(name="A"))
        with pytest.raises(exc.IntegrityError, match=r"UNIQUE constraint failed: thing\.name"):
            connection.commit()
    assert len(rows(engine, "SELECT * FROM thing")) == 1


def test_a_process_reads_its_commit_although_the_way_to_it_was_lost(engines, monkeypatch):
    """A feed that believes itself to be up to date, and is not."""
    monkeypatch.setattr(Feed, "_follow", lambda feed: None)
    engine, other = engines(fresh="push"), engines()
    metadata.create_all(engine)
    with engine.connect() as connection:
        replica, feed = replica_of(connection.connection.dbapi_connection.settings)
        connection.execute(text("INSERT INTO thing VALUES (1, 'mine')"))
        run(other, "INSERT INTO thing VALUES (2, 'between')")
        with monkeypatch.context() as patched:
            patched.setattr(replica, "_advance_quietly", lambda entries: None)
            patched.setattr(replica, "advance", lambda entries: None)
            connection.commit()
    feed._asked = time.monotonic()
    assert len(rows(engine, "SELECT * FROM thing")) == 2
