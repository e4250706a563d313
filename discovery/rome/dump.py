"""A database as plain SQL, and back: what `dump` writes, sqlite3 reads, and `load` reads both's."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apsw

from discovery.rome.catalogue import INTEGERS, quoted
from discovery.rome.damage import Damage, commented
from discovery.rome.dbapi import Connection
from discovery.rome.errors import Error, IntegrityError, OperationalError, ProgrammingError
from discovery.rome.head import missing
from discovery.rome.history import shown
from discovery.rome.ids import numbers_given
from discovery.rome.literals import literal
from discovery.rome.locking import TOKEN
from discovery.rome.pages import open_pages
from discovery.rome.schema import schema_objects
from discovery.rome.settings import Settings
from discovery.rome.state import boot
from discovery.rome.statements import COMMENTS, NOTHING, shape
from discovery.rome.store import Store

_COUNTERS = "sqlite_sequence"
_SQLITES_OWN = (_COUNTERS, "sqlite_stat1", "sqlite_stat4")
_COUNTED = re.compile(r"\bAUTOINCREMENT\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` has made."""

    tables: int
    rows: int


def dump(settings: Settings, tell: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """The schema and all rows of one moment, a statement each line or more, in one transaction.

    Of a damaged database what does not fit comes as comments, and ``tell`` gets a sentence.

    Raises:
        OperationalError: there is no such database.
        ConnectionLost, StoreRefused: from the store.
    """
    with Store(settings) as store:
        store.check_server()
        state = boot(store, life=1)
        ids = numbers_given(store.request(lambda client: client.hgetall(store.keys.ids)))
    if not state.epoch:
        raise missing(settings)
    database, _ = open_pages(state.pages)
    try:
        name = " ".join(settings.database.split())  # a comment ends with its line
        yield f"-- database {name}, commit {state.seq} of epoch {state.epoch.hex()}\n"
        yield "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"
        schema = schema_objects(database)
        yield from (_ended(sql) for kind, _, sql in schema if kind == "table")
        for table in state.catalogue.tables.values():
            columns = ", ".join(map(quoted, table.columns))
            into = f"INSERT INTO {quoted(table.name)} ({columns}) VALUES ("
            for row in database.execute(table.select_all):
                yield into + ", ".join(map(literal, row)) + ");\n"
        yield from (_ended(sql) for kind, _, sql in schema if kind != "table")
        yield from _counters(database, ids)
        yield "COMMIT;\n"
        if state.damage is not None:
            yield from _damage(state.damage)
            tell(f"{state.damage.error(settings)}; {len(state.damage.unfit)} rows are comments")
    finally:
        database.close()


def _damage(damage: Damage) -> Iterator[str]:
    """What is not in the database, a comment for each line."""
    for one in (*damage.refused, *damage.losses):
        yield from commented(str(one))
    for refused in damage.refused:
        yield from commented(refused.statement)
    for unfit in damage.unfit:
        yield from commented(f"{unfit.table} {shown(unfit.row)}: {unfit.why}")


def _ended(sql: str) -> str:
    """A statement with its semicolon; a comment at its end would hide that."""
    for end in (";", "\n;", " */;"):
        if apsw.complete(sql + end):
            return f"{sql}{end}\n"
    return f"{sql};\n"


def _counters(database: apsw.Connection, ids: Mapping[str, int]) -> Iterator[str]:
    """The last numbers of tables whose numbers are never given twice (AUTOINCREMENT)."""
    counted = [
        name
        for kind, name, sql in schema_objects(database)
        if kind == "table" and _COUNTED.search(sql)
    ]
    if not counted:
        return
    yield "DELETE FROM sqlite_sequence;\n"
    for name in counted:
        last = min(max(ids.get(name, 0), 0), INTEGERS - 1)
        for (seq,) in database.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)):
            last = max(last, int(seq or 0))
        if last:
            yield f"INSERT INTO sqlite_sequence VALUES ({literal(name)}, {last});\n"


def load(settings: Settings, lines: Iterable[str | bytes]) -> Loaded:
    """Run the SQL of ``lines`` in one transaction, on a database that is empty.

    Raises:
        OperationalError: the database has tables.
        ProgrammingError: the SQL is wrong; with the line that the statement begins at.
        IntegrityError: a row violates a constraint.
        ConnectionLost, StoreRefused: from the store.
    """
    newest = Connection(dataclasses.replace(settings, fresh="sync", foreign_keys=False))
    with contextlib.closing(newest) as connection, connection:
        tables = _tables(connection)
        if tables:
            noun = "table" if len(tables) == 1 else "tables"
            raise OperationalError(
                f"database {settings.database!r} on redis at {settings.address} is not empty: it "
                f"has {len(tables)} {noun}; load wants an empty one"
            )
        counters = _Counters()
        for line, statement in statements(lines):
            if not counters.take(statement):
                _run(connection, line, statement)
        tables = _tables(connection)
        if settings.foreign_keys:
            _check_references(connection, tables)
        rows = sum(_count(connection, name) for name in tables)
        connection.commit()
        counters.give(connection, tables)
    return Loaded(len(tables), rows)


