"""Everything that Redis holds of one database, as of one moment, for the tools that look at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from discovery.rome.catalogue import Catalogue
from discovery.rome.damage import Refused
from discovery.rome.head import (
    FORMAT,
    Head,
    check_format,
    head_of,
    missing,
    read_head,
    same_schema,
)
from discovery.rome.ids import numbers_given
from discovery.rome.rows import open_empty
from discovery.rome.store import Store, mapping
from discovery.rome.totals import Total, totals_of


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One of the log: its id in the stream, chained hash, payload, and the keys it has changed."""

    id: str
    hash: bytes
    payload: bytes
    keys: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The keys of a database; ``others`` are named like them and belong to no table."""

    head: Head
    schema: list[str]
    catalogue: Catalogue
    log: list[StoredEntry]
    versions: dict[bytes, int]
    ids: dict[str, int]
    rows: dict[str, dict[bytes, bytes]]
    others: list[str]
    totals: dict[str, Total] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()

    @property
    def counted(self) -> bool:
        """Whether there are totals to hold the rows against."""
        return self.head.get("format") == FORMAT

    def number(self, name: str) -> int:
        """A number of the head."""
        return int(self.head.get(name, b"-1"))


def read_schema(
    store: Store, refused: list[Refused] | None = None, instead: list[str] | None = None
) -> tuple[Head, list[str], Catalogue]:
    """The head of a database and its schema, without what SQLite refuses: one round trip.

    Raises:
        OperationalError: there is no such database.
        StoreRefused: its keys are of another format, or somebody else's.
    """
    keys = store.keys
    others = ["EXISTS", keys.log, keys.versions, keys.schema]
    head, statements, (found,) = read_head(store, others)
    if not head and not found:
        raise missing(store.settings)
    check_format(store, head)
    schema = [statement.decode(errors="surrogateescape") for statement in statements]
    database, _, catalogue = open_empty(
        schema if instead is None else instead, [] if refused is None else refused
    )
    database.close()
    return head, schema, catalogue


def read(store: Store, instead: list[str] | None = None) -> Snapshot:
    """All of a database; its tables by another schema ``instead`` of its own.

    Raises:
        OperationalError, StoreRefused: as `read_schema`.
    """
    keys = store.keys
    named = _names(store)
    while True:
        refused: list[Refused] = []
        before, schema, catalogue = read_schema(store, refused, instead)
        reply, log, versions, ids, totals, *rows = store.at_once(
            [
                ["HGETALL", keys.head],
                ["XRANGE", keys.log, "-", "+"],
                ["HGETALL", keys.versions],
                ["HGETALL", keys.ids],
                ["HGETALL", keys.totals],
                *(["HGETALL", keys.rows(name)] for name in catalogue.tables),
            ]
        )
        head = head_of(reply)
        if same_schema(before, head):
            break
    known = {*keys.fixed, keys.locks}
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
        versions={
            key: int(number) if number.isdigit() else -1
            for key, number in mapping(versions).items()
        },
        ids=numbers_given(ids),
        rows=dict(zip(catalogue.tables, map(mapping, rows), strict=True)),
        others=strange,
        totals=totals_of(totals),
        refused=tuple(refused),
    )


def _names(store: Store) -> set[str]:
    """All keys that are named like this database's, whatever they hold."""
    pattern = "".join(f"\\{c}" if c in "*?[]\\^-" else c for c in f"{store.keys.prefix}:") + "*"

    return store.request(
        lambda client: {name.decode() for name in client.scan_iter(match=pattern, count=1000)}
    )


def _entry(number: bytes, fields: Any) -> StoredEntry:
    said = mapping(fields)
    return StoredEntry(
        number.decode(), said.get(b"h", b""), said.get(b"d", b""), said.get(b"k", b"")
    )
