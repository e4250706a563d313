"""Alembic's operations on constraints and columns, which SQLite has no ALTER for.

The table is made anew with its changed statement, the rows are copied, and its indexes, and all
triggers and views, are made again as they were. What is not changed keeps its text: collations,
checks, defaults, conflict clauses.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import CheckConstraint, Column, Computed, ForeignKeyConstraint, MetaData, Table
from sqlalchemy import PrimaryKeyConstraint as PrimaryKey
from sqlalchemy.schema import Constraint, UniqueConstraint
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import to_instance

from discovery.rome import mysql_alter
from discovery.rome.definition import Clause, Definition, names_of_index, parse
from discovery.rome.mysql_names import COPY, name_of, nameless
from discovery.rome.schema import SchemaObject

_KINDS: dict[type[Constraint], str] = {
    PrimaryKey: "primary",
    ForeignKeyConstraint: "foreign",
    CheckConstraint: "check",
    UniqueConstraint: "unique",
}
_ADD = "add_constraint"
"""What alembic's batch mode calls that operation."""


@functools.cache
def register() -> bool:
    """Tell alembic of it, once; False where there is no alembic.

    Alembic chooses by the dialect's name, which is SQLite's: a plain SQLite of the same process
    gets what it had before.
    """
    try:
        from alembic.ddl import impl  # noqa: PLC0415
        from alembic.ddl.sqlite import SQLiteImpl  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415
    except ImportError:
        return False
    plain = impl._impls["sqlite"]

    class RomeImpl(SQLiteImpl):
        """What alembic does on ``rome://``; batch mode goes its own way where it can."""

        __dialect__ = "rome"

        def execute(self, sql: Any, execution_options: Any = None) -> None:
            text = sql if isinstance(sql, str) else getattr(sql, "text", "")
            found = None if self.as_sql else mysql_alter.read(text)
            if found is None:
                super().execute(sql, execution_options)
                return
            table, changes = found
            self._rebuild(table, lambda one: sum(change(one) for change in changes) > 0)

        def add_constraint(self, const: Any, **kw: Any) -> None:
            if self.as_sql:
                super().add_constraint(const, **kw)
            elif const._create_rule is None or const._create_rule(self):
                _name(const, parse(self._statement(const.table.name)).named())
                text = _rendered(self, const)
                self._rebuild(
                    const.table.name, lambda table: _add(table, const, text or "", CommandError)
                )

        def drop_constraint(self, const: Any, **kw: Any) -> None:
            if self.as_sql:
                super().drop_constraint(const, **kw)
                return
            name = None if nameless(const) else str(const.name)
            kind = next((_KINDS[one] for one in type(const).__mro__ if one in _KINDS), None)
            implied = name is None and const._create_rule is not None
            quiet = kw.get("if_exists") or const._create_rule is not None

            def change(table: Definition) -> bool:
                if name is not None and table.remove(kind, name):
                    return True
                if kind == "primary":
                    return table.remove(kind)
                return implied and table.remove(kind, text=_rendered(self, const) or "-")

            if self._rebuild(const.table.name, change):
                return
            if kind == "unique" and name in self._unique_indexes(const.table.name):
                self._run(f"DROP INDEX {self._quoted(name or '')}")  # one thing in MySQL
            elif not quiet:
                known = parse(self._statement(const.table.name)).named()
                raise CommandError(
                    f"table {const.table.name} has no {kind or 'any'} constraint {name}; "
                    f"its constraints with a name: {', '.join(known) or 'none'}"
                )

        def requires_recreate_in_batch(self, batch_op: Any) -> bool:
            """Whether batch mode has to copy the table; it cannot where a new key has no name."""
            added = (arguments[0] for name, arguments, _ in batch_op.batch if name == _ADD)
            return not any(map(nameless, added)) and super().requires_recreate_in_batch(batch_op)

        def drop_index(self, index: Any, **kw: Any) -> None:
            if self.as_sql or not self._drop_unique(index):
                super().drop_index(index, **kw)

        def _drop_unique(self, index: Any) -> bool:
            """Drop the unique constraint of this name, which is an index in MySQL."""
            table, name = index.table.name, str(index.name)
            found = self._run(
                "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?) "
                "AND NOT EXISTS (SELECT 1 FROM sqlite_schema "
                "WHERE type = 'index' AND lower(name) = lower(?))",
                *(table, name),
            )
            return bool(found) and self._rebuild(table, lambda one: one.remove("unique", name))

        def add_column(self, table_name: str, column: Any, **kw: Any) -> None:
            default = column.server_default
            computed = isinstance(default, Computed) and default.persisted
            constant = not isinstance(getattr(default, "arg", None), ClauseElement)
            if self.as_sql or (constant and not computed) or kw.get("if_not_exists"):
                super().add_column(table_name, column, **kw)
                return
            if column.table is None:
                Table(table_name, MetaData(), column)
            compiler = _compiler(self)
            text = compiler.get_column_specification(column)

            def change(table: Definition) -> bool:
                table.columns += parse(f"CREATE TABLE t ({text})").columns
                return True

            self._rebuild(table_name, change)

        def drop_column(self, table_name: str, column: Any, **kw: Any) -> None:
            if self.as_sql:
                super().drop_column(table_name, column, **kw)
            elif not self._rebuild(
                table_name, lambda table: table.remove_column(column.name)
            ) and not kw.get("if_exists"):
                raise CommandError(f"table {table_name} has no column {column.name}")

        def alter_column(self, table_name: str, column_name: str, **kw: Any) -> None:
            if self.as_sql:
                super().alter_column(table_name, column_name, **kw)
                return
            type_, nullable = kw.get("type_"), kw.get("nullable")
            default = kw.get("server_default", False)
            if isinstance(default, Computed):
                raise CommandError(
                    f"{table_name}.{column_name} cannot become a computed column: drop and add it"
                )
            if type_ is not None or nullable is not None or default is not False:

                def change(table: Definition) -> bool:
                    found = table.column(column_name)
                    if found is None:
                        raise CommandError(f"table {table_name} has no column {column_name}")
                    if type_ is not None:
                        found.without("collate")
                        found.type = _type(self, column_name, type_)
                    if nullable is not None:
                        found.without("not null", "null")
                        found.clauses += [] if nullable else [Clause("not null", "NOT NULL")]
                    if default is not False:
                        found.without("default")
                        text = _default(self, column_name, default)
                        found.clauses += [Clause("default", f"DEFAULT {text}")] if text else []
                    return True

                self._rebuild(table_name, change)
            if kw.get("name") is not None:
                super().alter_column(table_name, column_name, name=kw["name"])

        def _quoted(self, name: str) -> str:
            return '"{}"'.format(name.replace('"', '""'))

        def _run(self, sql: str, *values: Any) -> list[Any]:
            assert self.connection is not None
            result = self.connection.exec_driver_sql(sql, values)
            return list(result) if result.returns_rows else []

        def _statement(self, table: str) -> str:
            found = self._run(
                "SELECT sql FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?)",
                table,
            )
            if not found or found[0][0].upper().startswith("CREATE VIRTUAL"):
                raise CommandError(f"there is no table {table}")
            return str(found[0][0])

        def _unique_indexes(self, table: str) -> set[str]:
            listed = self._run(f"PRAGMA index_list({self._quoted(table)})")
            return {row[1] for row in listed if row[2] and row[3] == "c"}

        def _rebuild(self, name: str, change: Callable[[Definition], bool]) -> bool:
            """Make a table anew, if there is something to change; rows and neighbours stay."""
            before = parse(self._statement(name))
            after = parse(self._statement(name))
            if not change(after):
                return False
            assert self.connection is not None
            with (
                contextlib.nullcontext()
                if self.connection.in_transaction()
                else self.connection.begin()
            ):
                self._replace(name, before, after)
            return True

        def _replace(self, name: str, before: Definition, after: Definition) -> None:
            gone = {one.name for one in before.columns} - {one.name for one in after.columns}
            rows = self._run(
                "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND (type IN "
                "('view', 'trigger') OR type = 'index' AND lower(tbl_name) = lower(?)) "
                "ORDER BY rowid",
                name,
            )
            objects = [SchemaObject(*row) for row in rows]
            for one in objects:
                if one.kind == "trigger":  # those of a view go with it
                    self._run(f"DROP TRIGGER {self._quoted(one.name)}")
            for one in objects:
                if one.kind == "view":
                    self._run(f"DROP VIEW {self._quoted(one.name)}")
            new, old = self._quoted(f"{COPY}{name}"), self._quoted(name)
            self._run(after.create(new))
            kept = {one.name for one in before.columns}
            copied = ", ".join(
                one.written for one in after.columns if one.name in kept and not one.generated
            )
            if copied:
                self._run(f"INSERT INTO {new} ({copied}) SELECT {copied} FROM {old}")
            self._run(f"DROP TABLE {old}")
            self._run(f"ALTER TABLE {new} RENAME TO {old}")
            for one in objects:
                if one.kind != "index" or not gone & names_of_index(one.sql):
                    self._run(one.sql)

    class Chosen(SQLiteImpl):
        """What the name ``sqlite`` stands for."""

        __dialect__ = "sqlite"

        def __new__(cls, dialect: Any, *arguments: Any, **kw: Any) -> Any:
            chosen = RomeImpl if dialect.driver == "rome" else plain
            return chosen(dialect, *arguments, **kw)

    return True


