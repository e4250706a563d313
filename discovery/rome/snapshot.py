"""Everything that Redis holds of one database, as of one moment, for the tools that look at it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from discovery.rome.catalogue import Catalogue
from discovery.rome.errors import OperationalError
from discovery.rome.pages import Pages
from discovery.rome.replica import FORMAT, foreign, open_as_stored
from discovery.rome.store import Store, mapping


@dataclass(frozen=True, slots=True)
class Entry:
    """One of the log: its id in the stream, chained hash, payload, and the keys it has changed."""

    id: str
    hash: bytes
    payload: bytes
    keys: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The keys of a database; ``others`` are named like them and belong to no table."""

    head: dict[str, bytes]
    schema: list[str]
    catalogue: Catalogue
    log: list[Entry]
    versions: dict[bytes, int]
    ids: dict[str, int]
    rows: dict[str, dict[bytes, bytes]]
    others: list[str]

    def number(self, name: str) -> int:
        """A number of the head."""
        return int(self.head.get(name, b"-1"))


def read_schema(store: Store) -> tuple[dict[str, bytes], list[str], Catalogue]:
    """The head of a database and its schema: one round trip.

    Raises:
        OperationalError: there is no such database.
        StoreRefused: its keys are of another format, or somebody else's.
    """
    keys = store.keys
    first, statements, more = store.at_once(
        [
            ["HGETALL", keys.head],
            ["LRANGE", keys.schema, 0, -1],
            ["EXISTS", keys.log, keys.versions, keys.schema],
        ]
    )
    head = {name.decode(): value for name, value in mapping(first).items()}
    if not head and not more:
        raise OperationalError(
            f"redis at {store.settings.address} holds no database {store.settings.database!r}"
        )
    if head.get("format") != FORMAT:
        raise foreign(store, head.get("format", b"none"))
    schema = [statement.decode() for statement in statements]
    return head, schema, _catalogue(schema)


def read(store: Store) -> Snapshot:
    """All of a database.

    Raises:
        OperationalError, StoreRefused: as `read_schema`.
    """
    keys = store.keys
    named = store.request(_names(store))
    while True:
        before, schema, catalogue = read_schema(store)
        second, log, versions, ids, *rows = store.at_once(
            [
                ["HGETALL", keys.head],
                ["XRANGE", keys.log, "-", "+"],
                ["HGETALL", keys.versions],
                ["HGETALL", keys.ids],
                *(["HGETALL", keys.rows(name)] for name in catalogue.tables),
            ]
        )
        head = {name.decode(): value for name, value in mapping(second).items()}
        if head.get("schema") == before.get("schema") and head.get("epoch") == before.get("epoch"):
            break
    known = {keys.head, keys.log, keys.versions, keys.ids, keys.schema}
    known.update(keys.rows(name) for name in catalogue.tables)
    strange = sorted(named - known)
    if strange:  # a table that was dropped in between has left nothing
        there = store.at_once([["EXISTS", name] for name in strange])
        strange = [name for name, is_there in zip(strange, there, strict=True) if is_there]
    return Snapshot(
        head=head,
        schema=schema,
        catalogue=catalogue,
        log=[_entry(number, fields) for number, fields in log],
        versions={key: int(number) for key, number in mapping(versions).items()},
        ids={name.decode(): int(number) for name, number in mapping(ids).items()},
        rows=dict(zip(catalogue.tables, map(mapping, rows), strict=True)),
        others=strange,
    )


def _catalogue(schema: Iterable[str]) -> Catalogue:
    database, _ = open_as_stored(Pages())
    for statement in schema:
        database.execute(statement)
    try:
        return Catalogue(database)
    finally:
        database.close()


def _names(store: Store) -> Any:
    """All keys that are named like this database's, whatever they hold."""
    pattern = "".join(f"\\{c}" if c in "*?[]\\^-" else c for c in f"{store.keys.prefix}:") + "*"

    def scan(client: Any) -> set[str]:
        return {name.decode() for name in client.scan_iter(match=pattern, count=1000)}

    return scan


def _entry(number: bytes, fields: dict[bytes, bytes]) -> Entry:
    return Entry(
        number.decode(), fields.get(b"h", b""), fields.get(b"d", b""), fields.get(b"k", b"")
    )
