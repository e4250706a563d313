"""The names that MySQL gives to keys without one, by which migrations drop them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.dialects.sqlite.base import SQLiteDDLCompiler
from sqlalchemy.schema import UniqueConstraint

COPY = "_alembic_tmp_"
"""What alembic's batch mode puts before the name of a table's copy, which is renamed later."""


def nameless(constraint: Any) -> bool:
    """Whether it has no name of its own."""
    return not isinstance(constraint.name, str)


def name_of(constraint: Any, used: Iterable[str]) -> str | None:
    """The first name that is free; None where MySQL gives none."""
    return next((name for name in _names(constraint) if name not in used), None)


def _names(constraint: Any) -> Iterator[str]:
    if isinstance(constraint, ForeignKeyConstraint):
        for n in itertools.count(1):
            yield f"{constraint.table.name}_ibfk_{n}"
    elif isinstance(constraint, UniqueConstraint) and len(constraint.columns):
        first = next(iter(constraint.columns)).name
        yield first
        for n in itertools.count(2):
            yield f"{first}_{n}"


class RomeDDLCompiler(SQLiteDDLCompiler):
    """CREATE TABLE: keys without a name get one; the table's own description stays as it is."""

    def visit_foreign_key_constraint(self, constraint: Any, **kw: Any) -> Any:
        """A foreign key, with a name."""
        visit: Any = super().visit_foreign_key_constraint
        return visit(self._named(constraint), **kw)

    def visit_unique_constraint(self, constraint: Any, **kw: Any) -> Any:
        """A unique key, with a name."""
        visit: Any = super().visit_unique_constraint
        return visit(self._named(constraint), **kw)

    def _named(self, constraint: Any) -> Any:
        if self._has_name(constraint) or constraint.table.name.startswith(COPY):
            return constraint
        used: set[str] = set()
        keys = sorted(constraint.table.constraints, key=lambda one: one._creation_order)
        for key in keys:
            if self._has_name(key):
                used.add(str(key.name))
        for key in keys:
            name = None if self._has_name(key) else name_of(key, used)
            if key is constraint and name is not None:
                named = copy.copy(constraint)
                named.name = name
                return named
            used |= {name} if name else set()
        return constraint

    def _has_name(self, constraint: Any) -> bool:
        format_constraint: Any = self.preparer.format_constraint
        return constraint.name is not None and format_constraint(constraint) is not None
