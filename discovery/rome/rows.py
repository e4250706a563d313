"""Rows in SQLite as the log and the hashes have them: a replica's tables, filled and kept up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apsw
import msgpack

from discovery.rome.catalogue import Catalogue, Table
from discovery.rome.functions import regexp
from discovery.rome.log import pairs
from discovery.rome.pages import PageFile, Pages, open_pages


def open_as_stored(pages: Pages) -> tuple[apsw.Connection, PageFile]:
    """A connection that stores rows as they are: checked, and with those that triggers wrote."""
    database, file = open_pages(pages)
    database.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    database.execute("PRAGMA ignore_check_constraints=ON")
    database.create_scalar_function("regexp", regexp, 2, deterministic=True)
    return database, file


def open_empty(schema: Iterable[str]) -> tuple[apsw.Connection, PageFile, Catalogue]:
    """A new database without rows, in a transaction that has just made its tables."""
    database, file = open_as_stored(Pages())
    database.execute("BEGIN")
    for statement in schema:
        database.execute(statement)
    return database, file, Catalogue(database)


def fill(database: apsw.Connection, table: Table, rows: Iterable[bytes]) -> None:
    """Store packed rows in an empty table.

    Raises:
        apsw.ConstraintError: they violate a key.
    """
    database.executemany(table.insert, (msgpack.unpackb(row, use_list=False) for row in rows))


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
            if row is False or not in_place or table.upsert is None:
                database.execute(table.delete, msgpack.unpackb(key, use_list=False))
    for name, flat in tables:
        table = catalogue.tables[name.decode()]
        insert = table.upsert if in_place and table.upsert is not None else table.insert
        for _, row in pairs(flat):
            if row is not False:
                database.execute(insert, msgpack.unpackb(row, use_list=False))
