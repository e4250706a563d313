"""What oslo.db promises its callers about errors, for a ROME engine: run by `run_suite.py`.

Modelled on what ``oslo_db.tests.sqlalchemy.test_exc_filters`` demands of MySQL and PostgreSQL.
"""

# ruff: noqa: PT009, PT027 - unittest's words: there is no pytest where this runs

import importlib.util
import itertools
import os
import tempfile
import unittest
from pathlib import Path

import sqlalchemy as sa
from oslo_db import api, exception
from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import exc, orm

BASE = orm.declarative_base()
NUMBERS = itertools.count(1)


def _redis_servers():
    path = Path(__file__).parents[2] / "redis_servers.py"
    spec = importlib.util.spec_from_file_location("redis_servers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Parent(BASE):
    __tablename__ = "parent"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(30), unique=True)
    host = sa.Column(sa.String(30))
    node = sa.Column(sa.String(30))
    count = sa.Column(sa.Integer, nullable=False, default=0)
    __table_args__ = (
        sa.UniqueConstraint("host", "node", name="uniq_parent0host0node"),
        sa.CheckConstraint("count < 100"),
    )


class Child(BASE):
    __tablename__ = "child"
    id = sa.Column(sa.Integer, primary_key=True)
    parent_id = sa.Column(sa.Integer, sa.ForeignKey("parent.id"))


def facade(url, **options):
    """A facade of its own on a ROME database, as a service has one."""
    context = enginefacade.transaction_context()
    context.configure(connection=url, **options)
    return context


@enginefacade.transaction_context_provider
class Context:
    """What carries a transaction, as Nova's RequestContext does."""


class Contract(unittest.TestCase):
    def setUp(self):
        self.url = os.environ["ROME_URL"] % f"contract{os.getpid()}x{next(NUMBERS)}"
        self.facade = facade(self.url)
        self.engine = self.facade.writer.get_engine()
        BASE.metadata.create_all(self.engine)
        self.write(Parent(id=1, name="one", host="h", node="n"))

    def write(self, *objects):
        with self.facade.writer.using(Context()) as session:
            session.add_all(objects)

    def raised(self, kind, function, *arguments):
        with self.assertRaises(kind) as caught:
            function(*arguments)
        return caught.exception

    def count(self):
        with self.facade.reader.using(Context()) as session:
            return session.get(Parent, 1).count

    # Violated constraints

    def test_duplicate_names_its_column(self):
        error = self.raised(exception.DBDuplicateEntry, self.write, Parent(name="one"))
        self.assertEqual(error.columns, ["name"])
        self.assertIsInstance(error.inner_exception, exc.IntegrityError)

    def test_duplicate_names_all_columns_of_a_key(self):
        error = self.raised(exception.DBDuplicateEntry, self.write, Parent(host="h", node="n"))
        self.assertEqual(error.columns, ["host", "node"])

    def test_duplicate_primary_key(self):
        error = self.raised(exception.DBDuplicateEntry, self.write, Parent(id=1))
        self.assertEqual(error.columns, ["id"])

    def test_duplicate_of_one_who_committed_meanwhile(self):
        """Both are free of it when they look; the second is told at its commit."""

        def late():
            with self.facade.writer.using(Context()) as session:
                session.add(Parent(id=8, name="two"))
                session.flush()
                self.write(Parent(id=9, name="two"))

        error = self.raised(exception.DBDuplicateEntry, late)
        self.assertEqual(error.columns, ["name"])

    def test_duplicate_in_a_savepoint_leaves_the_transaction(self):
        with self.facade.writer.using(Context()) as session:
            session.add(Parent(name="before"))
            with self.assertRaises(exception.DBDuplicateEntry), session.begin_nested():
                session.add(Parent(name="one"))
                session.flush()
            session.add(Parent(name="after"))
        with self.facade.reader.using(Context()) as session:
            names = session.scalars(sa.select(Parent.name).order_by(Parent.name)).all()
        self.assertEqual(names, ["after", "before", "one"])

    def test_reference_to_nothing(self):
        error = self.raised(exception.DBReferenceError, self.write, Child(parent_id=99))
        self.assertIsInstance(error.inner_exception, exc.IntegrityError)
        # SQLite's message names nothing, and oslo.db's filter for it says so with None.
        self.assertEqual(
            (error.table, error.constraint, error.key, error.key_table), (None, None, None, None)
        )

    def test_delete_of_what_is_referred_to(self):
        self.write(Child(parent_id=1))

        def delete():
            with self.facade.writer.using(Context()) as session:
                session.execute(sa.delete(Parent).where(Parent.id == 1))

        self.raised(exception.DBReferenceError, delete)

    def test_check_is_an_error_of_the_database(self):
        error = self.raised(exception.DBError, self.write, Parent(name="big", count=100))
        self.assertIsInstance(error.inner_exception, exc.IntegrityError)

    # oslo.db's habits with SQLite, which a URL of sqlite+rome:// gets

    def test_settings_that_sqlite_is_given(self):
        alias = facade("sqlite+" + self.url, sqlite_fk=True, sqlite_synchronous=False)
        with alias.writer.using(Context()) as session:
            matches = session.scalars(
                sa.select(Parent.id).where(Parent.name.op("REGEXP")("^o.e$"))
            ).all()
        self.assertEqual(matches, [1])

    # Wrong statements and values

    def execute(self, sql, *parameters):
        with self.facade.writer.using(Context()) as session:
            session.connection().exec_driver_sql(sql, *parameters)

    def test_table_that_is_not_there(self):
        error = self.raised(exception.DBNonExistentTable, self.execute, "SELECT * FROM nowhere")
        self.assertEqual(error.table, "nowhere")

    def test_drop_of_a_table_that_is_not_there(self):
        error = self.raised(exception.DBNonExistentTable, self.execute, "DROP TABLE nowhere")
        self.assertEqual(error.table, "nowhere")

    def test_wrong_sql_stays_an_operational_error(self):
        self.raised(exc.OperationalError, self.execute, "SELEC 1")

    def test_what_is_no_unicode(self):
        self.raised(exception.DBInvalidUnicodeParameter, self.write, Parent(name="\ud800"))

    # Conflicts

    def test_lost_conflict_is_a_deadlock(self):
        def late():
            with self.facade.writer.using(Context()) as session:
                row = session.get(Parent, 1)
                self._add_one()
                row.count += 1

        self.raised(exception.DBDeadlock, late)
        self.assertEqual(self.count(), 1)

    def _add_one(self):
        with self.facade.writer.using(Context()) as session:
            session.get(Parent, 1).count += 1

    def test_retry_decorator_runs_it_again(self):
        tries = []

        @api.wrap_db_retry(max_retries=3, retry_interval=0, retry_on_deadlock=True)
        def add_one():
            with self.facade.writer.using(Context()) as session:
                row = session.get(Parent, 1)
                if not tries:
                    self._add_one()
                tries.append(row.count)
                row.count += 1

        add_one()
        self.assertEqual(tries, [0, 1])
        self.assertEqual(self.count(), 2)

    def test_a_lock_that_another_holds_is_a_deadlock_in_the_end(self):
        """As MySQL's 1205; the retry decorator then runs it again."""

        def lock(facade_):
            with facade_.writer.using(Context()) as session:
                session.get(Parent, 1, with_for_update=True)
                session.get(Parent, 1)

        impatient = sa.make_url(self.url).update_query_dict({"lock_wait": "0.1"})

        def hold_and_lock():
            with self.facade.writer.using(Context()) as session:
                session.get(Parent, 1, with_for_update=True)
                lock(facade(impatient.render_as_string()))

        error = self.raised(exception.DBDeadlock, hold_and_lock)
        self.assertIn("lock wait timed out", str(error))
        lock(self.facade)

    def test_a_connection_is_good_after_a_deadlock(self):
        with self.engine.connect() as connection:
            statement = sa.text("SELECT count FROM parent WHERE id = 1")
            with self.assertRaises(exception.DBDeadlock), connection.begin():
                connection.execute(statement).scalar()
                self._add_one()
                connection.execute(sa.text("UPDATE parent SET count = 5 WHERE id = 1"))
            self.assertEqual(connection.execute(statement).scalar(), 1)


