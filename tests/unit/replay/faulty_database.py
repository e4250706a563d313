"""A real SQLite database, whose connections fail where a test wants them to."""

import contextlib
import itertools
import sqlite3

import sqlalchemy as sa

_NUMBERS = itertools.count()
UNKNOWN_STATES = ("40003", "08007", "XXA00")


class Conflict(sqlite3.OperationalError):
    """Another transaction came first, as PostgreSQL says it."""

    pgcode = "40001"


class Ambiguous(sqlite3.OperationalError):
    """The server does not know, as it says by an SQLSTATE."""

    def __init__(self, state):
        super().__init__("result is ambiguous")
        self.pgcode = state


class InDoubt(sqlite3.OperationalError):
    """As ROME calls it."""


def lost():
    """What SQLAlchemy takes for a lost connection of SQLite's."""
    return sqlite3.ProgrammingError("Cannot operate on a closed database.")


class Database:
    """``faults``: what happens at the n-th statement or COMMIT that is sent, by its number.

    ``conflict`` and ``lost`` happen instead of it; ``lost after``, ``broken after`` and ``unknown
    after`` once it is done, the last with the SQLSTATE 40003 or one that stands there instead;
    ``refused`` is a key that is violated.
    """

    def __init__(self, **options):
        self.uri = f"file:faulty{next(_NUMBERS)}?mode=memory&cache=shared"
        self.keeper = sqlite3.connect(self.uri, uri=True, check_same_thread=False)
        self.keeper.execute("CREATE TABLE marks (mark TEXT)")
        self.faults = {}
        self.sent = 0
        self.engine = sa.create_engine("sqlite://", creator=self._connect, **options)

    def _connect(self):
        def factory(*arguments, **options):
            return _Connection(self, *arguments, **options)

        return sqlite3.connect(self.uri, uri=True, check_same_thread=False, factory=factory)

    def marks(self):
        return [mark for (mark,) in self.keeper.execute("SELECT mark FROM marks ORDER BY mark")]

    def take(self):
        """The fault of what is sent now."""
        number, self.sent = self.sent, self.sent + 1
        return self.faults.get(number)

    def close(self):
        self.engine.dispose()
        self.keeper.close()


class _Connection(sqlite3.Connection):
    def __init__(self, database, *arguments, **options):
        super().__init__(*arguments, **options)
        self.database = database

    def cursor(self, *_):
        return super().cursor(_Cursor)

    def commit(self):
        if self.in_transaction:
            self.meet(super().commit)

    def meet(self, do):
        fault = self.database.take()
        if fault in {"conflict", "lost", "refused"}:
            super().rollback()
        else:
            do()
        if fault == "conflict":
            raise Conflict("could not serialize")
        if fault == "refused":
            raise sqlite3.IntegrityError("UNIQUE constraint failed: marks.mark")
        if fault == "broken after":
            raise sqlite3.OperationalError("disk I/O error")
        if fault == "unknown after":
            raise Ambiguous("40003")
        if fault in UNKNOWN_STATES:
            raise Ambiguous(fault)
        if fault in {"lost", "lost after"}:
            if fault == "lost after" and self.in_transaction:
                super().rollback()
            raise lost()


class _Cursor(sqlite3.Cursor):
    def execute(self, statement, *parameters):
        if "marks" not in statement:
            return super().execute(statement, *parameters)
        self.connection.meet(lambda: super(_Cursor, self).execute(statement, *parameters))
        return self


@contextlib.contextmanager
def database(**options):
    made = Database(**options)
    try:
        yield made
    finally:
        made.close()
