"""What a database is made of, as SQLite remembers it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol


class SchemaObject(NamedTuple):
    """A table, index, view or trigger: its kind, its name, the statement that made it."""

    kind: str
    name: str
    sql: str


class Database(Protocol):
    """What runs SQL: an SQLite handle, or a connection of this driver."""

    def execute(self, sql: str, /) -> Iterable[Any]:
        """The rows of one statement."""


def schema_objects(database: Database) -> list[SchemaObject]:
    """All of them in the order in which they were made, but for those that are SQLite's own."""
    rows = database.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        "ORDER BY rowid"
    )
    return [SchemaObject(*row) for row in rows]
