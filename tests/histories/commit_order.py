"""The order of ROME's commits, which its log tells."""

import msgpack

from discovery.rome.log import ROWS_CHANGED, content_of, pairs
from discovery.rome.snapshot import read
from discovery.rome.store import Store
from discovery.rome.urls import settings_of


def entries(url: str) -> list[tuple[str | None, str]]:
    """Transaction and payload, in hex, of each entry behind the schema's; none if some are gone."""
    snapshot = read(Store(settings_of(url)))
    if snapshot.number("oldest") != 1:
        return []
    found: list[tuple[str | None, str]] = []
    for entry in snapshot.log:
        kind, tables, *_ = content_of(entry.payload)
        if kind == ROWS_CHANGED:
            names = [flat for table, flat in tables if table == b"commits"]
            name = msgpack.unpackb(next(pairs(names[0]))[0])[0] if names else None
            found.append((name, entry.payload.hex()))
    return found
