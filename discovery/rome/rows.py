"""Rows in SQLite as the log and the hashes have them: a replica's tables, filled and kept up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import apsw
import msgpack

from discovery.rome.catalogue import Catalogue, Row, Table, quoted
from discovery.rome.damage import Refused, Unfit
from discovery.rome.functions import REGEXP, regexp
from discovery.rome.log import pairs
from discovery.rome.pages import PageFile, Pages, open_new, open_pages

FILLING_KIB = 200_000
"""What SQLite may keep of a database that it fills, since keys of indexes come in no order."""


def open_as_stored(pages: Pages) -> tuple[apsw.Connection, PageFile]:
    """A connection that stores rows as they are: checked, and with those that triggers wrote."""
    database, file = open_pages(pages)
    _store_as_they_are(database)
    return database, file


def open_empty(
    schema: Iterable[str], refused: list[Refused] | None = None
) -> tuple[apsw.Connection, PageFile, Catalogue]:
    """A new database without rows, in a transaction that has just made its tables.

    Statements that SQLite does not take are put into ``refused``.

    Raises:
        apsw.Error: of such a statement, where there is no such list.
    """
    database, file = open_new()
    _store_as_they_are(database)
    database.execute(f"PRAGMA cache_size=-{FILLING_KIB}")
    database.execute("BEGIN")
    for statement in schema:
        try:
            database.execute(statement)
        except (apsw.Error, UnicodeError) as error:
            if refused is None:
                raise
            refused.append(Refused(statement, plain(error)))
    return database, file, Catalogue(database)


def _store_as_they_are(database: apsw.Connection) -> None:
    database.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    database.execute("PRAGMA ignore_check_constraints=ON")
    database.create_scalar_function(REGEXP, regexp, 2, deterministic=True)


def fill(database: apsw.Connection, table: Table, rows: Mapping[bytes, bytes]) -> None:
    """Store rows, packed, by their packed keys, in an empty table.

    In the order of their keys, which Redis' hashes do not have: pages are then filled one after
    the other. Packed, numbers are in their order, and strings of one length.

    Raises:
        apsw.ConstraintError: they violate a key.
    """
    ordered = (row for _, row in sorted(rows.items()))
    database.executemany(table.insert, (msgpack.unpackb(row, use_list=False) for row in ordered))


def fill_what_fits(
    database: apsw.Connection, table: Table, rows: Mapping[bytes, bytes]
) -> list[Unfit]:
    """`fill`, and the rows that violate a key or cannot be read, which are left out.

    Of two rows that cannot both be there, the one with the smaller key is.
    """
    try:
        fill(database, table, rows)
    except UNFIT:
        database.execute(f"DELETE FROM {quoted(table.name)}")
    else:
        return []
    return fill_in_order(database, table, sorted(rows.items()))


def fill_in_order(
    database: apsw.Connection, table: Table, rows: Iterable[tuple[bytes, bytes]]
) -> list[Unfit]:
    """Store one row after the other; those that do not fit beside the ones before are left out."""
    unfit = []
    for key, row in rows:
        try:
            database.execute(table.insert, values_of(table, row))
        except UNFIT as error:
            unfit.append(Unfit(table.name, key, row, plain(error)))
    return unfit


UNFIT = (apsw.Error, msgpack.UnpackException, ValueError, TypeError, OverflowError)
"""What a row raises that was not written by a commit, or that violates a constraint."""


def values_of(table: Table, row: bytes) -> tuple[Any, ...]:
    """The values of a packed row.

    Raises:
        ValueError, msgpack.UnpackException: it is not one of this table.
    """
    values = msgpack.unpackb(row, use_list=False)
    if not isinstance(values, tuple) or len(values) != len(table.columns):
        raise ValueError(f"it is no row of {len(table.columns)} columns")
    return values


def plain(error: Exception) -> str:
    """What an error says, on one line."""
    text = " ".join(str(error).removeprefix(f"{type(error).__name__}: ").split())
    return text or type(error).__name__


def apply_entries(database: apsw.Connection, catalogue: Catalogue, entries: Iterable[Any]) -> None:
    """Store the rows of several commits, one after the other, as one transaction of SQLite's.

    Raises:
        apsw.ConstraintError: they violate a key.
    """
    entries = list(entries)
    database.execute("BEGIN")
    try:
        for tables in entries:
            write_rows(database, catalogue, tables, in_place=True)
    except apsw.ConstraintError:  # one of them, perhaps, as `apply_entry` says
        database.execute("ROLLBACK")
        database.execute("BEGIN")
        for tables in entries:
            apply_entry(database, catalogue, tables)
    database.execute("COMMIT")


def apply_entry(database: apsw.Connection, catalogue: Catalogue, tables: Any) -> None:
    """Store the rows of one commit, as an entry of the log has them.

    Raises:
        apsw.ConstraintError: they violate a key.
    """
    database.execute("SAVEPOINT entry")
    try:
        write_rows(database, catalogue, tables, in_place=True)
    except apsw.ConstraintError:  # rows swap the values of a unique key
        database.execute("ROLLBACK TO entry")
        write_rows(database, catalogue, tables, in_place=False)
    database.execute("RELEASE entry")


def write_rows(
    database: apsw.Connection, catalogue: Catalogue, tables: Any, *, in_place: bool
) -> None:
    """Store a commit's rows. Not ``in_place``: all of them go before any comes."""
    for name, flat in tables:
        table: Table = catalogue.tables[name.decode()]
        for key, row in pairs(flat):
            if row is False or not in_place:
                database.execute(table.delete, msgpack.unpackb(key, use_list=False))
    for name, flat in tables:
        table = catalogue.tables[name.decode()]
        for key, row in pairs(flat):
            if row is False:
                continue
            values = msgpack.unpackb(row, use_list=False)
            if in_place:
                _put(database, table, msgpack.unpackb(key, use_list=False), values)
            else:
                database.execute(table.insert, values)


def _put(database: apsw.Connection, table: Table, key: Row, values: Row) -> None:
    """Store a row in its place: indexes of columns that stay as they are need not be touched."""
    before = database.execute(table.select, key).fetchone()
    if before is None or len(before) != len(values):
        database.execute(table.insert, values)
        return
    changed = [
        place
        for place, (old, new) in enumerate(zip(before, values, strict=True))
        if old != new or type(old) is not type(new) or (new == 0 and type(new) is float)
    ]
    if changed:
        database.execute(table.update(changed), (*(values[place] for place in changed), *key))
