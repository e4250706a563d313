"""Whether a schema can be booted: DDL is certified only if a process that knows nothing of the one
that made it could build the same tables, and fill them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import apsw

from discovery.rome.catalogue import Catalogue, quoted
from discovery.rome.damage import Refused
from discovery.rome.errors import NotSupportedError
from discovery.rome.rows import UNFIT, fill, open_empty, plain

_SHOWN = 60
"""Characters of a statement that are enough to know it by."""


def prove(
    schema: Iterable[str], catalogue: Catalogue, rows: Mapping[str, Mapping[bytes, bytes]]
) -> None:
    """Build a replica of ``schema`` and store ``rows`` of some tables in it, as a boot does.

    Raises:
        NotSupportedError: naming what no other process could build.
    """
    for sentence in catalogue.unsupported:
        raise NotSupportedError(f"{sentence}; a ROME database cannot have it")
    refused: list[Refused] = []
    database, _, again = open_empty(schema, refused)
    try:
        for one in refused:
            raise _unknown(one.statement, one.why)
        for name, table in again.tables.items():
            if catalogue.tables.get(name) != table:
                raise _unknown(f"table {name}", "it would not be the same")
        for name in rows:
            _prove_table(database, again, name, rows[name])
    finally:
        database.close()


def _prove_table(
    database: apsw.Connection, catalogue: Catalogue, name: str, rows: Mapping[bytes, bytes]
) -> None:
    table = catalogue.tables.get(name)
    if table is None:  # it was dropped
        return
    try:
        fill(database, table, rows)
        for what in (
            f"INSERT INTO {quoted(name)} DEFAULT VALUES",
            f"UPDATE {quoted(name)} SET {quoted(table.columns[-1])} = NULL",
        ):
            database.execute(f"EXPLAIN {what}")  # what others will run: defaults, CHECKs, columns
    except UNFIT as error:
        raise _unknown(f"table {name}", plain(error)) from error


def _unknown(what: str, why: str) -> NotSupportedError:
    shown = " ".join(what.split())
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return NotSupportedError(
        f"no other process could build {shown} ({why}); a schema may use what every process has: "
        "SQLite's functions and collations, and REGEXP"
    )
