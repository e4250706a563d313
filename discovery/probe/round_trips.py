"""Round trips of a call, by what each driver sends for what SQLAlchemy asks of it.

========== ==================================================================================
pymysql    a statement, COMMIT, ROLLBACK: one each, always; BEGIN is never sent
psycopg2   a statement: one; BEGIN before a transaction's first; COMMIT and ROLLBACK only if
           there is a transaction
ROME       none of these; its driver says itself when it asks Redis
any other  as pymysql
========== ==================================================================================

The pool's check of a connection that it hands out (``pool_pre_ping``) is one more, and so is the
ROLLBACK that it asks for when a connection is given back. Many rows at once are a round trip
each where the driver sends them one by one. Opening a connection is counted as a connection.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext
from sqlalchemy.pool import Pool

from discovery.probe.calls import Sink, current

ROME = "discovery.rome.dbapi"
_ROME_COUNTERS = "discovery.rome.counters"
_NEW = "discovery.probe.new"


class Driver:
    """A driver that sends each thing by itself, always."""

    def statement(self, connection: Connection, sql: str, rows: int) -> int:
        """Of a statement with so many rows of parameters."""
        return rows

    def end(self, connection: Any) -> int:
        """Of COMMIT or ROLLBACK, on a connection of the driver's."""
        return 1

    def check(self) -> int:
        """Of the pool's check."""
        return 1


class PyMySql(Driver):
    """Puts the rows of an INSERT into one statement."""

    def statement(self, connection: Connection, sql: str, rows: int) -> int:  # noqa: D102
        return 1 if sql[:6].upper() == "INSERT" else rows


class Psycopg2(Driver):
    """Sends BEGIN by itself, and no COMMIT without it."""

    def statement(self, connection: Connection, sql: str, rows: int) -> int:  # noqa: D102
        own: Any = connection.connection.dbapi_connection
        return rows + (own.status == self._READY and not own.autocommit)

    def end(self, connection: Any) -> int:  # noqa: D102
        return int(connection.status != self._READY)

    def check(self) -> int:  # noqa: D102
        return 1  # SQLAlchemy switches to autocommit for it

    _READY = 1  # psycopg2.extensions.STATUS_READY


class Rome(Driver):
    """Tells by itself; see `discovery.rome.counters`."""

    def statement(self, connection: Connection, sql: str, rows: int) -> int:  # noqa: D102
        return 0

    def end(self, connection: Any) -> int:  # noqa: D102
        return 0

    def check(self) -> int:  # noqa: D102
        return 0


_DRIVERS = {"pymysql": PyMySql(), "psycopg2": Psycopg2(), ROME: Rome()}
_OTHER = Driver()


def driver_of(dialect: Any) -> Driver:
    """What sends for ``dialect``."""
    return _DRIVERS.get(dialect.dbapi.__name__, _OTHER)


def _sent() -> None:
    """ROME is about to ask Redis, in this context."""
    call = current()
    if call is not None:
        call.round_trips += 1


@functools.cache
def listen(sink: Callable[[], Sink]) -> None:
    """Count for every engine of the process, those that there are and those to come; once."""

    def before_cursor_execute(
        conn: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        call = current()
        if call is None:
            sink().stray()
            return
        # SQLAlchemy's own batches of an INSERT are ``many``, too, and have one set of parameters.
        rows = len(parameters) if many and isinstance(parameters, list) else 1
        call.statements += 1
        call.round_trips += driver_of(conn.dialect).statement(conn, statement, rows)
        if not call.database:
            call.database = conn.engine.url.database or ""

    def end(conn: Connection) -> None:
        call = current()
        if call is not None and not conn.closed and not conn.invalidated:
            driver = driver_of(conn.dialect)
            call.round_trips += driver.end(conn.connection.dbapi_connection)

    def handle_error(context: ExceptionContext) -> None:
        call = current()
        if call is not None and not context.is_pre_ping:
            call.db_errors += 1

    def connect(connection: Any, record: Any) -> None:
        record.info[_NEW] = True
        counters = sys.modules.get(_ROME_COUNTERS)
        if counters is not None and _sent not in counters.listeners:
            counters.listeners.append(_sent)
        call = current()
        if call is not None:
            call.connections += 1

    def checkout(connection: Any, record: Any, fairy: Any) -> None:
        fresh = record.info.pop(_NEW, False)
        call = current()
        if call is not None and not fresh and fairy._pool._pre_ping:
            call.round_trips += driver_of(fairy._pool._dialect).check()

    def reset(connection: Any, record: Any, state: Any) -> None:
        call = current()
        if call is None or state.transaction_was_reset or state.terminate_only:
            return
        pool = record._ConnectionRecord__pool
        call.round_trips += driver_of(pool._dialect).end(connection)

    event.listen(Engine, "before_cursor_execute", before_cursor_execute)
    event.listen(Engine, "commit", end)
    event.listen(Engine, "rollback", end)
    event.listen(Engine, "handle_error", handle_error)
    event.listen(Pool, "connect", connect)
    event.listen(Pool, "checkout", checkout)
    event.listen(Pool, "reset", reset)
