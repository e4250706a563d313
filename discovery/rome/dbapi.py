"""The driver: PEP 249 over a replica. ``paramstyle`` is qmark; threads may share the module only.

Nothing happens until the first statement, which begins a transaction: one round trip, none with
``fresh=push``. Statements cost none; `Connection.commit` costs one.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time as _time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date as Date  # noqa: N812 - PEP 249 names them
from datetime import datetime as Timestamp  # noqa: N812
from datetime import time as Time  # noqa: N812
from typing import Any

import apsw

from discovery.rome.catalogue import Row, Value, folded
from discovery.rome.errors import (
    DatabaseError,
    DataError,
    Deadlock,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)
from discovery.rome.feed import Feed
from discovery.rome.functions import REGEXP, check_new
from discovery.rome.locks import UNLOCKED
from discovery.rome.replica import Replica
from discovery.rome.secret import Secret
from discovery.rome.settings import Settings, parse
from discovery.rome.statements import shape
from discovery.rome.transaction import Transaction
from discovery.rome.workspace import ALONE, SEVERAL, Outcome, Workspace, translated

apilevel = "2.0"
threadsafety = 1
paramstyle = "qmark"

sqlite_version = apsw.sqlite_lib_version()
sqlite_version_info = tuple(int(part) for part in sqlite_version.split("."))

STRING = str
BINARY = bytes
NUMBER = float
DATETIME = Timestamp
ROWID = int
Binary = bytes


def DateFromTicks(ticks: float) -> Date:  # noqa: N802
    """A date from seconds since the epoch, in local time."""
    return Date(*_time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> Time:  # noqa: N802
    """A time of day from seconds since the epoch, in local time."""
    return Time(*_time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> Timestamp:  # noqa: N802
    """A moment from seconds since the epoch, in local time."""
    return Timestamp(*_time.localtime(ticks)[:6])


_replicas: dict[Settings, tuple[Replica, Feed]] = {}
_boots: dict[Settings, threading.Lock] = {}
_boots_lock = threading.Lock()
_process = os.getpid()
_forks: dict[int, threading.Lock] = {}


def replica_of(settings: Settings) -> tuple[Replica, Feed]:
    """The replica that this process has of a database, and its feed; booted at the first call."""
    if _process != os.getpid():
        with _forks.setdefault(os.getpid(), threading.Lock()):
            if _process != os.getpid():  # uWSGI forks without telling Python
                _in_child()
    found = _replicas.get(settings)
    if found is None:
        with _boots_lock:
            boot = _boots.setdefault(settings, threading.Lock())
        with boot:  # whoever needs another database does not wait for this one
            found = _replicas.get(settings)
            if found is None:
                replica = Replica(settings)
                found = _replicas[settings] = (replica, Feed(replica))
    return found


def _in_child() -> None:
    global _boots_lock, _process  # noqa: PLW0603 - another thread of the parent may have held it
    _boots_lock = threading.Lock()
    _boots.clear()
    _forking.clear()
    for replica, feed in _replicas.values():
        replica.new_process()
        feed.new_process()
    _process = os.getpid()


def _before_fork() -> None:
    _forking[:] = [replica for replica, _ in list(_replicas.values())]
    for replica in _forking:
        replica.before_fork()


def _in_parent() -> None:
    for replica in _forking:
        replica.after_fork()
    _forking.clear()


_forking: list[Replica] = []
os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)


class Connection:
    """A session on one database; at most one transaction at a time."""

    Warning = Warning
    Error = Error
    InterfaceError = InterfaceError
    DatabaseError = DatabaseError
    DataError = DataError
    OperationalError = OperationalError
    IntegrityError = IntegrityError
    InternalError = InternalError
    ProgrammingError = ProgrammingError
    NotSupportedError = NotSupportedError

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.autocommit = False
        self.serializable = False
        self.isolation_level: str | None = None  # oslo.db sets sqlite3's; here it says nothing
        self._functions: list[tuple[str, int, Callable[..., Any], bool]] = []
        self._closed = False
        self._open()

    def _open(self) -> None:
        self._process = os.getpid()
        self._replica, self._feed = replica_of(self.settings)
        self._transaction: Transaction | None = None
        self._undone = False
        self._workspace = Workspace(self.settings.foreign_keys, self._next_id)
        self._workspace.add_function(UNLOCKED, -1, self._is_unlocked)
        for name, arguments, function, deterministic in self._functions:
            self._workspace.add_function(name, arguments, function, deterministic=deterministic)

    def _next_id(self, table: str, column: str) -> int:
        if self._transaction is None:
            raise InterfaceError("rome_id outside of a transaction")
        return self._transaction.next_id(table, column)

    def _is_unlocked(self, table: str, *key: Value) -> bool:
        return self._transaction is None or self._transaction.is_unlocked(table, *key)

    @property
    def replica(self) -> Replica:
        """The process's copy of this database, with its counters."""
        return self._replica

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def in_transaction(self) -> bool:
        """Whether a statement has been run since the last commit or rollback."""
        return self._transaction is not None and self._transaction.open

    def _check(self) -> None:
        if self._closed:
            raise InterfaceError("the connection is closed")
        if self._process != os.getpid():  # forked: the parent goes on with what was open
            self._open()

    def _check_undone(self) -> None:
        """The transaction has ended, since a key of it was taken: whoever goes on must know."""
        if self._undone:
            self._undone = False
            raise Deadlock(
                "rome: deadlock: the transaction was rolled back, since another one had taken a "
                "key of it first; run the transaction again"
            )

    def cursor(self) -> Cursor:
        """A new cursor; all cursors of a connection are in the same transaction."""
        self._check()
        return Cursor(self)

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> Cursor:
        """A new cursor with ``sql`` executed on it."""
        return self.cursor().execute(sql, parameters)

    def create_function(
        self,
        name: str,
        narg: int,
        func: Callable[..., Any],
        *,
        deterministic: bool = False,
    ) -> None:
        """Let SQL call a Python function, as `sqlite3.Connection.create_function` does.

        One called ``regexp``, as oslo.db brings, is not taken: REGEXP is the same in each process.

        Raises:
            NotSupportedError: SQLite, or the driver, has a function of that name.
        """
        self._check()
        try:
            if folded(name) == REGEXP:
                return
            check_new(name)
            self._workspace.add_function(name, narg, func, deterministic=deterministic)
        except Exception as error:
            raise error if isinstance(error, Error) else translated(error) from error
        self._functions.append((name, narg, func, deterministic))

    def run(self, sql: str, parameters: Sequence[Value]) -> Outcome:
        """One statement, transaction control among them.

        Raises:
            Error: of `discovery.rome.errors`.
        """
        self._check()
        try:
            return self._run(sql, parameters)
        except Error:
            raise
        except Exception as error:
            raise translated(error) from error

    def _run(self, sql: str, parameters: Sequence[Value]) -> Outcome:
        if not isinstance(sql, str):
            raise ProgrammingError(f"a statement is a string, not {type(sql).__name__}")
        kind = shape(sql).kind
        if kind in {"begin", "setting"}:
            return _NOTHING
        if kind == "commit":
            self.commit()
            return _NOTHING
        if kind == "rollback":
            self.rollback()
            return _NOTHING
        if kind in _REFUSALS:
            error, sentence = _REFUSALS[kind]
            raise error(sentence)
        self._check_undone()
        if isinstance(parameters, Mapping):
            raise ProgrammingError("parameters are a sequence: the paramstyle is qmark")
        values = tuple(parameters)
        if self._transaction is None:
            feed = self._feed if self.settings.fresh == "push" else None
            self._transaction = Transaction(self._replica, feed, self._workspace, self.serializable)
        try:
            outcome = self._transaction.execute(sql, values)
        except Error as error:
            self.rollback()
            self._undone = isinstance(error, IntegrityError)  # as a rule a statement's, and no more
            raise
        except Exception as error:
            with contextlib.suppress(Exception):
                self.rollback()
            raise translated(error) from error
        if outcome.error is not None:
            if self.autocommit:
                self.rollback()
            raise outcome.error.with_traceback(None)
        if self.autocommit:
            self.commit()
        return outcome

    def commit(self) -> None:
        """Certify what the transaction has changed; nothing to do if it has changed nothing.

        Raises:
            Deadlock, IntegrityError, DataError, ConnectionLost, StoreRefused: nothing was written,
                but for `InDoubt`, where that is not known.
        """
        self._check()
        self._check_undone()
        if self._transaction is not None:
            try:
                self._transaction.commit()
            except Error:
                raise
            except Exception as error:
                raise translated(error) from error
            finally:
                self._transaction = None

    def rollback(self) -> None:
        """Forget the transaction."""
        self._check()
        self._undone = False
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            try:
                transaction.rollback()
            except apsw.Error as error:
                raise translated(error) from error

    def close(self) -> None:
        """Roll back and give everything back; the process's replica stays for other connections."""
        if self._closed:
            return
        if self._process == os.getpid():
            self.rollback()
            try:
                self._workspace.close()
            except apsw.Error as error:  # another thread is at it
                raise translated(error) from error
        self._closed = True

    def __enter__(self) -> Connection:  # noqa: D105
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:  # noqa: D105
        if kind is None:
            self.commit()
        else:
            self.rollback()


