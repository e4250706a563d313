"""What oslo.db is told about errors, where oslo.db is installed.

oslo.db knows errors by the dialect's name: nothing of ``cockroachdb``; of ``postgresql`` neither
SQLSTATE 40001 nor how today's libpq says that it cannot connect.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exc

from discovery.cockroach import states

Details = Mapping[str, str | None]


@dataclass(frozen=True)
class Filter:
    """One kind of error: how it is recognised, and which of oslo.db's errors is raised for it.

    An error is of this kind if `applies` says so and `pattern`, where there is one, is found in its
    text; the pattern's groups are the details.
    """

    name: str
    applies: Callable[[Any], bool]
    make: Callable[[Any, Any, Details], Exception]
    pattern: re.Pattern[str] | None = None
    dialects: tuple[str, ...] = ("cockroachdb",)

    def raise_for(self, oslo: Any, error: Any) -> None:
        """Raise oslo.db's error if ``error``, SQLAlchemy's, is of this kind."""
        said = error.orig
        if not self.applies(said):
            return
        found = self.pattern.search(str(said)) if self.pattern else None
        if self.pattern is None or found:
            raise self.make(oslo, error, found.groupdict() if found else {})


def _state(state: str) -> Callable[[Any], bool]:
    return lambda said: states.sqlstate(said) == state


def _columns(details: Details) -> list[str]:
    """The columns of a unique key, as oslo.db's callers know them.

    A constraint that is named as OpenStack names them tells its columns. Else the server's detail
    does; a server that sent none leaves the constraint's name.
    """
    name, key = details["constraint"] or "", details["key"]
    if name.startswith("uniq_"):
        return name.removeprefix("uniq_").split("0")[1:]
    return [column.strip().strip('"') for column in key.split(",")] if key else [name]


_TABLE_OF_STATEMENT = re.compile(
    r"\s*(?:INSERT INTO|UPSERT INTO|UPDATE|ALTER TABLE|DROP INDEX)\s+(?:IF EXISTS\s+|ONLY\s+)*"
    r'(?:(?:"[^"]+"|\w+)\.)*(?:"(?P<quoted>[^"]+)"|(?P<plain>\w+))(?P<index>@)?',
    re.IGNORECASE,
)


def _table(error: Any, details: Details) -> str | None:
    """The table that an error is of: as its text has it, or the server beside it, or the statement.

    None where nobody says it: a COMMIT names no table.
    """
    sent = getattr(getattr(error.orig, "diag", None), "table_name", None)
    if details.get("table") or sent:
        return details.get("table") or sent
    found = _TABLE_OF_STATEMENT.match(error.statement or "")
    if found is None or (found[0].lstrip()[:4].upper() == "DROP" and not found["index"]):
        return None
    return found["quoted"] or found["plain"]


def _check(oslo: Any, error: Any, details: Details) -> Exception:
    """The text has the constraint's expression; newer servers send its name beside it."""
    diagnostics = getattr(error.orig, "diag", None)
    name = getattr(diagnostics, "constraint_name", None) or details["check"]
    failure: Exception = oslo.DBConstraintError(_table(error, details), name, error)
    return failure


def _no_constraint(oslo: Any, error: Any, details: Details) -> Exception:
    failure: Exception = oslo.DBNonExistentConstraint(
        _table(error, details), details["constraint"], error
    )
    return failure


def _deadlock(oslo: Any, error: Any, details: Details) -> Exception:
    failure: Exception = oslo.DBDeadlock(error)
    return failure


def _unknown(oslo: Any, error: Any, details: Details) -> Exception:
    """Not a lost connection, although the text names one: oslo.db's decorators run those again."""
    failure: Exception = oslo.DBError(error)
    return failure


FILTERS: tuple[Filter, ...] = (
    Filter("unknown", states.is_unknown, _unknown),
    Filter("conflict", states.is_conflict, _deadlock, dialects=("cockroachdb", "postgresql")),
    Filter(
        "duplicate",
        _state("23505"),
        lambda oslo, e, d: oslo.DBDuplicateEntry(_columns(d), e, d.get("value")),
        re.compile(
            r"duplicate key value (?:\(.*\)=\(.*\) )?"
            r'violates unique constraint "(?P<constraint>[^"]+)"'
            r"(?:\s*\n.*?Key \((?P<key>.*?)\)=\((?P<value>.*)\) already exists)?",
            re.DOTALL,
        ),
    ),
    Filter(
        "reference",
        _state("23503"),
        lambda oslo, e, d: oslo.DBReferenceError(
            d.get("table"), d.get("constraint"), d.get("key"), d.get("other"), e
        ),
        re.compile(
            r'on table "(?P<table>[^"]+)" violates foreign key constraint "(?P<constraint>[^"]+)"'
            r"(?:.*?Key \((?P<key>.*?)\)=\(.*?\) is (?:not present in|still referenced from) table"
            r' "(?P<other>[^"]+)")?',
            re.DOTALL,
        ),
    ),
    Filter(
        "check",
        _state("23514"),
        _check,
        re.compile(r"failed to satisfy CHECK constraint \((?P<check>.*)\)"),
    ),
    Filter(
        "no constraint",
        _state("42704"),
        _no_constraint,
        re.compile(
            r'(?:constraint|index) "(?P<constraint>[^"]+)" (?:of relation "(?P<table>[^"]+)" )?'
            r"does not exist"
        ),
    ),
    Filter(
        "no table",
        _state("42P01"),
        lambda oslo, e, d: oslo.DBNonExistentTable(d["table"], e),
        re.compile(r'relation "(?P<table>[^"]+)" does not exist'),
    ),
    Filter(
        "no database",
        lambda said: states.sqlstate(said) in {None, "3D000"},
        lambda oslo, e, d: oslo.DBNonExistentDatabase(d["database"], e),
        re.compile(r'database "(?P<database>[^"]+)" does not exist'),
    ),
)
"""In the order in which they are asked; the first one that raises wins.

Lost connections need none: the dialects' ``is_disconnect`` knows them, and oslo.db goes by that.
"""


@functools.cache
def register() -> bool:
    """Add the filters, once; False where there is no oslo.db."""
    try:
        from oslo_db import exception  # noqa: PLC0415
        from oslo_db.sqlalchemy import engines, exc_filters  # noqa: PLC0415
    except ImportError:
        return False

    for one in FILTERS:

        def receive(
            error: Any, match: Any, engine_name: str, is_disconnect: bool, one: Filter = one
        ) -> None:
            one.raise_for(exception, error)

        for dialect in one.dialects:
            exc_filters.filters(dialect, exc.DBAPIError, r"")(receive)

    @engines._init_connection_args.dispatch_for("cockroachdb")  # type: ignore[untyped-decorator]
    def serializers(url: Any, engine_args: dict[str, Any], kw: dict[str, Any]) -> None:
        """What oslo.db does for PostgreSQL; it asks before a process' first engine is made."""
        engine_args["json_serializer"] = kw.get("json_serializer")
        engine_args["json_deserializer"] = kw.get("json_deserializer")

    return True
