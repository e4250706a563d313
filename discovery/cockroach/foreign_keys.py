"""The indexes that MySQL makes for foreign keys, on servers that make none.

OpenStack's migrations are written for MySQL, whose InnoDB keeps an index for every foreign key: on
its columns, unless another index, unique constraint or primary key begins with them in their order.
On PostgreSQL and CockroachDB nobody makes it, and Keystone's ``… WHERE local_user_id = …`` reads
all of its table: it conflicts, under SERIALIZABLE, with whoever writes any row of it.

So a statement of DDL is followed by those that InnoDB would have done within it:

* a new table, or a new foreign key: an index for each foreign key that has none;
* a new index, unique constraint or primary key: the indexes of ours that it covers go;
* one that goes, by itself or with a column: an index for each foreign key that it leaves without.

As with InnoDB, an index outlives its foreign key. It goes with its table or column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import schema
from sqlalchemy.engine import Connection

OPTION = "foreign_key_indexes"
PREFIX = "fkidx_"
_LONGEST_NAME = 63  # what PostgreSQL keeps of a name
_ORDERED = frozenset({None, False, "", "btree", "prefix"})  # kinds of indexes that find by prefix

Columns = tuple[str, ...]


def name(table: str, columns: Sequence[str]) -> str:
    """The name of our index: always the same, never that of another, and at most 63 bytes long."""
    told = hashlib.sha256("\0".join((table, *columns)).encode()).hexdigest()[:8]
    whole = "_".join((f"{PREFIX}{told}", table, *columns))
    return whole.encode()[:_LONGEST_NAME].decode(errors="ignore")


def is_ours(index: str | None) -> bool:
    """Whether an index of this name was made here."""
    return index is not None and index.startswith(PREFIX)


class Context:
    """Comes before an execution context of SQLAlchemy's: what follows a statement of DDL."""

    isddl: bool
    compiled: Any
    dialect: Any
    root_connection: Connection

    def post_exec(self) -> None:
        """After the statement; within its transaction."""
        above: Any = super()
        above.post_exec()
        if self.isddl and self.dialect.foreign_key_indexes:
            follow(self.root_connection, self.compiled.statement)


def follow(connection: Connection, element: Any) -> None:
    """Do what InnoDB would have done within the statement ``element``."""
    done: Any = getattr(element, "element", None)
    if isinstance(element, schema.CreateTable):
        if element.if_not_exists:
            settle(connection, done.name, done.schema)
        else:
            _make(connection, done.name, done.schema, lacking(done))
    elif isinstance(element, schema.AddConstraint):
        if isinstance(done, schema.ForeignKeyConstraint):
            settle(connection, done.table.name, done.table.schema)
        elif isinstance(done, schema.UniqueConstraint | schema.PrimaryKeyConstraint):
            _drop_covered(connection, done.table, _names(done.columns))
    elif isinstance(element, schema.CreateIndex) and isinstance(done, schema.Index):
        columns = _columns(done)
        if columns and done.table is not None and not is_ours(done.name):
            _drop_covered(connection, done.table, columns)
    elif isinstance(element, schema.DropIndex | schema.DropConstraint):
        table = getattr(done, "table", None)
        harmless = isinstance(done, schema.CheckConstraint | schema.ForeignKeyConstraint)
        if table is not None and not harmless and not is_ours(getattr(done, "name", None)):
            settle(connection, table.name, table.schema)
    elif getattr(element, "inline_references", False) or _drops_column(element):
        # Alembic's ADD COLUMN … REFERENCES …; and DROP COLUMN, which MySQL takes out of an index
        # that PostgreSQL drops as a whole.
        settle(connection, str(element.table_name), element.schema)


def _drops_column(element: Any) -> bool:
    """Whether it is alembic's DROP COLUMN; alembic itself need not be here."""
    return any(kind.__name__ == "DropColumn" for kind in type(element).__mro__)


