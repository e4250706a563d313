"""Everything that Redis holds of one database, as of one moment, for the tools that look at it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from discovery.rome.catalogue import Catalogue
from discovery.rome.damage import Refused
from discovery.rome.head import (
    FORMAT,
    Head,
    check_format,
    head_of,
    lacks,
    lost_of,
    missing,
    read_head,
    same_schema,
)
from discovery.rome.ids import numbers_given
from discovery.rome.log import keys_of, pairs
from discovery.rome.lost_head import Restored, restored
from discovery.rome.reading import FIRST_ROWS, MOST_ROWS, PIECE_BYTES, ChangedError, Reading
from discovery.rome.rows import open_empty
from discovery.rome.store import Store, mapping
from discovery.rome.totals import Total, totals_of

MOST_READINGS = 3
"""How often all is read in pieces, if the log goes on too fast for that, before all at once."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One of the log: its id in the stream, chained hash, payload, and the keys it has changed."""

    id: str
    hash: bytes
    payload: bytes
    keys: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The keys of a database; ``others`` are named like them and belong to no table.

    ``restored``: the head is lost, and this stands in for it.
    """

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
    restored: Restored | None = None

    schema_key: str = ""

    @property
    def counted(self) -> bool:
        """Whether there are totals to hold the rows against."""
        return self.head.get("format") == FORMAT

    def number(self, name: str) -> int:
        """A number of the head."""
        return int(self.head.get(name, b"-1"))


def read_schema(
    store: Store,
    refused: list[Refused] | None = None,
    instead: list[str] | None = None,
    *,
    lost: bool = False,
) -> tuple[Head, list[str], Catalogue]:
    """The head of a database and its schema, without what SQLite refuses: one round trip.

    ``lost``: take a head that is not whole, as it is.

    Raises:
        OperationalError: there is no such database.
        Damaged: its head is not whole.
        StoreRefused: its keys are of another format, or somebody else's.
    """
    keys = store.keys
    others = ["EXISTS", keys.log, keys.versions, keys.schema, keys.totals]
    head, statements, (found,) = read_head(store, others)
    if not head and not found:
        raise missing(store.settings)
    if not lost or not lacks(head) or lost_of(store) is None:
        check_format(store, head)
    schema = [statement.decode(errors="surrogateescape") for statement in statements]
    database, _, catalogue = open_empty(
        schema if instead is None else instead, [] if refused is None else refused
    )
    database.close()
    return head, schema, catalogue


def read(store: Store, instead: list[str] | None = None) -> Snapshot:
    """All of a database; its tables by another schema ``instead`` of its own.

    In pieces, as a boot reads, so that Redis is never busy for long.

    Raises:
        OperationalError, StoreRefused: as `read_schema`.
    """
    named = _names(store)
    for attempt in itertools.count():
        refused: list[Refused] = []
        head, schema, catalogue = read_schema(store, refused, instead, lost=True)
        read_keys = _at_once if attempt >= MOST_READINGS and not lacks(head) else _in_pieces
        try:
            content = read_keys(store, head, schema, catalogue)
        except ChangedError:
            continue
        return Snapshot(
            **content,
            schema_key=store.keys.schema,
            schema=schema,
            catalogue=catalogue,
            others=_strange(store, named, catalogue),
            refused=tuple(refused),
        )
    raise AssertionError


def _strange(store: Store, named: set[str], catalogue: Catalogue) -> list[str]:
    """What is named like the database's keys, and is none."""
    known = {*store.keys.fixed, store.keys.locks, *map(store.keys.rows, catalogue.tables)}
    strange = sorted(named - known)
    if strange:  # a table that was dropped in between has left nothing
        there = store.at_once([["EXISTS", name] for name in strange])
        strange = [name for name, is_there in zip(strange, there, strict=True) if is_there]
    return strange


