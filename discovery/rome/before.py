"""Rows as they were when a transaction began."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from discovery.rome.catalogue import Catalogue, Row, Table, Value
from discovery.rome.pages import Pages, open_pages


class Before:
    """Finds them by primary key, in tables that may have been written to otherwise than by INSERT.

    ``tables``: those that statements have changed, emptied, or replaced rows of; any table, where
    there are triggers.
    """

    def __init__(self, pages: Pages, catalogue: Catalogue, tables: set[str]) -> None:
        self._pages = pages
        self._tables = set(catalogue.tables) if catalogue.triggers else tables
        self._database: apsw.Connection | None = None

    def row(self, table: Table, key: Sequence[Value]) -> Row | None:
        """The row that had a key, if it may be another one now."""
        if table.name not in self._tables:
            return None
        if self._database is None:
            self._database, _ = open_pages(self._pages)
        found: Row | None = self._database.execute(table.select, key).fetchone()
        return found

    def close(self) -> None:
        """No more."""
        if self._database is not None:
            self._database.close()
