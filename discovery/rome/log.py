"""The log that all replicas follow: what an entry is, what it says, and what it continues."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from discovery.rome.packing import for_redis
from discovery.rome.store import mapping
from discovery.rome.totals import sum_of

SCHEMA_CHANGED, ROWS_CHANGED = 0, 1
"""What a payload begins with."""

DIGEST = 8
"""Bytes of the name of something that an entry has changed."""

TRANSACTION = 16
"""Bytes of a transaction's id, the last of the keys that an entry has changed."""

Entry = tuple[int, bytes, bytes]
"""Number, chained hash, payload."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What DDL leaves behind: the whole schema, and the tables whose rows are stored anew.

    All of it is in the log, so that the chained hash tells two changes of the schema apart and the
    log alone says what the database is.
    """

    schema: list[str]
    rows: list[tuple[str, list[bytes]]]

    @property
    def tables(self) -> list[str]:
        """The tables whose rows these are; one that was dropped has none."""
        return [name for name, _ in self.rows]

    def sums(self) -> list[tuple[str, int]]:
        """What the rows of each table add up to."""
        return [(name, sum_of(dict(pairs(flat)))) for name, flat in self.rows]

    def payload(self) -> bytes:
        """``[0, schema, [[table, [key, row, …]], …]]``, packed as a certificate's payload is."""
        return for_redis([SCHEMA_CHANGED, self.schema, self.rows])


def content_of(payload: bytes) -> Any:
    """What an entry says: first what has changed, names as bytes, keys and rows as packed."""
    return msgpack.unpackb(payload, use_list=False, raw=True)


def pairs(flat: Sequence[Any]) -> Iterator[tuple[bytes, Any]]:
    """Each key and its row (False where it is gone) of ``[key, row, key, row, …]``."""
    return zip(flat[::2], flat[1::2], strict=True)


def keys_of(changed: bytes) -> Iterator[bytes]:
    """The names of what an entry has changed, its transaction's id last."""
    keys = changed[:-TRANSACTION]
    yield from (keys[place : place + DIGEST] for place in range(0, len(keys), DIGEST))
    yield changed[-TRANSACTION:]


def of_script(reply: bytes) -> list[Entry]:
    """The entries in a script's answer."""
    if not reply:
        return []
    flat = msgpack.unpackb(reply, raw=True)
    return list(zip(itertools.count(flat[0]), flat[1::2], flat[2::2], strict=False))


def of_stream(reply: Any) -> list[Entry]:
    """The entries in XREAD's answer about one stream, in any form that redis-py gives it."""
    if not reply:
        return []
    ((_, items),) = reply.items() if isinstance(reply, dict) else reply
    entries = ((number, mapping(fields)) for number, fields in items)
    return [(int(number.split(b"-")[0]), said[b"h"], said[b"d"]) for number, said in entries]


def chained(previous: bytes, payload: bytes) -> bytes:
    """The hash of an entry: of its payload and of everything before it."""
    return hashlib.sha1(previous + payload, usedforsecurity=False).hexdigest().encode()


def continues(seq: int, last: bytes, entries: Sequence[Entry]) -> bool:
    """Whether ``entries`` come next in the history whose newest one is ``seq``, hashed ``last``."""
    for expected, (number, hashed, payload) in enumerate(entries, seq + 1):
        if number != expected or chained(last, payload) != hashed:
            return False
        last = hashed
    return True
