"""Foreign keys of a transaction that changes the schema, which SQLite did not watch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import apsw

from discovery.rome.catalogue import Catalogue
from discovery.rome.errors import IntegrityError
from discovery.rome.pages import Pages, open_pages
from discovery.rome.schema import schema_objects


def tied(catalogue: Catalogue, names: Iterable[str]) -> set[str]:
    """These tables, those that they refer to, and those that refer to them."""
    spelled = {name.lower(): name for name in catalogue.tables}
    known = {name.lower() for name in names}
    found = set(names)
    for table in catalogue.tables.values():
        parents = {reference.parent.lower() for reference in table.references}
        if table.name.lower() in known:
            found |= {spelled[parent] for parent in parents if parent in spelled}
        elif parents & known:
            found.add(table.name)
    return found


def check_foreign_keys(database: apsw.Connection, before: Pages, tables: Iterable[str]) -> None:
    """Refuse that more rows of ``tables`` refer to none than did before.

    Rows that did are let be: they came while the URL said that foreign keys need not hold.

    Raises:
        IntegrityError: naming a table.
    """
    broken = _violations(database, tables)
    if not broken:
        return
    look, _ = open_pages(before)
    with look:
        names = [name for kind, name, _ in schema_objects(look) if kind == "table"]
        count = sum(_violations(look, names).values())
    if sum(broken.values()) > count:
        raise IntegrityError(f"FOREIGN KEY constraint failed: rows of {', '.join(sorted(broken))}")


def _violations(database: apsw.Connection, tables: Iterable[str]) -> dict[str, int]:
    return {name: n for name in tables if (n := sum(1 for _ in orphans(database, [name])))}


def orphans(
    database: apsw.Connection, tables: Iterable[str]
) -> Iterator[tuple[str, int | None, str, int]]:
    """Rows of ``tables`` that refer to none: table, row number, parent, and which foreign key.

    A foreign key whose parent has no such key has none: SQLite lets nobody write such a row.
    """
    for name in tables:
        with contextlib.suppress(apsw.SQLError):
            yield from database.execute(
                "SELECT * FROM pragma_foreign_key_check(?, 'main')", (name,)
            )
