"""A database at one place in its log, and how it is built from what Redis holds."""

from __future__ import annotations

from dataclasses import dataclass

import apsw
import msgpack

from discovery.rome.catalogue import Catalogue
from discovery.rome.errors import InternalError
from discovery.rome.head import check_format, head_of, read_head, same_schema
from discovery.rome.pages import Pages
from discovery.rome.rows import fill, open_empty
from discovery.rome.store import Store, mapping


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
    """Read the whole database, as of one moment: two round trips.

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
    keys = store.keys
    while True:
        before, schema, _ = read_head(store)
        if before or schema:
            check_format(store, before)
        database, file, catalogue = open_empty(statement.decode() for statement in schema)
        reply, *contents = store.at_once(
            [["HGETALL", keys.head], *(["HGETALL", keys.rows(name)] for name in catalogue.tables)]
        )
        head = head_of(reply)
        if same_schema(before, head):
            break
        database.close()
    for table in catalogue.tables.values():
        fill(database, table, mapping(contents.pop(0)))  # let go of once it is stored
    database.execute("COMMIT")
    pages = file.published()
    database.close()
    return State(
        life=life,
        epoch=head.get("epoch", b""),
        seq=int(head.get("seq", 0)),
        hash=head.get("hash", b""),
        pages=pages,
        catalogue=catalogue,
    )
