"""A database at one place in its log, and how it is built from what Redis holds."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import apsw

from discovery.rome.catalogue import INTEGERS, Catalogue
from discovery.rome.damage import Damage, Refused, Unfit
from discovery.rome.errors import InternalError
from discovery.rome.head import FORMAT, Head, all_told, check_format, read_head
from discovery.rome.ids import numbers_given
from discovery.rome.pages import Pages
from discovery.rome.reading import ChangedError, Reading
from discovery.rome.rows import UNFIT, apply_entry, fill_what_fits, open_empty, plain
from discovery.rome.store import Store
from discovery.rome.totals import Loss, losses

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
    damage: Damage | None = None

    def advanced(self, epoch: bytes, seq: int, hashed: bytes, pages: Pages) -> State:
        """What this becomes with entries up to ``seq`` on top."""
        return State(self.life, epoch, seq, hashed, pages, self.catalogue, self.damage)


def boot(store: Store, life: int) -> State:
    """Read the whole database, as of one moment: two round trips, and one for each 2 MB or so.

    What is damaged of it is left out, and said in the state.

    Raises:
        InternalError: what Redis holds makes no database at all.
        ConnectionLost, StoreRefused: from the store.
    """
    try:
        return _boot(store, life)
    except UNFIT as error:
        raise InternalError(
            f"redis at {store.settings.address}: database {store.settings.database!r} cannot be "
            f"built from its rows ({plain(error)}); nothing was changed; `discovery rome check` "
            "names what is wrong"
        ) from error


def _boot(store: Store, life: int) -> State:
    for attempt in itertools.count():
        keys = store.keys
        head, schema, (others,) = read_head(store, ["EXISTS", keys.log, keys.versions, keys.totals])
        if head or schema or others:
            check_format(store, head)
        refused: list[Refused] = []
        database, file, catalogue = open_empty(
            (statement.decode(errors="surrogateescape") for statement in schema), refused
        )
        try:
            place, damage = _fill(
                store, head, database, catalogue, at_once=attempt >= MOST_READINGS
            )
        except ChangedError:
            database.close()
            continue
        damage = dataclasses.replace(damage, refused=tuple(refused))
        database.execute("COMMIT")
        pages = file.published()
        database.close()
        return State(life, *place, pages, catalogue, damage or None)
    raise AssertionError


def _go_on_counting(store: Store, database: apsw.Connection, catalogue: Catalogue) -> None:
    """Let SQLite's AUTOINCREMENT give no number that a row had which is gone now."""
    if not database.execute(
        "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"
    ).fetchone():
        return
    given = numbers_given(store.request(lambda client: client.hgetall(store.keys.ids)))
    for name in catalogue.tables.keys() & given.keys():
        last = min(max(given[name], 0), INTEGERS - 1)
        database.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        database.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, last))


def _fill(
    store: Store, head: Head, database: apsw.Connection, catalogue: Catalogue, *, at_once: bool
) -> tuple[tuple[bytes, int, bytes], Damage]:
    """Store all rows that fit, and say which epoch, number and hash they stand at."""
    if not head:
        return (b"", 0, b""), Damage()
    lost: list[Loss] = []
    unfit: list[Unfit] = []
    reading = Reading(store, head, at_once=at_once)
    counted = head.get("format") == FORMAT
    for table, rows in reading.tables(list(catalogue.tables.values())):
        if counted:
            total = {table.name: reading.totals[table.name]} if table.name in reading.totals else {}
            told = all_told(reading.head, len(reading.totals))
            lost += losses(total, {table.name: rows}, all_told=told)
        unfit += fill_what_fits(database, table, rows)
    if counted:
        lost += reading.lengths()
        for name in reading.totals.keys() - catalogue.tables.keys():
            lost += losses({name: reading.totals[name]}, {}, all_told=True)
    changes = [one for one in reading.changes() if one[0].decode() in catalogue.tables]
    try:
        apply_entry(database, catalogue, changes)
    except UNFIT as error:  # what was left out stands in their way; all at once, nothing changes
        raise ChangedError from error
    _go_on_counting(store, database, catalogue)
    return (reading.epoch, reading.seq, reading.hash), Damage(tuple(lost), tuple(unfit))
