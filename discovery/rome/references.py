"""Foreign keys of a transaction that changes the schema, which SQLite did not watch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

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
    found = {}
    for name in tables:
        with contextlib.suppress(apsw.SQLError):  # its parent has no such key: nothing can refer
            ((count,),) = database.execute(
                "SELECT count(*) FROM pragma_foreign_key_check(?)", (name,)
            )
            if count:
                found[name] = count
    return found
