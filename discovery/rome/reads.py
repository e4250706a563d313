"""What a statement reads, for SERIALIZABLE: every table that its answer, or its silence, tells of.

SQLite's authorizer names them while it prepares the statement: tables whose columns are read, also
by triggers, views and foreign keys, and those that rows are taken from, changed in or put into,
which tells of them even where no column is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from discovery.rome.catalogue import Catalogue, Value
from discovery.rome.inserts import gives_all_keys, rows_of
from discovery.rome.statements import Shape

_TELLS = frozenset({apsw.SQLITE_READ, apsw.SQLITE_DELETE, apsw.SQLITE_UPDATE, apsw.SQLITE_INSERT})
_OF_SCHEMA = frozenset(
    {
        *("table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"),
        *("foreign_key_list", "database_list", "collation_list", "function_list", "module_list"),
        *("pragma_list", "compile_options"),
    }
)
"""PRAGMAs that tell of no row; of the schema everybody is certified."""
_SCHEMAS = frozenset({"sqlite_schema", "sqlite_master", "sqlite_temp_schema", "sqlite_temp_master"})
_MOST_KNOWN = 2048


@dataclass(frozen=True, slots=True)
class Footprint:
    """The tables that a statement tells of, and whether a trigger is among what it sets off."""

    tables: frozenset[str]
    triggers: bool


class Reader:
    """Finds footprints, and remembers them while the schema stays what it is."""

    def __init__(self) -> None:
        self._of: tuple[Catalogue | None, Value, Value] = (None, None, None)
        self._known: dict[str, Footprint] = {}

    def footprint(self, database: apsw.Connection, sql: str, catalogue: Catalogue) -> Footprint:
        """Of a statement that is about to be run, in a schema that ``catalogue`` describes."""
        ((temporary,),) = database.execute("PRAGMA temp.schema_version").fetchall()
        ((recursive,),) = database.execute("PRAGMA recursive_triggers").fetchall()
        if self._of[0] is not catalogue or self._of[1:] != (temporary, recursive):
            self._of = (catalogue, temporary, recursive)
            self._known.clear()
        found = self._known.get(sql)
        if found is None:
            found = footprint_of(database, sql, catalogue)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[sql] = found
        return found


def footprint_of(database: apsw.Connection, sql: str, catalogue: Catalogue) -> Footprint:
    """Ask SQLite to prepare ``sql``; what it cannot prepare may still be run in another way.

    So it is with more parameters than SQLite binds: those are written into the text.
    """
    tables: set[str] = set()
    triggers = everything = False

    def note(
        action: int, first: str | None, _: str | None, schema: str | None, within: str | None
    ) -> int:
        nonlocal triggers, everything
        triggers = triggers or within is not None
        if action in _TELLS and first is not None and schema != "temp":
            tables.add(first)
            everything = everything or _tells_of_all(first)
        elif action == apsw.SQLITE_PRAGMA:
            everything = everything or first is None or first.lower() not in _OF_SCHEMA
        elif action in {apsw.SQLITE_ANALYZE, apsw.SQLITE_REINDEX}:
            everything = True
        return apsw.SQLITE_OK

    cursor = database.cursor()
    cursor.exec_trace = lambda *_: False  # prepare it, and stop
    database.authorizer = note
    try:
        cursor.execute(sql, apsw._null_bindings, can_cache=False)  # type: ignore[attr-defined]
    except apsw.ExecTraceAbort:
        pass
    except apsw.Error:
        everything = True
    finally:
        database.authorizer = None
    return Footprint(
        frozenset(catalogue.tables) if everything else frozenset(tables & catalogue.tables.keys()),
        triggers,
    )


def _tells_of_all(table: str) -> bool:
    """Whether it is none of the schema's, and yet shows what the database holds."""
    if table.startswith("pragma_"):
        return table.removeprefix("pragma_") not in _OF_SCHEMA
    return table == "dbstat" or (table.startswith("sqlite_") and table not in _SCHEMAS)


class Reads:
    """The tables that one transaction has read."""

    def __init__(self) -> None:
        self.tables: set[str] = set()
        self._plain: set[str] = set()

    def note(
        self,
        footprint: Footprint,
        form: Shape,
        sql: str,
        parameters: Sequence[Value],
        count: int,
        catalogue: Catalogue,
    ) -> None:
        """A statement was run; ``count`` of its rows, or -1 where it failed.

        An INSERT of given values that did all of it has read no table: its rows, unique keys and
        references are certified each by itself. Whoever deletes such a row again has read, too; and
        so has one that may replace a row (ON CONFLICT REPLACE), of which others' rows may be.
        """
        table = catalogue.tables.get(form.into or "")
        if (
            form.kind == "insert"
            and table is not None
            and not footprint.triggers
            and table.name not in catalogue.replacing
            and count == rows_of(sql)
            and gives_all_keys(sql, parameters, table)
        ):
            self._plain |= footprint.tables
        else:
            self.tables |= footprint.tables

    def note_undone(self) -> None:
        """Statements were rolled back: what they were told, their caller still knows."""
        self.tables |= self._plain
