"""What an error of a database means for the transaction that met it.

oslo.db's word counts where it has one: its handler runs after ours and leaves what it made of an
error in the error's context. Without oslo.db, the driver's own codes do. Nothing is imported: what
is not loaded has raised nothing.
"""

from __future__ import annotations

import enum
import sys
from typing import Any

from sqlalchemy.engine import ExceptionContext


class Kind(enum.Enum):
    """What is known after an error."""

    CONFLICT = "conflict"
    """Another transaction came first; nothing of this one is or will be done."""
    REFUSED = "refused"
    """A key or a check is violated: nothing of it is done, and it would be refused again."""
    LOST = "lost"
    """The connection is gone, or there was none. Before COMMIT that undoes all of it."""
    UNKNOWN = "unknown"
    """The database itself says that the transaction may or may not be done."""
    OTHER = "other"
    """Anything else."""


TROUBLE = frozenset({Kind.CONFLICT, Kind.LOST, Kind.UNKNOWN})
"""What the same request may not meet when it is run again."""

DEFINITE = frozenset({Kind.CONFLICT, Kind.REFUSED})
"""Who answers COMMIT with one of these has not committed."""

_UNKNOWN_STATES = frozenset({"40003", "08007", "XXA00"})
_CONFLICT_STATES = frozenset({"40001", "40P01"})
_CONFLICT_NUMBERS = frozenset({1020, 1205, 1213})  # MySQL's and MariaDB's
_UNKNOWN_NAME = "InDoubt"  # ROME's
_CONFLICT_NAME = "Deadlock"


def kind_of(context: ExceptionContext) -> Kind:
    """The kind of an error, asked after all handlers have seen it."""
    original = context.original_exception
    names = {kind.__name__ for kind in type(original).__mro__}
    state: Any = getattr(original, "pgcode", None) or getattr(original, "sqlstate", None)
    if _UNKNOWN_NAME in names or state in _UNKNOWN_STATES:
        return Kind.UNKNOWN
    became = getattr(context, "chained_exception", None)
    oslo = sys.modules.get("oslo_db.exception")
    if oslo and isinstance(became, oslo.DBDeadlock):
        return Kind.CONFLICT
    if context.is_disconnect or (oslo and isinstance(became, oslo.DBConnectionError)):
        return Kind.LOST
    if state in _CONFLICT_STATES or _CONFLICT_NAME in names or _number(original, names):
        return Kind.CONFLICT
    return Kind.REFUSED if "IntegrityError" in names else Kind.OTHER


def _number(original: BaseException, names: set[str]) -> bool:
    """Whether it is a conflict of MySQL's, whose drivers give a number and a text."""
    first = original.args[0] if original.args else None
    return "MySQLError" in names and first in _CONFLICT_NUMBERS