_REFUSALS: dict[str, tuple[type[Error], str]] = {
    "several": (ProgrammingError, SEVERAL),
    "refused": (NotSupportedError, "a ROME database is one SQLite schema, in no file"),
    "alone": (NotSupportedError, ALONE),
}
_NOTHING = Outcome(None, (), -1, None)


class Cursor:
    """PEP 249's cursor: all rows of a result are here when `execute` returns."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self.description: tuple[tuple[Any, ...], ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: tuple[Row, ...] = ()
        self._next = 0
        self._closed = False

    def _check(self) -> None:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        if self.connection.closed:
            raise InterfaceError("the connection is closed")

    def execute(self, operation: str, parameters: Sequence[Value] = ()) -> Cursor:
        """Run one statement.

        Raises:
            Error: of `discovery.rome.errors`.
        """
        self._check()
        self._take(_NOTHING)
        self._take(self.connection.run(operation, parameters))
        return self

    def _take(self, outcome: Outcome) -> None:
        names = outcome.names
        self.description = None if names is None else tuple((name, *[None] * 6) for name in names)
        self._rows = outcome.rows
        self._next = 0
        self.rowcount = outcome.count
        self.lastrowid = outcome.last_id

    def executemany(self, operation: str, seq_of_parameters: Iterable[Sequence[Value]]) -> Cursor:
        """Run one statement for each set of parameters; ``rowcount`` is of all of them."""
        self._check()
        self._take(_NOTHING)
        total = 0
        if isinstance(seq_of_parameters, str | bytes) or not isinstance(
            seq_of_parameters, Iterable
        ):
            raise ProgrammingError("executemany takes a sequence of sequences of parameters")
        for parameters in seq_of_parameters:
            self._take(self.connection.run(operation, parameters))
            total += max(self.rowcount, 0)
        self.rowcount = total
        return self

    def _result(self) -> None:
        self._check()
        if self.description is None:
            raise ProgrammingError("the last statement has no rows")

    def fetchone(self) -> Row | None:
        """The next row, or None after the last."""
        self._result()
        if self._next >= len(self._rows):
            return None
        self._next += 1
        return self._rows[self._next - 1]

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next ``size`` rows, ``arraysize`` by default."""
        self._result()
        wanted = self.arraysize if size is None else size
        if not isinstance(wanted, int) or wanted < 0:
            raise ProgrammingError(f"fetchmany takes a number of rows, not {wanted!r}")
        end = self._next + wanted
        rows = self._rows[self._next : end]
        self._next += len(rows)
        return list(rows)

    def fetchall(self) -> list[Row]:
        """All rows that are left."""
        self._result()
        rows = self._rows[self._next :]
        self._next = len(self._rows)
        return list(rows)

    def __iter__(self) -> Iterator[Row]:  # noqa: D105
        return self

    def __next__(self) -> Row:  # noqa: D105
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def setinputsizes(self, sizes: Sequence[object]) -> None:
        """Nothing: SQLite needs no sizes."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Nothing: values come whole."""

    def close(self) -> None:
        """Forget the rows."""
        self._closed = True
        self._rows = ()


def connect(
    hosts: str | None = None,
    database: str | None = None,
    username: str | None = None,
    password: str | None = None,
    **options: object,
) -> Connection:
    """A connection to ``database`` on the Redis at ``hosts`` (``host:port,host:port``), or here.

    The options are those of `Settings`.

    Raises:
        InterfaceError: an option that is not allowed.
        ConnectionLost, StoreRefused: Redis is not there, or cannot hold a ROME database.
    """
    password = None if password is None else Secret(password)  # no traceback shows it from here on
    try:
        return Connection(parse(hosts, database, username, password, **options))
    except Error:
        raise
    except Exception as error:
        raise translated(error) from error