class _Counters:
    """What a dump says of numbers that were given, run on a database of its own."""

    def __init__(self) -> None:
        self._database = apsw.Connection(":memory:")
        self._database.execute("CREATE TABLE any (id INTEGER PRIMARY KEY AUTOINCREMENT)")

    def take(self, statement: str) -> bool:
        """Whether ``statement`` is about them."""
        if _target(statement) != _COUNTERS:
            return False
        with contextlib.suppress(apsw.Error):
            self._database.execute(statement)
        return True

    def give(self, connection: Connection, tables: list[str]) -> None:
        """Let the database begin behind them."""
        store = connection.replica.store
        given: dict[str, int] = {}
        for name, last in self._database.execute("SELECT name, seq FROM sqlite_sequence"):
            if name in tables and isinstance(last, int):
                given[name] = last

        def raise_to(client: Any) -> None:
            for name, last in given.items():
                if last > int(client.hget(store.keys.ids, name) or 0):
                    client.hset(store.keys.ids, name, last)

        if given:
            store.request(raise_to)
            connection.replica.ids.clear()
        self._database.close()


def statements(lines: Iterable[str | bytes]) -> Iterator[tuple[int, str]]:
    """Each statement, with the number of the line that it begins at.

    Raises:
        ProgrammingError: the last statement has no end, or this is no text.
    """
    begun, pending = 0, ""
    for number, line in _numbered(lines):
        if not pending and (not line.strip() or line.lstrip().startswith("--")):
            continue
        begun = begun if pending else number
        if "\0" in line:
            raise ProgrammingError(f"line {number}: a NUL is no SQL; nothing was loaded")
        pending += line
        if ";" in line and apsw.complete(pending):
            yield from _each(begun, pending)
            pending = ""
    if apsw.complete(f"{pending}\n"):  # a comment may be the last, without an end of its line
        yield from _each(begun, pending)
    elif not NOTHING.match(pending):
        raise ProgrammingError(f"line {begun}: the statement that begins here has no end")


def _each(begun: int, text: str) -> Iterator[tuple[int, str]]:
    """The statements of a text that ends with one, by the lines that they begin at."""
    if text.count(";") == 1:
        yield begun, text
        return
    pieces: list[str] = []
    for token in TOKEN.findall(text):
        pieces.append(token)
        if token == ";" and apsw.complete(statement := "".join(pieces)):
            before = COMMENTS.match(statement)
            yield begun + (before.group().count("\n") if before else 0), statement
            begun += statement.count("\n")
            pieces.clear()


def _numbered(lines: Iterable[str | bytes]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        try:
            text = line if isinstance(line, str) else line.decode()
        except UnicodeDecodeError as error:
            raise ProgrammingError(
                f"line {number}: it is not UTF-8 ({error.reason}), and a dump is; nothing was "
                "loaded"
            ) from None
        yield number, text.removeprefix("\ufeff") if number == 1 else text


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
    return statement.split(None, 1)[0].upper() == "PRAGMA" or _target(statement) in _SQLITES_OWN


def _target(statement: str) -> str:
    """The table after INSERT INTO or DELETE FROM, in a statement as dumps have them."""
    words = statement.split(None, 3)
    return words[2].strip('";').partition("(")[0] if len(words) > 2 else ""


def _tables(connection: Connection) -> list[str]:
    return [name for kind, name, _ in schema_objects(connection) if kind == "table"]


def _count(connection: Connection, table: str) -> int:
    ((rows,),) = connection.execute(f"SELECT count(*) FROM {quoted(table)}")
    return int(rows)


def _check_references(connection: Connection, tables: list[str]) -> None:
    for name in tables:
        with contextlib.suppress(OperationalError):  # its parent has no such key: nothing refers
            row = connection.execute(
                "SELECT * FROM pragma_foreign_key_check(?, 'main')", (name,)
            ).fetchone()
            if row is not None:
                raise IntegrityError(
                    f"table {row[0]}: row {row[1]} refers to a row that {row[2]} lacks; nothing "
                    "was loaded"
                )
