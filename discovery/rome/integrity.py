"""Whether what Redis holds of a database is whole: its log, version index, hashes and counters.

All of it is read as of one moment, so that a database may be checked while it is used. The hashes
are what a new replica is built from, the log is what every other replica has applied; they must
tell the same database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgpack

from discovery.rome.catalogue import INTEGERS, Table
from discovery.rome.head import all_told, uncounted
from discovery.rome.history import Violation, built, contents, shown
from discovery.rome.log import chained, keys_of
from discovery.rome.references import orphans
from discovery.rome.rows import values_of
from discovery.rome.settings import Settings
from discovery.rome.snapshot import Snapshot, read
from discovery.rome.store import Store
from discovery.rome.totals import losses


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at, and what is wrong. ``from_start``: the log holds all of history."""

    entries: int
    keys: int
    tables: int
    rows: int
    from_start: bool
    violations: tuple[Violation, ...]


def check(settings: Settings) -> Report:
    """Check one database.

    Raises:
        OperationalError: there is no such database.
        ConnectionLost, StoreRefused: from the store.
    """
    with Store(settings) as store:
        snapshot = read(store)
    violations = list(violations_of(snapshot, foreign_keys=settings.foreign_keys))
    return Report(
        entries=len(snapshot.log),
        keys=len(snapshot.versions),
        tables=len(snapshot.rows),
        rows=sum(map(len, snapshot.rows.values())),
        from_start=snapshot.number("oldest") == 1,
        violations=tuple(violations),
    )


def violations_of(snapshot: Snapshot, *, foreign_keys: bool) -> Iterator[Violation]:
    """Everything that is wrong in ``snapshot``, one after the other."""
    if snapshot.restored is not None:
        yield Violation("head", snapshot.restored.lost)
        yield from (Violation("head", f"not known: {one}") for one in snapshot.restored.unknown)
    for name in snapshot.others:
        yield Violation("keys", f"{name} belongs to no table of the schema")
    broken = list(log_of(snapshot))
    yield from broken
    if not broken:
        yield from versions_of(snapshot)
        yield from contents(snapshot)
    if snapshot.counted:
        yield from _totals(snapshot)
    yield from _ids(snapshot)
    yield from _hashes(snapshot, foreign_keys)


def log_of(snapshot: Snapshot) -> Iterator[Violation]:
    """Numbers without a gap from the head's oldest to its newest, each hash of all before it."""
    oldest, newest = snapshot.number("oldest"), snapshot.number("seq")
    last = b"" if oldest == 1 else None
    expected = oldest
    for entry in snapshot.log:
        if entry.id != f"{expected}-0":
            yield Violation("log", f"entry {entry.id} stands where {expected}-0 must")
            return
        if last is not None and chained(last, entry.payload) != entry.hash:
            yield Violation("log", f"entry {expected}: its hash is not of it and those before it")
        last = entry.hash
        expected += 1
    if expected != newest + 1:
        yield Violation("log", f"it ends at {expected - 1}, and the head is at {newest}")
    elif last is not None and snapshot.head.get("hash") != last:
        yield Violation("log", f"the hash of entry {newest} is not the head's")
    if len(snapshot.log) > snapshot.number("keep"):
        yield Violation(
            "log", f"{len(snapshot.log)} entries, and {snapshot.number('keep')} to keep"
        )


def versions_of(snapshot: Snapshot) -> Iterator[Violation]:
    """For each key the last kept entry that has changed it, and no other key."""
    expected: dict[bytes, int] = {}
    for number, entry in enumerate(snapshot.log, snapshot.number("oldest")):
        expected.update(dict.fromkeys(keys_of(entry.keys), number))
    for key in sorted(expected.keys() | snapshot.versions.keys()):
        found, right = snapshot.versions.get(key), expected.get(key)
        if found == right:
            continue
        held = "is missing" if found is None else f"has {found}"
        logged = "no kept entry changes it" if right is None else f"entry {right} changed it last"
        yield Violation("version index", f"key {key.hex()} {held}, and {logged}")


def _totals(snapshot: Snapshot) -> Iterator[Violation]:
    """As much as was committed, and the same."""
    keys = (snapshot.schema, snapshot.totals, snapshot.log, snapshot.versions, snapshot.ids)
    told = all_told(snapshot.head, len(snapshot.totals))
    lost = losses(snapshot.totals, snapshot.rows, all_told=told)
    for loss in (*uncounted(snapshot.head, *map(len, keys)), *lost):
        yield Violation("totals", str(loss))


def _ids(snapshot: Snapshot) -> Iterator[Violation]:
    """No key in use is still to be leased."""
    for name, last in sorted(snapshot.ids.items()):
        of = name.rstrip("\0")
        if of in snapshot.catalogue.tables and not 0 <= last < INTEGERS:
            yield Violation("id counters", f"table {of}: the counter holds no number of a row")
    for name, table in snapshot.catalogue.tables.items():
        if table.rowid or len(table.primary.columns) != 1:
            continue
        place = table.primary.columns[0]
        rows = (_values(table, row) for row in snapshot.rows[name].values())
        numbers = [values[place] for values in rows if values is not None]
        largest = max((number for number in numbers if isinstance(number, int)), default=0)
        if snapshot.ids.get(name, 0) < largest:
            yield Violation(
                "id counters",
                f"table {name}: the counter is at {snapshot.ids.get(name, 0)}, and a row has "
                f"{largest}",
            )


def _hashes(snapshot: Snapshot, foreign_keys: bool) -> Iterator[Violation]:
    """Rows lie under their own keys and violate no constraint."""
    for refused in snapshot.refused:
        yield Violation("schema", str(refused))
    for name, table in snapshot.catalogue.tables.items():
        for key, row in snapshot.rows[name].items():
            values = _values(table, row)
            if values is not None and table.key_of(values) != key:
                yield Violation(f"table {name}", f"row {shown(row)} lies under key {shown(key)}")
    database, unfit = built(snapshot.schema, snapshot.rows)
    for one in unfit:
        yield Violation(
            f"table {one.table}", f"row {shown(one.row)} under key {shown(one.key)}: {one.why}"
        )
    for (said,) in database.execute("PRAGMA integrity_check"):
        if said != "ok":
            yield Violation("constraints", str(said))
    if foreign_keys:
        for child, rowid, parent, _ in orphans(database, snapshot.catalogue.tables):
            yield Violation(
                "constraints", f"table {child}: row {rowid} refers to a row that {parent} lacks"
            )


def _values(table: Table, row: bytes) -> tuple[Any, ...] | None:
    try:
        return values_of(table, row)
    except (ValueError, msgpack.UnpackException):
        return None
