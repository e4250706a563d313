"""An SQLite connection that shows one state of the replica, and private changes on top of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import apsw
import apsw.ext
import msgpack

from discovery.rome import errors
from discovery.rome.catalogue import Catalogue, Row, Value
from discovery.rome.functions import REGEXP, regexp
from discovery.rome.limits import with_limit
from discovery.rome.pages import Pages, open_pages
from discovery.rome.reads import Reader
from discovery.rome.state import State
from discovery.rome.statements import NOTHING, with_literals

_WRITES = frozenset({"SQLITE_INSERT", "SQLITE_UPDATE", "SQLITE_DELETE"})
SEVERAL = "one statement at a time; there is another after a semicolon"
ALONE = (
    "this statement would change one process' replica alone: a ROME database is what its tables, "
    "indexes, views, triggers and rows are"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a statement tells its caller: rows and their names, counts, or an error."""

    names: tuple[str, ...] | None
    rows: tuple[Row, ...]
    count: int
    last_id: int | None
    error: errors.DatabaseError | None = None

    def same_as(self, other: Outcome) -> bool:
        """Whether a caller could tell the two apart."""
        if self.error is not None or other.error is not None:
            return type(self.error) is type(other.error) and str(self.error) == str(other.error)
        return (
            self.count == other.count
            and self.last_id == other.last_id
            and msgpack.packb(self.rows) == msgpack.packb(other.rows)  # 1 is not 1.0 to a caller
        )