def _at_once(store: Store, before: Head, _: list[str], catalogue: Catalogue) -> dict[str, Any]:
    """All keys by one request, which keeps Redis busy."""
    keys = store.keys
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
    if not same_schema(before, head):
        raise ChangedError
    return {
        "head": head,
        "log": [_entry(number, fields) for number, fields in log],
        "versions": _numbers(versions),
        "ids": numbers_given(ids),
        "rows": dict(zip(catalogue.tables, map(mapping, rows), strict=True)),
        "totals": totals_of(totals),
    }


def _in_pieces(
    store: Store, before: Head, schema: list[str], catalogue: Catalogue
) -> dict[str, Any]:
    """All keys as they are where the last piece stands in the log.

    What the log has got meanwhile is put on top of the version index and of the rows.
    """
    keys = store.keys
    log = _log_up_to(store, "-", "+")
    start = _number_of(log[-1]) if log else 0
    server, versions = _versions(store)
    made: Restored | None = None
    if lacks(before):
        totals = totals_of(store.at_once([["HGETALL", keys.totals]])[0])
        made = restored(store, before, versions, totals, len(schema))
    lost = before if made is not None else None
    reading = Reading(store, made.head if made else before, at_once=False, lost=lost)
    rows = {table.name: found for table, found in reading.tables(list(catalogue.tables.values()))}
    for name, flat in reading.changes():
        table = rows.get(name.decode(), {})
        for key, row in pairs(flat):
            if row is False:
                table.pop(key, None)
            else:
                table[key] = row
    head = reading.head
    if made is None:
        later = _log_up_to(store, f"({log[-1].id}" if log else "-", f"{reading.seq}-0")
        oldest = int(head["oldest"])
        first = max(oldest, start + 1)
        (now,) = store.at_once([["HGET", keys.head, "oldest"]])
        if reading.server != server or (first <= reading.seq and int(now or 0) > first):
            raise ChangedError
        log = [entry for entry in (*log, *later) if _number_of(entry) >= oldest]
        trimmed = range(int(before["oldest"]), oldest)
        for entry in later:
            versions.update(dict.fromkeys(keys_of(entry.keys), _number_of(entry)))
        versions = {key: number for key, number in versions.items() if number not in trimmed}
    return {
        "head": head,
        "log": log,
        "versions": versions,
        "ids": numbers_given(store.at_once([["HGETALL", keys.ids]])[0]),
        "rows": rows,
        "totals": reading.totals,
        "restored": made,
    }


def _log_up_to(store: Store, first: str, last: str) -> list[StoredEntry]:
    """The entries of a part of the log, in pieces."""
    log: list[StoredEntry] = []
    count = FIRST_ROWS
    while True:
        (part,) = store.at_once([["XRANGE", store.keys.log, first, last, "COUNT", count]])
        log += [_entry(number, fields) for number, fields in part]
        if len(part) < count:
            return log
        size = sum(len(entry.payload) + len(entry.keys) for entry in log[-count:])
        count = max(min(PIECE_BYTES * count // (size + 1), MOST_ROWS), 1)
        first = f"({log[-1].id}"


def _versions(store: Store) -> tuple[bytes, dict[bytes, int]]:
    """The version index in pieces, and the run of Redis that has given it."""
    found: dict[bytes, bytes] = {}
    cursor, server = 0, b""
    while True:
        said, (cursor, part) = store.at_once(
            [["INFO", "server"], ["HSCAN", store.keys.versions, cursor, "COUNT", MOST_ROWS]]
        )
        run = str(said["run_id"]).encode()
        if server not in (b"", run):
            raise ChangedError
        server = run
        found.update(part)
        if not int(cursor):
            return server, _numbers(found)


def _number_of(entry: StoredEntry) -> int:
    return int(entry.id.split("-")[0])


def _numbers(reply: Any) -> dict[bytes, int]:
    """The version index; what is no number is of no entry."""
    found = mapping(reply).items()
    return {key: int(number) if number.isdigit() else -1 for key, number in found}


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
