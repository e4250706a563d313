"""The rows and tables that a transaction has locked.

A lock in Redis makes the next locker wait; it decides nothing. What a locking read has found is
certified with the commit as well, so that two lockers of one row meet there, also where neither
writes it, and a lock that has expired lets no decision pass that was made on an old row.

A row is locked under the eight bytes that stand for it in certification. Where the text does not
tell which rows are meant (a view, a subquery, UNION), the tables that were read are locked whole.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw
import apsw.ext

from discovery.rome.catalogue import Catalogue, Table, Value, quoted
from discovery.rome.certificate import Certificate, digest
from discovery.rome.errors import Deadlock, LockTimeout, NotLocked, ProgrammingError
from discovery.rome.locking import Locking, Select, Source, Waiting
from discovery.rome.log import DIGEST
from discovery.rome.replica import LEASE_S, Replica
from discovery.rome.state import State
from discovery.rome.workspace import Outcome, Workspace

FIRST_PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.05

UNLOCKED = "rome_unlocked"
"""SQL's function that is false for rows that others hold."""

_POINT = re.compile(
    r"SEARCH (?P<alias>.+) USING (?:INTEGER PRIMARY KEY|(?:COVERING )?INDEX (?P<index>.+)) "
    r"\((?P<terms>[^()]*)\)"
)


def table_lock(table: str) -> bytes:
    """The name of the lock of a whole table."""
    return digest("closed", table)


@dataclass(slots=True)
class Found:
    """What locking reads have found: rows by table, whole tables, tables that must not change."""

    rows: dict[tuple[str, bytes], bool] = field(default_factory=dict)
    tables: dict[str, bool] = field(default_factory=dict)
    unchanged: set[str] = field(default_factory=set)

    def add_row(self, table: str, key: bytes, shared: bool) -> None:
        """A row; ``shared`` where it was only read FOR SHARE so far."""
        self.rows[table, key] = self.rows.get((table, key), True) and shared

    def add_table(self, table: str, shared: bool) -> None:
        """A whole table."""
        self.tables[table] = self.tables.get(table, True) and shared
        self.unchanged.add(table)

    def certify(self, certificate: Certificate) -> None:
        """Let it meet other lockers of the same rows, and whoever changes them."""
        for (table, key), shared in self.rows.items():
            certificate.check("row", table, key)
            certificate.check("closed", table)
            if not shared:
                certificate.bump("row", table, key)
                certificate.bump("locked", table)
        for table, shared in self.tables.items():
            certificate.check("locked", table)
            if not shared:
                certificate.bump("locked", table)
                certificate.bump("closed", table)
        for table in self.unchanged:
            certificate.check("table", table)


class Wait:
    """One request that asks for its locks: how, until when, and what it has so far."""

    def __init__(self, act: Waiting, most_s: float, *, take: bool = True) -> None:
        self.act = act
        self.take = take
        self.until = time.monotonic() + most_s
        self.waited = False
        self.done: set[bytes] = set()


class Locks:
    """The locks that a transaction holds in Redis."""

    def __init__(self, replica: Replica, owner: bytes) -> None:
        self._replica = replica
        self._owner = owner
        self._since = 0.0
        self.held: set[bytes] = set()

    def take(
        self, names: set[bytes], wait: Wait
    ) -> tuple[frozenset[bytes] | LockTimeout | NotLocked, State]:
        """Take these, and wait for whoever holds them; the names that others hold, if that may be.

        One round trip, and one more for each look while others hold them.

        Raises:
            Deadlock: waiting would never end.
        """
        pause = FIRST_PAUSE_S
        while True:
            asked = time.monotonic()
            answer, others, newest = self._replica.lock(
                self._owner, wait.act, names, take=wait.take
            )
            if answer == b"OK":
                break
            if answer == b"DEADLOCK":
                self._replica.counters.deadlocks += 1
                raise Deadlock(
                    "rome: deadlock: the transaction that holds a lock waits for this one; "
                    "run the transaction again"
                )
            if wait.act == "nowait":
                return NotLocked(f"{_REFUSED}; NOWAIT was asked for"), newest
            if asked >= wait.until:
                self._replica.unlock(self._owner, ())
                return LockTimeout(f"{_TIMED_OUT} (lock_wait in the URL)"), newest
            wait.waited = True
            time.sleep(min(pause, max(wait.until - asked, FIRST_PAUSE_S)))
            pause = min(2 * pause, LONGEST_PAUSE_S)
        held = frozenset(others[i : i + DIGEST] for i in range(0, len(others), DIGEST))
        if not wait.take:
            wait.done |= names - held
        elif names - held:
            self.held |= names - held
            self._since = asked
        return held, newest

    def renew(self) -> None:
        """Hold them for longer, if a third of their time has passed."""
        if self.held and time.monotonic() - self._since > LEASE_S / 3:
            self._since = time.monotonic()
            self._replica.lock(self._owner, "renew", self.held)

    def release(self) -> None:
        """Give all of them back."""
        if self.held:
            self._replica.unlock(self._owner, self.held)
            self.held.clear()