class Workspace:
    """One connection's own SQLite handle; `show` pins it on a state."""

    def __init__(self, foreign_keys: bool, next_id: Callable[..., Any]) -> None:
        self._foreign_keys = foreign_keys
        self._next_id = next_id
        self._life = 0
        self._enforced = False
        self._database: apsw.Connection | None = None
        self._functions: dict[tuple[str, int], tuple[Callable[..., Any], bool]] = {}
        self._names: tuple[str, ...] = ()
        self._cursor: apsw.Cursor | None = None
        self._only_reads = self._running = False
        self._objection: errors.Error | None = None
        self._room = 0
        self._changes: apsw.Session | None = None
        self._unnumbered: list[tuple[str, apsw.Session]] = []
        self._written: defaultdict[str, set[int]] = defaultdict(set)
        self.shaken: set[str] = set()
        """The tables of which rows were changed or deleted since `show`; not those by REPLACE."""
        self.reader = Reader()
        """What is known of statements that this handle has prepared."""
        self.add_function(REGEXP, 2, regexp, deterministic=True)

    @property
    def database(self) -> apsw.Connection:
        """The SQLite handle, once something is shown."""
        assert self._database is not None
        return self._database

    def add_function(
        self,
        name: str,
        arguments: int,
        function: Callable[..., Any],
        *,
        deterministic: bool = False,
    ) -> None:
        """A Python function that SQL may call."""
        self._functions[name, arguments] = (function, deterministic)
        if self._database is not None:
            self._database.create_scalar_function(
                name, function, arguments, deterministic=deterministic
            )

    def show(self, state: State) -> None:
        """Begin a transaction on ``state``."""
        if self._database is None:
            self._open(state)
        self._file.pin(state.pages)
        if self._life != state.life:
            self._forget_pages()
            self._life = state.life
        self._written.clear()
        self.shaken.clear()
        self.enforce(True)
        self.database.execute("BEGIN")

    def enforce(self, wanted: bool) -> None:
        """Switch foreign keys on, if the URL says so, or off; also within a transaction.

        SQLite's PRAGMA does that outside of transactions only, its C call everywhere. What it
        protects is the count of deferred violations, which `check_references` asks for: one that
        DDL takes away while they are off stays counted, and the commit is refused.
        """
        enforced = wanted and self._foreign_keys
        if enforced != self._enforced:
            self.database.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, int(enforced))
            self._enforced = enforced

    @property
    def enforces(self) -> bool:
        """Whether foreign keys are to hold here."""
        return self._foreign_keys

    def _open(self, state: State) -> None:
        self._database, self._file = open_pages(state.pages)
        self.database.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 0)
        self._enforced = False
        self._life = state.life
        self._database.exec_trace = self._note
        self._database.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        self._room = self._database.limit(apsw.SQLITE_LIMIT_VARIABLE_NUMBER)
        for (name, arguments), (function, deterministic) in self._functions.items():
            self._database.create_scalar_function(
                name, function, arguments, deterministic=deterministic
            )
        self._database.create_scalar_function("rome_id", self._next_id, 2)
        self._database.set_update_hook(self._note_written)

    def _forget_pages(self) -> None:
        """Read all anew, schema too: another boot's pages may count changes as these did.

        The handle stays, and with it the connection's temporary tables.
        """
        self.database.file_control("main", apsw.SQLITE_FCNTL_RESET_CACHE, 0)
        self.database.execute("PRAGMA writable_schema=RESET")

    def _note(self, cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        """Before a statement is run: names of its columns, and whether it is what it was taken for.

        What rome_id asks for in between comes here, too.
        """
        if not self._running:
            return True
        if self._cursor is None:
            self._cursor = cursor
            self._names = tuple(column[0] for column in cursor.get_description())
            if self._only_reads and not cursor.is_readonly and not cursor.is_explain:
                self._objection = errors.NotSupportedError(ALONE)
        elif cursor is self._cursor and not NOTHING.match(sql):
            self._objection = errors.ProgrammingError(SEVERAL)
        return self._objection is None

    def _note_written(self, kind: int, schema: str, table: str, row_number: int) -> None:
        if schema == "main":
            if kind != apsw.SQLITE_INSERT:
                self.shaken.add(table)
            if kind != apsw.SQLITE_DELETE:
                self._written[table].add(row_number)

    def watch(self, catalogue: Catalogue) -> None:
        """Record changes from now on: of tables without row numbers also, whether there was any."""
        if self._changes is None:
            session = apsw.Session(self.database, "main")
            session.config(apsw.SQLITE_SESSION_OBJCONFIG_ROWID, 1)
            session.table_filter(lambda name: not name.startswith("sqlite_"))
            self._changes = session
            for name in catalogue.unnumbered:
                session = apsw.Session(self.database, "main")
                session.attach(name)
                self._unnumbered.append((name, session))

    def written(self) -> Mapping[str, set[int]]:
        """By table the row numbers that were written since `show`, changed or not, gone or not.

        Of a table without row numbers there are none, if any row of it was written.
        """
        for name, session in self._unnumbered:
            if not session.is_empty:
                self._written.setdefault(name, set())
        return {
            name: numbers
            for name, numbers in self._written.items()
            if not name.startswith("sqlite_")
        }

    def unwatch(self) -> bytes:
        """What has changed since `watch`, as a changeset; recording stops."""
        if self._changes is None:
            return b""
        changes = self._changes.changeset()
        self._stop_watching()
        return changes

    def _stop_watching(self) -> None:
        if self._changes is not None:
            self.written()
            for _, session in self._unnumbered:
                session.close()
            self._unnumbered.clear()
            self._changes.close()
            self._changes = None

    def changes(self) -> bytes:
        """What has changed since `watch`; recording goes on."""
        return b"" if self._changes is None else self._changes.changeset()

    def run(
        self, sql: str, parameters: Sequence[Value], *, reads: bool, only_reads: bool = False
    ) -> Outcome:
        """Execute one statement to its end.

        Raises:
            NotSupportedError, ProgrammingError: it is not what it was taken for; it may be done, so
                roll back.
        """
        self._names, self._cursor, self._objection = (), None, None
        self._only_reads, self._running = only_reads, True
        try:
            rows = self._execute(sql, parameters)
        finally:
            self._running = False
        if not isinstance(rows, tuple):
            return Outcome(None, (), -1, None, rows)
        names = self._names or None
        if reads:
            return Outcome(names, rows, -1, None)
        count = self.database.changes() if names is None else len(rows)
        return Outcome(names, rows, count, self.database.last_insert_rowid() or None)

    def written_out(self, sql: str, parameters: Sequence[Value]) -> tuple[str, Sequence[Value]]:
        """A statement and its parameters; those that SQLite does not bind stand in its text.

        Raises:
            ProgrammingError: more or fewer parameters than question marks.
        """
        if len(parameters) <= self._room:
            return sql, parameters
        return with_literals(sql, _bindable(parameters)), ()

    def _execute(
        self, sql: str, parameters: Sequence[Value]
    ) -> tuple[Row, ...] | errors.DatabaseError:
        """The rows of a statement, or what its caller is to be told."""
        try:
            values = _bindable(parameters)
        except Exception as error:  # of a value that cannot say what it is
            return errors.DataError(f"{type(error).__name__}: {error}")
        self.database.set_last_insert_rowid(0)
        try:
            return tuple(self.database.execute(*self.written_out(sql, values)))
        except apsw.ExecTraceAbort as error:
            raise self._objection or translated(error) from None
        except errors.ProgrammingError as error:
            return error
        except errors.Error:
            raise
        except Exception as error:
            known = isinstance(error, apsw.Error | UnicodeError | TypeError | OverflowError)
            if known:
                return translated(error, self.database)
            # from a Python function that SQL has called
            return errors.OperationalError(f"{type(error).__name__}: {error}")

    def refuse_inner(self, sql: str) -> None:
        """Let nobody write to SQLite's own tables, which only this process would have.

        Raises:
            NotSupportedError: the statement does.
        """
        try:
            found: Any = apsw.ext.query_info(self.database, sql, actions=True).actions
        except apsw.Error:  # it says so when it is run
            return
        for action in found or ():
            name = getattr(action, "table_name", None) or ""
            own = name.startswith("sqlite_") and action.database_name == "main"
            if own and action.action_name in _WRITES:
                raise errors.NotSupportedError(ALONE)

    def check_keys(self, catalogue: Catalogue) -> None:
        """Refuse rows with NULL in their primary key, which SQLite takes by an old mistake.

        Raises:
            IntegrityError: naming the table.
        """
        for table in catalogue.tables.values():
            if table.keyless and self.database.execute(table.keyless).fetchone():
                raise errors.IntegrityError(f"NOT NULL constraint failed: {table.name}: its key")

    def check_references(self) -> None:
        """Say now what COMMIT would say of deferred foreign keys: Redis must not accept it first.

        Raises:
            IntegrityError: a row refers to one that is not there.
        """
        if self.database.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]:
            raise errors.IntegrityError("FOREIGN KEY constraint failed")

    def publish(self) -> Pages:
        """Commit on top of the shown state, and give the pages that result."""
        self._stop_watching()
        self.database.execute("COMMIT")
        pages = self._file.published()
        self._file.pin(pages)
        return pages

    def keep_temporary(self) -> None:
        """Commit what temporary tables hold, where the transaction's pages were not published.

        SQLite commits all or nothing, so that main's pages are committed here too; the next `show`
        drops them, and nothing of them may stay in SQLite's cache.
        """
        database = self.database
        if database.in_transaction and self.wrote_temporary:
            self._stop_watching()
            database.execute("COMMIT")
            self._forget_pages()

    @property
    def wrote_temporary(self) -> bool:
        """Whether the transaction has changed a temporary table."""
        return self.database.txn_state("temp") == apsw.SQLITE_TXN_WRITE

    def discard(self) -> None:
        """Undo everything since `show`."""
        self._stop_watching()
        if self._database is not None and self._database.in_transaction:
            self._database.execute("ROLLBACK")

    def close(self) -> None:
        """Give the handle back."""
        self.discard()
        if self._database is not None:
            self._database.close()
            self._database = None
            self._life = 0


