"""A database at one place in its log, and how it is built from what Redis holds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import apsw
import msgpack

from discovery.rome.catalogue import Catalogue
from discovery.rome.errors import InternalError
from discovery.rome.head import Head, check_format, read_head
from discovery.rome.pages import Pages
from discovery.rome.reading import ChangedError, Reading
from discovery.rome.rows import apply_entry, fill, open_empty
from discovery.rome.store import Store

MOST_READINGS = 3
"""How often rows are read in pieces, if the log goes on too fast for that, before all at once."""


@dataclass(frozen=True, slots=True)
class State:
    """A place in the log, and the database there. ``life`` tells one boot from the next."""

    life: int
    epoch: bytes
    seq: int
    hash: bytes
    pages: Pages
    catalogue: Catalogue


def boot(store: Store, life: int) -> State:
    """Read the whole database, as of one moment: two round trips, and one for each 2 MB or so.

    Raises:
        InternalError: what Redis holds makes no database, since a constraint is violated, or the
            schema or a row cannot be read.
        ConnectionLost, StoreRefused: from the store.
    """
    try:
        return _boot(store, life)
    except (apsw.Error, msgpack.UnpackException, ValueError) as error:
        raise InternalError(
            f"redis at {store.settings.address}: database {store.settings.database!r} cannot be "
            f"built from its rows ({error}); nothing was changed; `discovery rome check` names "
            "what is wrong"
        ) from error


def _boot(store: Store, life: int) -> State:
    for attempt in itertools.count():
        head, schema, _ = read_head(store)
        if head or schema:
            check_format(store, head)
        database, file, catalogue = open_empty(statement.decode() for statement in schema)
        try:
            place = _fill(store, head, database, catalogue, at_once=attempt >= MOST_READINGS)
        except ChangedError:
            database.close()
            continue
        database.execute("COMMIT")
        pages = file.published()
        database.close()
        return State(life, *place, pages, catalogue)
    raise AssertionError


def _fill(
    store: Store, head: Head, database: apsw.Connection, catalogue: Catalogue, *, at_once: bool
) -> tuple[bytes, int, bytes]:
    """Store all rows, and say which epoch, number and hash they stand at."""
    if not head:
        return b"", 0, b""
    reading = Reading(store, head, at_once=at_once)
    for table, rows in reading.tables(list(catalogue.tables.values())):
        fill(database, table, rows)
    apply_entry(database, catalogue, reading.changes())
    return reading.epoch, reading.seq, reading.hash