class LostConnection(unittest.TestCase):
    """On a server of its own, which goes away."""

    def _filled(self, *options):
        self._start(*options)
        self.facade = facade(self.server.url("lost", timeout=0.3))
        BASE.metadata.create_all(self.facade.writer.get_engine())
        self._write("one")

    def _start(self, *options):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        server = _redis_servers().redis_server(Path(folder.name), *options)
        self.server = server.__enter__()
        self.addCleanup(server.__exit__, None, None, None)

    def _write(self, name):
        with self.facade.writer.using(Context()) as session:
            session.add(Parent(name=name))

    def _names(self):
        with self.facade.reader.using(Context()) as session:
            return session.scalars(sa.select(Parent.name)).all()

    def test_server_that_was_never_there(self):
        self._start()
        self.server.kill()
        lost = facade(self.server.url("never", timeout=0.2), max_retries=1, retry_interval=0)
        with self.assertRaises(exception.DBConnectionError):
            lost.writer.get_engine()

    def test_server_that_goes_away(self):
        self._filled()
        self.server.kill()
        with self.assertRaises(exception.DBConnectionError):
            self._names()
        with self.assertRaises(exception.DBConnectionError):
            self._write("two")

    def test_retry_decorator_waits_for_it(self):
        self._filled("--appendonly", "yes", "--appendfsync", "always")
        self.server.kill()
        tries = []

        @api.wrap_db_retry(max_retries=3, retry_interval=0, retry_on_disconnect=True)
        def names():
            tries.append(1)
            if len(tries) == 2:
                self.server.start()
            return self._names()

        self.assertEqual(names(), ["one"])
        self.assertEqual(len(tries), 2)

    def test_lost_commits_are_a_lost_connection(self):
        self._filled()
        self.server.kill()
        self.server.start()
        with self.assertRaises(exception.DBConnectionError):
            self._names()
        with self.assertRaises(exception.DBNonExistentTable):
            self._names()
