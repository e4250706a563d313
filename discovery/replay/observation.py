"""What a request does to its databases, from SQLAlchemy's events, whatever the back end.

A transaction that has written counts as committed from the moment at which COMMIT is about to be
sent. Only an answer to that very COMMIT takes it back: one that says that nothing was done. A
connection that is lost then, an exception from elsewhere, no answer at all: it stays committed.

Events belong to the request whose context they happen in. What happens in threads and greenlets
without that context belongs to nobody, and is held against every request that is under way.
"""

from __future__ import annotations

import collections
import functools
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext

from discovery.replay.kinds import DEFINITE, TROUBLE, Kind, kind_of
from discovery.replay.statements import Effect, effect


class Commit:
    """A commit that was sent, and the error that answered it, if one did."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: ExceptionContext | None = None

    def may_be_done(self) -> bool:
        """Unless the database itself said that it is not."""
        return self.error is None or kind_of(self.error) not in DEFINITE


class Observation:
    """One try of one request."""

    def __init__(self) -> None:
        self._open: WeakKeyDictionary[Connection, Commit | None] = WeakKeyDictionary()
        self._commits: list[Commit] = []
        self._errors: list[ExceptionContext] = []
        self._went_on = False
        self._strays_before = strays.count
        self._strays: int | None = None
        self._unfinished = False

    # What happens

    def began(self, connection: Connection) -> None:
        """A new transaction: what this connection committed before is beyond recall."""
        self._open.pop(connection, None)

    def executes(self, connection: Connection, statement: str) -> None:
        """A statement is about to be sent."""
        self._went_on = True
        does = effect(statement)
        wrote = self._open.get(connection, _CLEAN) is None
        if does is Effect.READS:
            if not wrote:
                self._open.pop(connection, None)
            return
        if does is Effect.WRITES and not _commits_by_itself(connection):
            self._open[connection] = None
            return
        if wrote:
            self._sent()  # of what was written before; this statement's error says nothing of it
        self._open[connection] = self._sent()

    def commits(self, connection: Connection) -> None:
        """COMMIT is about to be sent."""
        if self._open.pop(connection, _CLEAN) is None:
            self._open[connection] = self._sent()

    def prepares(self, connection: Connection) -> None:
        """The transaction is handed over to whoever commits it: nothing takes that back."""
        if self._open.pop(connection, _CLEAN) is None:
            self._sent()

    def rolls_back(self, connection: Connection) -> None:
        """What was not committed will not be."""
        self._open.pop(connection, None)

    def failed(self, context: ExceptionContext) -> None:
        """The database, or the way to it, said no."""
        self._errors.append(context)
        self._went_on = False
        connection = context.connection
        if connection is None:
            return
        commit = self._open.get(connection)
        if commit is not None:
            commit.error = context
            del self._open[connection]

    def _sent(self) -> Commit:
        commit = Commit()
        self._commits.append(commit)
        return commit

    # What it amounts to, asked when it is over

    @property
    def over(self) -> bool:
        """Whether the try has ended: what still happens in its context is a stray."""
        return self._strays is not None

    def end(self) -> None:
        """The try has ended."""
        self._strays = strays.count - self._strays_before
        self._unfinished = any(
            commit is None and not connection.closed and not connection.invalidated
            for connection, commit in self._open.items()
        )

    def may_be_committed(self) -> bool:
        """Whether anything that was written may stay, as far as anybody can know."""
        return (
            bool(self._strays)
            or self._unfinished  # somebody else may commit it yet
            or any(commit.may_be_done() for commit in self._commits)
            or any(kind_of(error) is Kind.UNKNOWN for error in self._errors)
        )

    def troubled(self) -> bool:
        """Whether there was a conflict or a lost connection."""
        return any(kind_of(error) in TROUBLE for error in self._errors)

    def turned_away(self) -> bool:
        """Whether such an error was the last that the request had to do with a database."""
        return bool(self._errors) and not self._went_on and kind_of(self._errors[-1]) in TROUBLE

    def errors(self) -> collections.Counter[str]:
        """How many errors of which kind."""
        return collections.Counter(kind_of(error).value for error in self._errors)


class _Strays(Observation):
    """What happens outside of all requests: only the number of its commits is kept."""

    def __init__(self) -> None:
        self._open = WeakKeyDictionary()
        self._numbers = itertools.count(1)
        self.count = 0

    def failed(self, context: ExceptionContext) -> None:
        """Nobody asks."""

    def _sent(self) -> Commit:
        self.count = next(self._numbers)
        return Commit()


_CLEAN = Commit()
_current: ContextVar[Observation | None] = ContextVar("discovery.replay", default=None)
strays = _Strays()


def under_observation() -> bool:
    """Whether this context is in a request that is observed already."""
    observation = _current.get()
    return observation is not None and not observation.over


@contextmanager
def observed() -> Iterator[Observation]:
    """What the body does in this context, and in contexts that are made from it."""
    observe_engines()
    observation = Observation()
    token = _current.set(observation)
    try:
        yield observation
    finally:
        observation.end()
        _current.reset(token)


def _seen_by() -> Observation:
    observation = _current.get()
    return strays if observation is None or observation.over else observation


def _commits_by_itself(connection: Connection) -> bool:
    """Whether there is no transaction, and every statement is one."""
    driver: Any = connection.connection.dbapi_connection
    try:
        return connection.dialect.detect_autocommit_setting(driver)
    except NotImplementedError:
        return connection._is_autocommit_isolation()


@functools.cache
def observe_engines() -> None:
    """Listen to every engine of the process, those that there are and those to come; once."""

    def begin(conn: Connection) -> None:
        _seen_by().began(conn)

    def before_cursor_execute(
        conn: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        _seen_by().executes(conn, statement)

    def commit(conn: Connection) -> None:
        _seen_by().commits(conn)

    def prepare_twophase(conn: Connection, xid: Any) -> None:
        _seen_by().prepares(conn)

    def commit_twophase(conn: Connection, xid: Any, is_prepared: bool) -> None:
        _seen_by().prepares(conn)

    def rollback(conn: Connection) -> None:
        _seen_by().rolls_back(conn)

    def handle_error(context: ExceptionContext) -> None:
        if not context.is_pre_ping:  # the pool takes another connection, and nobody is told
            _seen_by().failed(context)

    for listener in (
        begin, before_cursor_execute, commit, prepare_twophase, commit_twophase, rollback,
        handle_error,
    ):  # fmt: skip
        event.listen(Engine, listener.__name__, listener)