_REFUSED = "rome: not locked: another transaction holds a row"
CANNOT_SKIP = f"{_REFUSED}, and which ones it finds cannot be told; SKIP LOCKED wants plain tables"
_TIMED_OUT = "rome: lock wait timed out: another transaction has held a row for too long"


def read(
    workspace: Workspace,
    catalogue: Catalogue,
    statement: Locking,
    parameters: Sequence[Value],
    found: Found,
    skipped: frozenset[bytes],
) -> tuple[Outcome, set[bytes]]:
    """Run a locking SELECT, note what it finds, and say which locks it needs.

    ``skipped``: rows that others hold, and that it passes over.
    """
    with contextlib.suppress(ProgrammingError):  # it is said when the statement is run
        sql, parameters = workspace.written_out(statement.sql, parameters)
        statement = statement.with_text(sql)
    select = statement.select
    sources = None if select is None else _sources(select, catalogue)
    if select is None or sources is None or not _are_named(statement, sources):
        return _whole_tables(workspace, statement, parameters, found)
    locked = _chosen(statement, sources)
    condition = ""
    if skipped:
        condition = " AND ".join(_unlocked(source, table) for source, table in locked)
    columns = [name for source, table in locked for name in _key_columns(source, table)]
    if select.grouped:
        outcome = workspace.run(select.with_columns((), condition), parameters, reads=True)
        first, second, _ = select.places
        only = select.only_columns(columns, condition)
        keys = workspace.run(only, parameters[first : first + second], reads=True)
        shown = keys.rows
        error = outcome.error or keys.error
    else:
        keys = workspace.run(select.with_columns(columns, condition), parameters, reads=True)
        width = len(columns)
        names = None if keys.names is None else keys.names[:-width]
        own = tuple(row[:-width] for row in keys.rows)
        outcome = Outcome(names, own, keys.count, keys.last_id, keys.error)
        shown = tuple(row[-width:] for row in keys.rows)
        error = outcome.error
    if error is not None:  # as the caller wrote it, it has the caller's error
        return _whole_tables(workspace, statement, parameters, found)
    wanted: set[bytes] = set()
    partly: set[str] = set()
    place = 0
    for _, table in locked:
        width = len(table.primary.columns)
        for row in shown:
            key = _key(table, row[place : place + width])
            if key is None:
                partly.add(table.name)
            else:
                found.add_row(table.name, key, statement.shared)
                wanted.add(digest("row", table.name, key))
        place += width
    if statement.waiting != "skip":
        points = _points(workspace, statement, select, sources, parameters) if shown else set()
        read_too = tables_read(workspace, statement.sql) - {table.name for _, table in sources}
        ranges = {table.name for source, table in sources if source.alias.lower() not in points}
        found.unchanged |= partly | read_too | ranges
    return outcome, wanted


def _whole_tables(
    workspace: Workspace, statement: Locking, parameters: Sequence[Value], found: Found
) -> tuple[Outcome, set[bytes]]:
    outcome = workspace.run(statement.sql, parameters, reads=True)
    if outcome.error is not None:
        return outcome, set()
    tables = tables_read(workspace, statement.sql)
    for table in tables:
        found.add_table(table, statement.shared)
    return outcome, {table_lock(table) for table in tables}


