"""Moments as text: written the one way in which SQLite's own functions write them.

``now()``, ``CURRENT_TIMESTAMP`` and ``datetime()`` give ``2026-11-30 10:00:00``. A value of Python
is written so, too, with a fraction only where it has one, so that texts are equal, and in their
order, where the moments are. A text that is given for a moment is read as MariaDB reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import BinaryExpression, BindParameter, Date, DateTime, String, Time
from sqlalchemy.dialects.sqlite import DATE, DATETIME, TIME
from sqlalchemy.sql.elements import ExpressionClauseList, Grouping

_MOMENT = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:[ T]+(\d\d?):(\d\d?)(?::(\d\d?)(?:\.(\d*))?)?)?", re.ASCII
)
_TIME = re.compile(r"(\d\d?):(\d\d?)(?::(\d\d?)(?:\.(\d*))?)?", re.ASCII)

Processor = Callable[[Any], Any]


def moment_of(value: object) -> str:
    """A date and time as it is stored.

    Raises:
        ValueError: a text that is none.
        TypeError: no date, no time, no text.
    """
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    if isinstance(value, date):
        return f"{value.isoformat()} 00:00:00"
    said = _MOMENT.fullmatch(_text(value, "a date and time").strip())
    if said is None:
        raise ValueError(f"{value!r} is no date and time; YYYY-MM-DD HH:MM:SS, or with T, or a .f")
    *numbers, fraction = said.groups(0)
    year, month, day, hour, minute, second = map(int, numbers)
    made = datetime(year, month, day, hour, minute, second, _micro(fraction))
    return made.isoformat(" ")


def time_of(value: object) -> str:
    """A time of day as it is stored; raises as `moment_of`."""
    if isinstance(value, time):
        return value.replace(tzinfo=None).isoformat()
    said = _TIME.fullmatch(_text(value, "a time").strip())
    if said is None:
        raise ValueError(f"{value!r} is no time; HH:MM:SS, or with a .f")
    *numbers, fraction = said.groups(0)
    hour, minute, second = map(int, numbers)
    return time(hour, minute, second, _micro(fraction)).isoformat()


def day_of(value: object) -> str:
    """A date as it is stored; raises as `moment_of`."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return moment_of(value)[:10]


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not {what}")
    return value


def _micro(fraction: str | int) -> int:
    return int(str(fraction)[:6].ljust(6, "0"))


class _Written:
    """A type of SQLite's that is written our way, unless the program asks for its own."""

    kind: Any
    written: Processor

    def bind_processor(self, dialect: Any) -> Any:
        """What makes a text of a value."""
        parent: Any = super()
        usual = parent.bind_processor(dialect)
        own: Any = self
        if own._storage_format != self.kind._storage_format:
            return usual
        written = type(self).written
        return lambda value: None if value is None else written(value)


class Moment(_Written, DATETIME):
    """DateTime."""

    kind = DATETIME
    written = staticmethod(moment_of)


class Day(_Written, DATE):
    """Date."""

    kind = DATE
    written = staticmethod(day_of)


class TimeOfDay(_Written, TIME):
    """Time."""

    kind = TIME
    written = staticmethod(time_of)


def read_alike(binary: BinaryExpression[Any]) -> BinaryExpression[Any]:
    """A comparison of a time with texts, such that they are read as times.

    SQLAlchemy sends a text as a text, whatever it is compared with, and leaves it to the server.
    """
    changed: Any = binary
    for side, other in (("right", binary.left), ("left", binary.right)):
        if isinstance(other.type, DateTime | Date | Time):
            given = getattr(changed, side)
            read = _read_as(given, other.type)
            if read is not given:
                if changed is binary:
                    changed = binary._clone()
                setattr(changed, side, read)
    result: BinaryExpression[Any] = changed
    return result


def _read_as(given: Any, kind: Any) -> Any:
    if isinstance(given, Grouping):
        inner = _read_as(given.element, kind)
        return given if inner is given.element else Grouping(inner)
    if isinstance(given, ExpressionClauseList):  # of BETWEEN
        parts = tuple(_read_as(one, kind) for one in given.clauses)
        if all(new is old for new, old in zip(parts, given.clauses, strict=True)):
            return given
        copy: Any = given._clone()
        copy.clauses = parts
        return copy
    if isinstance(given, BindParameter) and isinstance(given.type, String):
        typed: Any = given._clone(maintain_key=True)
        typed.type = kind
        return typed
    return given
