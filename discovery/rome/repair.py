"""A database that is damaged put right: by its log where that tells, and otherwise by what fits.

All of it is one commit, after which every process boots. What no database can hold is left out, and
can be written aside.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgpack

from discovery.rome.catalogue import INTEGERS, Catalogue
from discovery.rome.certificate import digest
from discovery.rome.damage import Refused, Unfit, commented
from discovery.rome.errors import Deadlock
from discovery.rome.head import all_told, uncounted
from discovery.rome.history import shown, told
from discovery.rome.integrity import log_of, versions_of
from discovery.rome.log import Definition
from discovery.rome.packing import for_redis
from discovery.rome.references import orphans
from discovery.rome.rows import fill_in_order, open_empty, values_of
from discovery.rome.scripts import REPAIR
from discovery.rome.settings import Settings
from discovery.rome.snapshot import Snapshot, read
from discovery.rome.store import Store
from discovery.rome.totals import losses, total_of

MOST_TRIES = 5
"""How often others may commit between the look at a database and its repair."""


@dataclass(slots=True)
class Plan:
    """What a repair does: sentences for people, and the database that results.

    ``aside`` is what is left out, packed; ``anew``: the log begins anew, since it or its index is
    not whole.
    """

    does: list[str] = field(default_factory=list)
    leaves: list[str] = field(default_factory=list)
    aside: list[Unfit] = field(default_factory=list)
    dropped: list[Refused] = field(default_factory=list)
    schema: list[str] = field(default_factory=list)
    rows: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    anew: bool = False


def repair(settings: Settings, *, apply: bool) -> Plan:
    """What is to be done, and with ``apply`` is done.

    Raises:
        OperationalError: there is no such database.
        Deadlock: others go on writing; nothing was changed.
        ConnectionLost, StoreRefused: from the store.
    """
    with Store(settings) as store:
        store.check_server()
        for _ in range(MOST_TRIES):
            snapshot = read(store)
            schema = _logged_schema(snapshot)
            if schema is not None:
                snapshot = read(store, schema)
            plan = planned(snapshot, schema)
            if not apply or not plan.does or _apply(store, snapshot, plan):
                return plan
    raise Deadlock("rome: deadlock: others go on writing to the database; nothing was changed")


def _logged_schema(snapshot: Snapshot) -> list[str] | None:
    """The schema by the log, if that tells of another one than there is."""
    schema = None if list(log_of(snapshot)) else told(snapshot).schema
    return None if schema == snapshot.schema else schema


def planned(snapshot: Snapshot, schema: list[str] | None = None) -> Plan:
    """What puts ``snapshot`` right; it was read by ``schema`` where the log tells another one."""
    plan = Plan(schema=list(snapshot.schema if schema is None else schema))
    made = snapshot.restored
    if made is not None:
        number = snapshot.number("seq")
        plan.does.append(f"make its head anew, at commit {number}, since {made.lost}")
        plan.leaves += [f"not known: {one}" for one in made.unknown]
    if schema is not None:
        plan.does.append("take the schema from the log")
    elif not _has_schema(snapshot):
        plan.does.clear()
        plan.leaves.append(
            "its schema is not whole, and the log does not tell it: put the CREATE statements of a "
            f"backup into the list {snapshot.schema_key}, tables first, and repair again; or load "
            "a dump into another database"
        )
        return plan
    plan.leaves += [
        f"{name} belongs to no table: look at it, and delete it" for name in snapshot.others
    ]
    broken = list(log_of(snapshot))
    history = None if broken else told(snapshot)
    catalogue = _schema(plan)
    order: dict[str, dict[bytes, int]] = {}
    for name in catalogue.tables:
        held = snapshot.rows.get(name, {})
        right, order[name] = dict(held), {}
        if history is not None:
            written = history.rows.get(name, {})
            if name in history.whole:
                right = {key: row for key, row in right.items() if key in written}
            for key, (row, number) in written.items():
                order[name][key] = number
                if row is None:
                    right.pop(key, None)
                else:
                    right[key] = row
        count = sum(held.get(key) != right.get(key) for key in held.keys() | right.keys())
        if count:
            plan.does.append(f"table {name}: take {count} rows from the log")
        plan.rows[name] = right
    if snapshot.counted:
        _count(plan, snapshot, set() if history is None else history.whole)
    _leave_out(plan, catalogue, order)
    plan.changed = [name for name in plan.rows if plan.rows[name] != snapshot.rows.get(name, {})]
    plan.changed += [name for name in snapshot.rows if name not in plan.rows]
    _lengths(plan, snapshot, broken=bool(broken))
    return plan


def _count(plan: Plan, snapshot: Snapshot, whole: set[str]) -> None:
    """Say what rows are lost, or too many, of tables of which the log does not tell the whole."""
    told_all = all_told(snapshot.head, len(snapshot.totals))
    if not told_all and plan.rows.keys() - snapshot.totals.keys() - whole:
        plan.leaves.append("not known: whether rows are lost, since totals are")
    for loss in losses(snapshot.totals, plan.rows, all_told=told_all):
        plan.does.append(f"count anew: {loss}")
        plan.leaves.append(f"{loss}, and the log does not tell which")


def _has_schema(snapshot: Snapshot) -> bool:
    if snapshot.counted and (not snapshot.schema or "statements" in snapshot.head):
        return snapshot.number("statements") == len(snapshot.schema)
    return bool(snapshot.schema) or not any(":rows:" in name for name in snapshot.others)


def _schema(plan: Plan) -> Catalogue:
    """The tables of the schema, which loses what SQLite does not take."""
    database, _, catalogue = open_empty(plan.schema, plan.dropped)
    database.close()
    for one in plan.dropped:
        plan.schema.remove(one.statement)
        plan.does.append(f"leave out of the schema: {' '.join(one.statement.split())} ({one.why})")
    return catalogue


def _leave_out(plan: Plan, catalogue: Catalogue, order: dict[str, dict[bytes, int]]) -> None:
    """Keep of two rows that cannot both be there the one that was committed first."""
    database, _, _ = open_empty(plan.schema)
    for name, table in catalogue.tables.items():
        ranks = order[name]
        rows = sorted(plan.rows[name].items(), key=lambda item: (ranks.get(item[0], 0), item))
        unfit = fill_in_order(database, table, rows)
        plan.aside += unfit
        gone = {one.key for one in unfit}
        kept: dict[bytes, bytes] = {}
        moved = 0
        for key, row in rows:
            if key not in gone:
                own = table.key_of(values_of(table, row))
                moved += own != key
                kept[own] = row
        if moved:
            plan.does.append(f"table {name}: put {moved} rows under their own keys")
        plan.rows[name] = kept
        if table.integer_key or len(table.primary.columns) == 1:
            numbers = [values_of(table, row)[table.primary.columns[0]] for row in kept.values()]
            numbers += [msgpack.unpackb(key)[0] for key in ranks if len(table.primary.columns) == 1]
            largest = max((one for one in numbers if isinstance(one, int)), default=0)
            if not table.rowid and largest:
                plan.ids[name] = largest
    plan.does += [f"leave out {one}" for one in plan.aside]
    for child, rowid, parent, _ in orphans(database, catalogue.tables):
        plan.leaves.append(f"table {child}: row {rowid} refers to a row that {parent} lacks")
    database.close()


def _lengths(plan: Plan, snapshot: Snapshot, *, broken: bool) -> None:
    """The log and its index, the totals and the counters."""
    if not snapshot.counted:
        plan.does.append("add totals, by which losses are noticed (format 2)")
    else:
        keys = (snapshot.schema, snapshot.totals, snapshot.log, snapshot.versions, snapshot.ids)
        lengths = uncounted(snapshot.head, *map(len, keys))
        plan.does += [f"count anew: {loss}" for loss in lengths]
    told_from_start = snapshot.number("oldest") == 1 and not broken
    if not snapshot.ids and plan.ids and not told_from_start:
        plan.leaves.append(
            "not known: which generated keys rows had that are gone; they may be given again"
        )
    full = len(snapshot.log) >= snapshot.number("keep")
    if plan.does and full:
        plan.anew = True
    if broken or any(True for _ in versions_of(snapshot)):
        plan.anew = True
        plan.does.append("begin the log anew, since it or its index is not whole")
    for name, last in snapshot.ids.items():
        if name.rstrip("\0") in plan.rows and not 0 <= last < INTEGERS:
            plan.ids.setdefault(name, 0)
    for name, largest in plan.ids.items():
        if not 0 <= snapshot.ids.get(name, 0) < INTEGERS or snapshot.ids.get(name, 0) < largest:
            plan.does.append(f"table {name}: lease no number up to {largest} again")


def _apply(store: Store, snapshot: Snapshot, plan: Plan) -> bool:
    head, keys = snapshot.head, store.keys
    transaction = os.urandom(16)
    kept = [name for name in plan.changed if name in plan.rows]
    gone = [name for name in plan.changed if name not in plan.rows]
    contents = [
        (name, [part for item in plan.rows[name].items() for part in item]) for name in kept
    ]
    contents += [(name, []) for name in gone]
    bumps = [digest("schema", ""), *(digest("table", name) for name in plan.changed)]
    made = snapshot.restored
    found = head if made is None else made.found
    fields = [] if made is None else [part for item in head.items() for part in item]
    request = [
        *(head.get("epoch", b""), snapshot.number("seq"), head.get("hash", b"")),
        *(b"".join(bumps), transaction, plan.anew),
        [[name, f"{len(rows)} {total_of(rows).sum}"] for name, rows in plan.rows.items() if rows],
        [[name, str(number)] for name, number in plan.ids.items()],
        [found.get(name, b"") for name in ("epoch", "seq", "hash")],
        fields,
    ]
    payload = Definition(plan.schema, contents).payload()
    reply = store.run(
        REPAIR,
        [*keys.fixed, *(keys.rows(name) for name, _ in contents)],
        [for_redis(request), payload],
    )
    return bool(reply[0] == b"OK")


def left_out(plan: Plan) -> Iterator[str]:
    """What a repair leaves out, as comments of SQL: statements, and rows as they are packed."""
    for dropped in plan.dropped:
        yield from commented(f"{dropped.statement}\n({dropped.why})")
    for one in plan.aside:
        yield from commented(f"{one.table} {shown(one.row)} under key {shown(one.key)}: {one.why}")