def _sources(select: Select, catalogue: Catalogue) -> list[tuple[Source, Table]] | None:
    spelled = {name.lower(): table for name, table in catalogue.tables.items()}
    tables = [(source, spelled.get(source.table.lower())) for source in select.sources]
    known = [(source, table) for source, table in tables if table is not None]
    return known if len(known) == len(tables) else None


def _chosen(statement: Locking, sources: list[tuple[Source, Table]]) -> list[tuple[Source, Table]]:
    """Those that the statement names, by alias or by table; all if it names none."""
    named = {name.lower() for name in statement.of}
    return [
        (source, table)
        for source, table in sources
        if not named or {source.alias.lower(), source.table.lower()} & named
    ]


def _are_named(statement: Locking, sources: list[tuple[Source, Table]]) -> bool:
    known = {name.lower() for source, _ in sources for name in (source.alias, source.table)}
    unknown = [name for name in statement.of if name.lower() not in known]
    if unknown:
        raise ProgrammingError(f"FOR UPDATE OF {unknown[0]}: no table of the statement")
    return True


def _key_columns(source: Source, table: Table) -> list[str]:
    return [
        f"{quoted(source.alias)}.{quoted(table.columns[place])}" for place in table.primary.columns
    ]


def _unlocked(source: Source, table: Table) -> str:
    arguments = ", ".join(_key_columns(source, table))
    return f"{UNLOCKED}({apsw.format_sql_value(table.name)}, {arguments})"


def _key(table: Table, values: Sequence[Value]) -> bytes | None:
    """A row's key from its primary columns; None where an outer join has found no row."""
    if all(value is None for value in values):
        return None
    row: list[Value] = [None] * len(table.columns)
    for place, value in zip(table.primary.columns, values, strict=True):
        row[place] = value
    return table.key_of(row)


def is_skipped(table: Table, values: Sequence[Value], skipped: frozenset[bytes]) -> bool:
    """Whether a row is among those that others hold."""
    key = _key(table, values)
    return key is not None and digest("row", table.name, key) in skipped


def _points(
    workspace: Workspace,
    statement: Locking,
    select: Select,
    sources: list[tuple[Source, Table]],
    parameters: Sequence[Value],
) -> set[str]:
    """The sources, by alias, of which SQLite looks up one row by all columns of a unique key.

    Such a row was found, and nobody else can make another one. Of all others a new row may
    appear that the statement would have found, too; and so it may of a table that is looked up
    once for each row of another, some of which have met nothing.
    """
    points: set[str] = set()
    if select.several:
        return points
    tables = {source.alias.lower(): table for source, table in sources}
    plan = f"EXPLAIN QUERY PLAN {statement.sql}"
    for *_, detail in workspace.run(plan, [None] * len(parameters), reads=True).rows:
        if not detail.startswith(("SCAN ", "SEARCH ")):
            continue
        match = _POINT.match(detail)
        table = tables.get(match["alias"].lower()) if match else None
        if match is None or table is None or not _finds_one(workspace, table, match, select.nulls):
            break
        points.add(match["alias"].lower())
    return points


def _finds_one(workspace: Workspace, table: Table, match: re.Match[str], may_be_null: bool) -> bool:
    """Whether a step of SQLite's plan finds no more than one row of ``table``."""
    terms = match["terms"].split(" AND ")
    keys = {key.name: key.columns for key in (table.primary, *table.unique)}
    columns = () if match["index"] is None else keys.get(match["index"], ())
    if len(terms) != (1 if match["index"] is None else len(columns)):
        return False
    if may_be_null and match["index"] not in {None, table.primary.name}:
        names = [table.columns[place] for place in columns]
        if not all(workspace.database.column_metadata("main", table.name, n)[2] for n in names):
            return False
    return all(term.endswith("=?") for term in terms)


def tables_read(workspace: Workspace, sql: str) -> set[str]:
    """The tables that a statement reads, by asking SQLite to prepare it."""
    actions: Any = apsw.ext.query_info(workspace.database, sql, actions=True).actions
    return {
        action.table_name
        for action in actions or ()
        if action.action_name == "SQLITE_READ" and not action.table_name.startswith("sqlite_")
    }