def _name(constraint: Any, used: Iterable[str]) -> None:
    if nameless(constraint):
        constraint.name = name_of(constraint, used) or constraint.name


def _compiler(impl: Any) -> Any:
    return impl.dialect.ddl_compiler(impl.dialect, None)


def _rendered(impl: Any, constraint: Any) -> str | None:
    """The constraint as a part of CREATE TABLE."""
    text: str | None = _compiler(impl).process(constraint)
    return text and text.strip()


def _add(table: Definition, constraint: Any, text: str, error: type[Exception]) -> bool:
    clauses = parse(f"CREATE TABLE t (x, {text})").constraints if text else []
    for clause in clauses:
        known = {name.lower() for name in table.named()}
        if clause.name is not None and clause.name.lower() in known:
            raise error(f"table {constraint.table.name} has a constraint {clause.name} already")
    return table.add(clauses)


def _type(impl: Any, name: str, type_: Any) -> str:
    one = to_instance(type_)  # a class is a type, too
    text: str = impl.dialect.type_compiler_instance.process(one, type_expression=Column(name, one))
    return text


def _default(impl: Any, name: str, default: Any) -> str | None:
    """As SQLite's dialect writes it in CREATE TABLE."""
    column: Column[Any] = Column(name, server_default=default)
    text: str | None = _compiler(impl).get_column_default_string(column)
    if text and re.match(r"\s*['\"(]", text) is None and re.search(r"\W", text):
        text = f"({text})"
    return text