def _bindable(parameters: Sequence[Value]) -> tuple[Value, ...]:
    return tuple(
        value if value is None or type(value) in _PLAIN else _plain(value) for value in parameters
    )


_PLAIN = frozenset({int, str, float, bytes})


def _plain(value: Value) -> Value:
    """A value of Python's library as SQLite stores it."""
    for kind, stored in _STORED:
        if isinstance(value, kind):
            return stored(value)
    return value


_STORED: tuple[tuple[Any, Callable[[Any], Value]], ...] = (
    (bool, int),
    (datetime, lambda value: value.replace(tzinfo=None).isoformat(" ")),
    (time, lambda value: value.replace(tzinfo=None).isoformat()),
    (date, lambda value: value.isoformat()),
    (Decimal, float),
    (UUID, lambda value: value.hex),
    ((bytearray, memoryview), bytes),
)


def translated(error: Exception, database: apsw.Connection | None = None) -> errors.DatabaseError:
    """An error of SQLite, of a text that is not UTF-8, or of Python, as PEP 249 has it."""
    if isinstance(error, UnicodeError):
        return errors.DataError(f"a text is not UTF-8: {error}")
    text = with_limit(str(error).removeprefix(f"{type(error).__name__}: "), database)
    for kind, ours in _OURS:
        if isinstance(error, kind):
            return ours(text)
    return errors.InternalError(f"{type(error).__name__}: {text}")


_OURS: tuple[tuple[type[Exception], type[errors.DatabaseError]], ...] = (
    (apsw.ConstraintError, errors.IntegrityError),
    (apsw.MismatchError, errors.DataError),
    (apsw.RangeError, errors.DataError),
    (apsw.TooBigError, errors.DataError),
    (apsw.BindingsError, errors.ProgrammingError),
    (apsw.CorruptError, errors.InternalError),
    (apsw.NotADBError, errors.InternalError),
    (apsw.Error, errors.OperationalError),
    (TypeError, errors.ProgrammingError),
    (ValueError, errors.DataError),
    (ArithmeticError, errors.DataError),
    (MemoryError, errors.OperationalError),
    (OSError, errors.OperationalError),
)
