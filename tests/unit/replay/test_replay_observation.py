"""What may be committed, from what SQLAlchemy tells; on a database that fails on demand."""

import contextvars
import gc
import threading

import pytest
import sqlalchemy as sa
from faulty_database import UNKNOWN_STATES, InDoubt, database

from discovery.replay import observation
from discovery.replay.observation import observed

INSERT = sa.text("INSERT INTO marks VALUES ('a')")
SELECT = sa.text("SELECT * FROM marks")
FAILURES = (sa.exc.DBAPIError,)


@pytest.fixture
def db():
    with database() as made:
        yield made


@pytest.mark.parametrize(
    ("faults", "may_be", "is_there", "troubled"),
    [
        ({}, True, True, False),
        ({0: "conflict"}, False, False, True),
        ({0: "lost"}, False, False, True),
        ({0: "refused"}, False, False, False),
        ({0: "unknown after"}, True, False, True),
        ({1: "conflict"}, False, False, True),
        ({1: "refused"}, False, False, False),
        ({1: "lost"}, True, False, True),
        ({1: "lost after"}, True, True, True),
        ({1: "unknown after"}, True, True, True),
        ({1: "broken after"}, True, True, False),
        *(
            ({number: state}, True, number == 1, True)
            for number in (0, 1)
            for state in UNKNOWN_STATES
        ),
    ],
)
def test_a_write_transaction(db, faults, may_be, is_there, troubled):
    """Statement 0 inserts, 1 is the COMMIT."""
    db.faults = faults
    with observed() as seen:
        try:
            with db.engine.begin() as connection:
                connection.execute(INSERT)
        except FAILURES:
            assert faults
    assert seen.may_be_committed() is may_be
    assert bool(db.marks()) is is_there
    assert seen.troubled() is troubled


def test_reading_commits_nothing(db):
    with observed() as seen, db.engine.begin() as connection:
        connection.execute(SELECT)
    assert not seen.may_be_committed()


def test_rolled_back_is_not_committed(db):
    with observed() as seen, db.engine.connect() as connection:
        connection.execute(INSERT)
        connection.rollback()
        connection.execute(SELECT)
        connection.commit()
    assert not seen.may_be_committed()


def test_an_error_after_a_commit_does_not_undo_it(db):
    db.faults = {2: "conflict"}
    with observed() as seen, pytest.raises(FAILURES), db.engine.connect() as connection:
        connection.execute(INSERT)
        connection.commit()
        connection.execute(SELECT)
    assert seen.troubled()
    assert seen.may_be_committed()


def test_a_second_try_inside_counts(db):
    """What oslo.db's decorators do: the first COMMIT was refused, the second was not."""
    db.faults = {1: "conflict"}
    with observed() as seen:
        for _ in range(2):
            try:
                with db.engine.begin() as connection:
                    connection.execute(INSERT)
                break
            except FAILURES:
                pass
    assert seen.may_be_committed()
    assert seen.troubled()
    assert not seen.turned_away()


def test_a_savepoint_does_not_commit(db):
    with observed() as seen, db.engine.connect() as connection:
        transaction = connection.begin()
        with connection.begin_nested():
            connection.execute(INSERT)
        assert not seen.may_be_committed()
        transaction.rollback()
    assert not seen.may_be_committed()


@pytest.mark.parametrize(
    ("steps", "may_be"),
    [
        (("prepare", "commit"), True),
        (("prepare", "rollback"), True),  # somebody else may have committed it meanwhile
        (("commit",), True),
        (("rollback",), False),
    ],
)
def test_two_phases(db, monkeypatch, steps, may_be):
    """A transaction that others take part in is beyond recall once it is prepared."""
    dialect = db.engine.dialect
    for does in ("begin", "prepare", "commit", "rollback"):
        monkeypatch.setattr(dialect, f"do_{does}_twophase", lambda *_, **__: None)
    with observed() as seen, db.engine.connect() as connection:
        transaction = connection.begin_twophase()
        connection.execute(INSERT)
        for step in steps:
            getattr(transaction, step)()
    assert seen.may_be_committed() is may_be


@pytest.mark.parametrize(("fault", "may_be"), [("conflict", False), ("lost", True), (None, True)])
def test_autocommit_commits_with_the_statement(fault, may_be):
    with database(isolation_level="AUTOCOMMIT") as db:
        db.faults = {0: fault}
        with observed() as seen, db.engine.connect() as connection:
            if fault:
                with pytest.raises(FAILURES):
                    connection.execute(INSERT)
            else:
                connection.execute(INSERT)
    assert seen.may_be_committed() is may_be


def test_autocommit_of_one_connection(db):
    with observed() as seen, db.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(INSERT)
    assert seen.may_be_committed()


def test_ddl_commits_what_was_written_before(db):
    """Where a database does so, it has done it before it refuses the DDL."""
    db.faults = {1: "conflict"}
    with observed() as seen, db.engine.connect() as connection:
        connection.execute(INSERT)
        with pytest.raises(FAILURES):
            connection.execute(sa.text("ALTER TABLE marks ADD COLUMN a TEXT"))
        connection.rollback()
    assert seen.may_be_committed()


def test_an_error_that_says_it_is_in_doubt(db, monkeypatch):
    """ROME's, at a statement or anywhere."""
    monkeypatch.setattr("faulty_database.Conflict", InDoubt)
    db.faults = {0: "conflict"}
    with observed() as seen, pytest.raises(FAILURES), db.engine.begin() as connection:
        connection.execute(INSERT)
    assert seen.may_be_committed()


def test_what_is_still_open_may_yet_be_committed(db):
    with observed() as seen:
        connection = db.engine.connect()
        connection.execute(INSERT)
    assert seen.may_be_committed()
    connection.close()


def test_a_context_that_is_handed_on_belongs_to_the_request(db):
    with observed() as seen:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(write, db))
        thread.start()
        thread.join()
        assert seen.may_be_committed()


def write(db):
    with db.engine.begin() as connection:
        connection.execute(INSERT)


def test_a_write_that_is_nobodys_is_held_against_all(db):
    with observed() as seen:
        thread = threading.Thread(target=write, args=(db,))
        thread.start()
        thread.join()
    assert seen.may_be_committed()
    with observed() as later:
        pass
    assert not later.may_be_committed()


def test_what_goes_on_after_the_end_is_nobodys(db):
    with observed():
        context = contextvars.copy_context()
    with observed() as seen:
        context.run(write, db)
    assert seen.may_be_committed()


def test_a_ping_that_fails_is_no_error():
    with database(pool_pre_ping=True) as db:
        with db.engine.connect() as connection:
            pooled = connection.connection.dbapi_connection
        pooled.close()
        with observed() as seen, db.engine.connect() as connection:
            connection.execute(SELECT)
            assert connection.connection.dbapi_connection is not pooled
        assert not seen.troubled()


def test_connections_are_not_kept(db):
    with observed() as seen:
        with db.engine.connect() as connection:
            connection.execute(INSERT)
            connection.rollback()
        del connection
        gc.collect()
        assert not list(seen._open)


def test_listeners_are_there_once():
    observation.observe_engines()
    before = len(list(sa.Engine.dispatch.before_cursor_execute._clslevel[sa.Engine]))
    observation.observe_engines()
    with observed():
        pass
    assert len(list(sa.Engine.dispatch.before_cursor_execute._clslevel[sa.Engine])) == before
