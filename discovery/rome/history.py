"""The database as its log tells it, held against the hashes that new replicas are built from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import apsw
import msgpack

from discovery.rome.catalogue import Catalogue
from discovery.rome.damage import Unfit
from discovery.rome.log import SCHEMA_CHANGED, content_of, pairs
from discovery.rome.rows import UNFIT, apply_entry, fill_what_fits, open_empty, plain
from discovery.rome.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must never be: what it is of, and the witness."""

    of: str
    witness: str


@dataclass(slots=True)
class History:
    """The database as the kept log tells it: per table each row written last, and by which entry.

    ``whole`` tables are told from their beginning: their hash may hold no other row.
    """

    schema: list[str] | None
    rows: dict[str, dict[bytes, tuple[bytes | None, int]]]
    whole: set[str]
    since_schema: list[Any] = field(default_factory=list)
    at_schema: dict[str, dict[bytes, bytes]] = field(default_factory=dict)

    def present(self) -> dict[str, dict[bytes, bytes]]:
        """The rows that are there, by table."""
        return {
            name: {key: row for key, (row, _) in rows.items() if row is not None}
            for name, rows in self.rows.items()
        }


def told(snapshot: Snapshot) -> History:
    """What the kept log, which must be whole, tells."""
    from_start = snapshot.number("oldest") == 1
    names = set(snapshot.rows) if from_start else set()
    history = History(None, {name: {} for name in names}, names)
    for number, entry in enumerate(snapshot.log, snapshot.number("oldest")):
        content = content_of(entry.payload)
        if content[0] == SCHEMA_CHANGED:
            history.schema = [statement.decode() for statement in content[1]]
            for name, flat in content[2]:
                history.rows[name.decode()] = {key: (row, number) for key, row in pairs(flat)}
                history.whole.add(name.decode())
            history.since_schema, history.at_schema = [], history.present()
            continue
        history.since_schema.append(content[1])
        for name, flat in content[1]:
            table = history.rows.setdefault(name.decode(), {})
            for key, row in pairs(flat):
                table[key] = (None if row is False else row, number)
    return history


def contents(snapshot: Snapshot) -> Iterator[Violation]:
    """The hashes hold what the log wrote last, and nothing else where it tells the whole table."""
    history = told(snapshot)
    if history.schema is not None and history.schema != snapshot.schema:
        differing = set(history.schema) ^ set(snapshot.schema)
        witness = min(differing, default="the order of its statements")
        yield Violation("schema", f"it is not what the log says: {witness}")
        return
    same = True
    for name, rows in history.rows.items():
        held = snapshot.rows.get(name, {})
        for key, (row, number) in rows.items():
            if held.get(key) != row:
                wrote, holds = shown(row), shown(held.get(key))
                yield Violation(
                    f"table {name}",
                    f"key {shown(key)}: entry {number} left {wrote}, the hash holds {holds}",
                )
                same = False
        for key in held.keys() - rows.keys() if name in history.whole else ():
            yield Violation(
                f"table {name}",
                f"key {shown(key)}: the hash holds {shown(held[key])}, which no entry wrote",
            )
            same = False
    if same and snapshot.rows.keys() <= history.whole:
        yield from _replicas(snapshot, history)


def _replicas(snapshot: Snapshot, history: History) -> Iterator[Violation]:
    """A replica that has followed the log holds the same rows as one that is built now."""
    followed, unfit = built(snapshot.schema, history.at_schema)
    booted, more = built(snapshot.schema, snapshot.rows)
    catalogue = Catalogue(followed)
    if unfit or more:
        return  # said of the hashes, which hold the same
    try:
        for tables in history.since_schema:
            apply_entry(followed, catalogue, tables)
    except (LookupError, *UNFIT) as error:
        yield Violation("replica", f"it cannot be built: {plain(error)}")
        return
    for table in catalogue.tables.values():
        differing = set(followed.execute(table.select_all)) ^ set(booted.execute(table.select_all))
        if differing:
            witness = min(differing, key=repr)
            yield Violation(f"table {table.name}", f"replicas differ in row {witness!r}")


def built(
    schema: list[str], rows: dict[str, dict[bytes, bytes]]
) -> tuple[apsw.Connection, list[Unfit]]:
    """A database of these rows, as a replica builds it, and the rows that it leaves out."""
    database, _, catalogue = open_empty(schema, [])
    unfit = []
    for name, table in catalogue.tables.items():
        unfit += fill_what_fits(database, table, rows.get(name, {}))
    database.execute("COMMIT")
    return database, unfit


def shown(value: bytes | None) -> str:
    """A packed key or row, for people."""
    if value is None:
        return "nothing"
    try:
        return repr(msgpack.unpackb(value))
    except (ValueError, msgpack.UnpackException):
        return f"0x{value.hex()}"
