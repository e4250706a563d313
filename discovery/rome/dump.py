"""A database as plain SQL, and back: what `dump` writes, sqlite3 reads, and `load` reads both's."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apsw

from discovery.rome.catalogue import quoted
from discovery.rome.dbapi import Connection
from discovery.rome.errors import Error, IntegrityError, OperationalError, ProgrammingError
from discovery.rome.head import missing
from discovery.rome.pages import open_pages
from discovery.rome.schema import schema_objects
from discovery.rome.settings import Settings
from discovery.rome.state import boot
from discovery.rome.statements import shape
from discovery.rome.store import Store

_SQLITES_OWN = ("sqlite_sequence", "sqlite_stat1", "sqlite_stat4")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` has made."""

    tables: int
    rows: int


def dump(settings: Settings) -> Iterator[str]:
    """The schema and all rows of one moment, a statement each line or more, in one transaction.

    Raises:
        OperationalError: there is no such database.
        ConnectionLost, StoreRefused: from the store.
    """
    with Store(settings) as store:
        store.check_server()
        state = boot(store, life=1)
    if not state.epoch:
        raise missing(settings)
    database, _ = open_pages(state.pages)
    try:
        yield f"-- database {settings.database}, commit {state.seq} of epoch {state.epoch.hex()}\n"
        yield "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"
        schema = schema_objects(database)
        yield from (f"{sql};\n" for kind, _, sql in schema if kind == "table")
        for table in state.catalogue.tables.values():
            columns = ", ".join(map(quoted, table.columns))
            into = f"INSERT INTO {quoted(table.name)} ({columns}) VALUES ("
            for row in database.execute(table.select_all):
                yield into + ", ".join(map(apsw.format_sql_value, row)) + ");\n"
        yield from (f"{sql};\n" for kind, _, sql in schema if kind != "table")
        yield "COMMIT;\n"
    finally:
        database.close()


def load(settings: Settings, lines: Iterable[str]) -> Loaded:
    """Run the SQL of ``lines`` in one transaction, on a database that is empty.

    Raises:
        OperationalError: the database has tables.
        ProgrammingError: the SQL is wrong; with the line that the statement begins at.
        IntegrityError: a row violates a constraint.
        ConnectionLost, StoreRefused: from the store.
    """
    newest = Connection(dataclasses.replace(settings, fresh="sync"))
    with contextlib.closing(newest) as connection, connection:
        tables = _tables(connection)
        if tables:
            noun = "table" if len(tables) == 1 else "tables"
            raise OperationalError(
                f"database {settings.database!r} on redis at {settings.address} is not empty: it "
                f"has {len(tables)} {noun}; load wants an empty one"
            )
        for line, statement in statements(lines):
            _run(connection, line, statement)
        if settings.foreign_keys:
            _check_references(connection)
        tables = _tables(connection)
        rows = sum(_count(connection, name) for name in tables)
    return Loaded(len(tables), rows)


def statements(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Each statement, with the number of the line that it begins at.

    Raises:
        ProgrammingError: the last statement has no end.
    """
    begun, pending = 0, ""
    for number, line in enumerate(lines, 1):
        if not pending and (not line.strip() or line.lstrip().startswith("--")):
            continue
        begun = begun if pending else number
        pending += line
        if ";" in line and apsw.complete(pending):
            yield begun, pending
            pending = ""
    if pending:
        raise ProgrammingError(f"line {begun}: the statement that begins here has no end")


def _run(connection: Connection, line: int, statement: str) -> None:
    kind = shape(statement).kind
    if kind in {"begin", "commit"} or _only_sqlites(statement):
        return
    if kind == "rollback":
        raise ProgrammingError(f"line {line}: ROLLBACK is not for a dump; nothing was loaded")
    try:
        connection.execute(statement)
    except Error as error:
        raise type(error)(f"line {line}: {error}; nothing was loaded") from error


def _only_sqlites(statement: str) -> bool:
    """What a dump of sqlite3 says about its own bookkeeping, which has no rows here."""
    words = statement.split(None, 3)
    if words[0].upper() == "PRAGMA":
        return True
    return len(words) > 2 and words[2].strip('"').partition("(")[0] in _SQLITES_OWN


def _tables(connection: Connection) -> list[str]:
    return [name for kind, name, _ in schema_objects(connection) if kind == "table"]


def _count(connection: Connection, table: str) -> int:
    ((rows,),) = connection.execute(f"SELECT count(*) FROM {quoted(table)}")
    return int(rows)


def _check_references(connection: Connection) -> None:
    row = connection.execute("PRAGMA foreign_key_check").fetchone()
    if row is not None:
        raise IntegrityError(
            f"table {row[0]}: row {row[1]} refers to a row that {row[2]} lacks; nothing was loaded"
        )
