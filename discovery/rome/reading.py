"""All rows of a database, read in pieces while others write: Redis is never busy for long.

A piece is one short transaction on Redis: parts of some tables (HSCAN), and what the log has got
since the last piece. HSCAN gives every row that is there all the time; of those that came, changed
or went meanwhile the log tells. So a table that has been scanned to its end, with the log's changes
on top, is what it was at the moment of that last piece; and what changes later is in the log, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from discovery.rome.catalogue import Table
from discovery.rome.head import Head, foreign, head_of, same_schema, uncounted
from discovery.rome.log import SCHEMA_CHANGED, content_of, of_script, pairs
from discovery.rome.scripts import SYNC
from discovery.rome.store import Command, Store
from discovery.rome.totals import Loss, Total, totals_of

PIECE_BYTES = 2_000_000
"""What Redis is asked to send at once, about."""

FIRST_ROWS, MOST_ROWS = 50, 10_000
"""Rows that are asked for at once, of a table whose rows' size is not known yet and at most."""

MOST_TABLES = 256
"""Tables that are begun at once."""

ENTRIES_AT_ONCE = 1_000
"""How many of the log a piece brings at most."""

ALL_ROWS = 2**31 - 1


class ChangedError(Exception):
    """The schema has changed, or this is another history, or the log has gone on too far."""


@dataclass(slots=True)
class _Scan:
    """How far a table has been read; ``count``: rows of ``row_bytes`` that are asked for next."""

    table: Table
    count: int
    row_bytes: int = 500
    cursor: int = 0
    done: bool = False
    rows: dict[bytes, bytes] = field(default_factory=dict)


class Reading:
    """Reads tables, and follows the log from ``head`` on; at the end it is at ``seq``, ``hash``.

    ``at_once``: not in pieces, where the log goes on faster than they come. ``lost``: what there is
    of a head that ``head`` stands in for; nobody commits while it is that.
    """

    def __init__(
        self, store: Store, head: Head, *, at_once: bool, lost: Head | None = None
    ) -> None:
        self._store = store
        self._at_once = at_once
        self._lost = lost
        self.server = b""
        """The run of Redis that has answered last."""
        self._changes: dict[bytes, dict[bytes, Any]] = {}
        self._lengths = (0, 0, 0, 0, 0)
        self.totals: dict[str, Total] = {}
        """As of the last piece, as the rows of the tables that it has completed."""
        self._stand_at(head)

    def _stand_at(self, head: Head) -> None:
        self.head = head
        self.epoch = head.get("epoch", b"")
        self.seq = int(head.get("seq", 0))
        self.hash = head.get("hash", b"")

    def tables(self, tables: list[Table]) -> Iterator[tuple[Table, dict[bytes, bytes]]]:
        """Each table with its packed rows by their keys, and what changed later in `changes`.

        Raises:
            ChangedError: read the schema anew, and begin again.
            ConnectionLost, StoreRefused: from the store.
        """
        waiting = [_Scan(table, ALL_ROWS if self._at_once else FIRST_ROWS) for table in tables]
        while waiting:
            batch = self._batch(waiting)
            complete = self._piece(batch)
            while not complete:
                complete = self._piece([])
            for scan in batch:
                if scan.done:
                    waiting.remove(scan)
                    yield scan.table, self._up_to_date(scan)
        while not self.server or int(self.head.get("seq", 0)) != self.seq:
            self._piece([])

    def lengths(self) -> list[Loss]:
        """Which keys, but for the rows', are not as long as the head says."""
        return uncounted(self.head, *self._lengths)

    def changes(self) -> list[tuple[bytes, list[Any]]]:
        """What has changed in a table after it was given, as an entry of the log has it."""
        return [
            (name, [part for change in rows.items() for part in change])
            for name, rows in self._changes.items()
        ]

    def _batch(self, waiting: list[_Scan]) -> list[_Scan]:
        if self._at_once:
            return waiting[:]
        batch: list[_Scan] = []
        room = PIECE_BYTES
        for scan in waiting[:MOST_TABLES]:
            if batch and room <= 0:
                break
            room -= scan.row_bytes * scan.count
            batch.append(scan)
        return batch

    def _piece(self, batch: list[_Scan]) -> bool:
        """Read on; False where the log has more than came."""
        keys = self._store.keys
        commands: list[Command] = [
            ["INFO", "server"],
            ["HGETALL", keys.head],
            ["HGETALL", keys.totals],
            *(["LLEN", keys.schema], ["XLEN", keys.log], ["HLEN", keys.versions]),
            ["HLEN", keys.ids],
        ]
        for scan in batch:
            where = keys.rows(scan.table.name)
            commands.append(["HSCAN", where, scan.cursor, "COUNT", scan.count])
        if not self._at_once and self._lost is None:
            place = (self.epoch, self.seq, self.hash, ENTRIES_AT_ONCE)
            commands.append(["EVALSHA", SYNC.sha, 2, keys.head, keys.log, *place])
        said, head, totals, *replies = self._store.at_once(commands, script=SYNC)
        self.totals = totals_of(totals)
        statements, entries, versions, ids, *replies = replies
        self._lengths = (statements, len(self.totals), entries, versions, ids)
        server = str(said["run_id"]).encode()
        same, self.server = server == self.server, server
        for scan, (cursor, rows) in zip(batch, replies, strict=False):
            _take(scan, int(cursor), rows, goes_on=same)
        if self._lost is not None:
            if head_of(head) != self._lost:
                raise ChangedError
            return True
        before, self.head = self.head, head_of(head)
        if not same_schema(before, self.head):
            raise ChangedError
        if self._at_once:
            self._stand_at(self.head)
            return True
        return self._follow(replies[-1])

    def _follow(self, news: list[Any]) -> bool:
        if news[0] == b"FORMAT":
            raise foreign(self._store, news[1])
        if news[0] != b"OK":
            raise ChangedError
        entries = of_script(news[1])
        for number, hashed, payload in entries:
            content = content_of(payload)
            if content[0] == SCHEMA_CHANGED:
                raise ChangedError
            for name, flat in content[1]:
                self._changes.setdefault(name, {}).update(pairs(flat))
            self.seq, self.hash = number, hashed
        return not news[2]

    def _up_to_date(self, scan: _Scan) -> dict[bytes, bytes]:
        rows = scan.rows
        for key, row in self._changes.pop(scan.table.name.encode(), {}).items():
            if row is False:
                rows.pop(key, None)
            else:
                rows[key] = row
        return rows


def _take(scan: _Scan, cursor: int, rows: dict[bytes, bytes], *, goes_on: bool) -> None:
    """Keep what came. A cursor means something to the server alone that has given it."""
    if scan.cursor and not goes_on:
        scan.cursor, scan.rows = 0, {}
        return
    scan.cursor, scan.done = cursor, cursor == 0
    scan.rows.update(rows)
    if cursor and rows and scan.count != ALL_ROWS:
        size = sum(map(len, rows.values())) + sum(map(len, rows))
        scan.row_bytes = size // len(rows) + 1
        scan.count = max(min(PIECE_BYTES // scan.row_bytes, MOST_ROWS), 1)