def lacking(table: sa.Table) -> list[Columns]:
    """The columns of the foreign keys of ``table`` that nothing in its description covers."""
    there = [_names(table.primary_key.columns)]
    there += [
        _names(one.columns) for one in table.constraints if isinstance(one, sa.UniqueConstraint)
    ]
    there += [_columns(index) for index in table.indexes]
    # They are kept in a set; an order of their own makes the same statements of the same table.
    keys = sorted(_names(key.columns) for key in table.foreign_key_constraints)
    return _uncovered(keys, there)


def settle(connection: Connection, table: str, in_schema: str | None = None) -> None:
    """Make the indexes that the foreign keys of ``table`` lack in the database; none if no table.

    The database is asked, since a migration describes no more of a table than it changes.
    """
    look = sa.inspect(connection)
    if not look.has_table(table, schema=in_schema):
        return
    keys = [
        tuple(key["constrained_columns"]) for key in look.get_foreign_keys(table, schema=in_schema)
    ]
    if keys:
        there = [tuple(look.get_pk_constraint(table, schema=in_schema)["constrained_columns"])]
        there += [
            tuple(one["column_names"]) for one in look.get_unique_constraints(table, in_schema)
        ]
        there += [_reflected(index) for index in look.get_indexes(table, schema=in_schema)]
        _make(connection, table, in_schema, _uncovered(keys, there))


def _uncovered(keys: Iterable[Columns], there: Iterable[Columns]) -> list[Columns]:
    """Those of ``keys`` with which nothing of ``there`` begins; each once."""
    begun = {columns[:length] for columns in there for length in range(1, len(columns) + 1)}
    return [key for key in dict.fromkeys(keys) if key not in begun]


def _make(
    connection: Connection, table: str, in_schema: str | None, keys: Iterable[Columns]
) -> None:
    # The longest first, since it may cover another.
    made: list[Columns] = []
    for key in sorted(keys, key=len, reverse=True):
        if key in {one[: len(key)] for one in made}:
            continue
        index = _index(table, in_schema, key)
        connection.execute(schema.CreateIndex(index, if_not_exists=True))
        made.append(key)


def _drop_covered(connection: Connection, table: Any, columns: Columns) -> None:
    """Drop those of ours that an index on ``columns`` does the work of."""
    for length in range(1, len(columns) + 1):
        index = _index(table.name, table.schema, columns[:length])
        connection.execute(schema.DropIndex(index, if_exists=True))


def _index(table: str, in_schema: str | None, columns: Columns) -> schema.Index:
    """Ours, on a description of the table that nobody else holds."""
    described = sa.Table(
        table, sa.MetaData(), *(sa.Column(column) for column in columns), schema=in_schema
    )
    return schema.Index(name(table, columns), *described.columns)


def _columns(index: schema.Index) -> Columns:
    """What rows can be found by: none with an index of some rows, of expressions, of another kind.

    Only the columns before an expression count.
    """
    options = index.dialect_options["postgresql"]
    if options.get("where") is not None or options.get("using") not in _ORDERED:
        return ()
    return tuple(_leading(map(_column, index.expressions)))


def _column(expression: Any) -> str | None:
    """The column that an index is ordered by, upwards or downwards; None if it is no column."""
    if isinstance(expression, sa.UnaryExpression) and expression.modifier is not None:
        expression = expression.element
    return expression.name if isinstance(expression, sa.Column) else None


def _reflected(index: Any) -> Columns:
    """The same of an index that the database told of."""
    options = index.get("dialect_options", {})
    if options.get("postgresql_where") or options.get("postgresql_using") not in _ORDERED:
        return ()
    return tuple(_leading(index["column_names"]))


def _leading(names: Iterable[str | None]) -> Iterator[str]:
    for one in names:
        if one is None:
            return
        yield one


def _names(columns: Iterable[Any]) -> Columns:
    return tuple(column.name for column in columns)
