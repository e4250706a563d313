"""What certification has to know about each table: its keys, and who refers to whom."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw
import msgpack

from discovery.rome.schema import schema_objects

Value = Any
Row = tuple[Value, ...]

INTEGERS = 2**63
"""Where SQLite's integers end."""

BINARY = "BINARY"
"""The collation of a column that names none."""


def quoted(name: str) -> str:
    """``name`` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def packed(values: Iterable[Value]) -> bytes:
    """A key's values as bytes: equal values, equal bytes, whatever process packs them."""
    result: bytes = msgpack.packb(list(values), use_bin_type=True)
    return result


@dataclass(frozen=True, slots=True)
class Key:
    """Columns of a table, by position, that identify a row, and the collation of each.

    ``name`` is the index's; of columns that foreign keys refer to, the `Reference.label`.
    """

    name: str
    columns: tuple[int, ...]
    collations: tuple[str, ...]

    def of(self, row: Sequence[Value]) -> bytes | None:
        """The key of a row, or None where one of its columns is NULL: NULL equals nothing."""
        values = []
        for column, collation in zip(self.columns, self.collations, strict=True):
            value = row[column]
            if value is None:
                return None
            if type(value) is float and value.is_integer() and -INTEGERS <= value < INTEGERS:
                value = int(value)  # 1 and 1.0 are one value to SQLite
            values.append(collated(value, collation))
        return packed(values)


def collated(value: Value, collation: str) -> Value:
    """One of all values that SQLite's ``collation`` takes for equal to ``value``, the same for all.

    It is itself equal to ``value``, so that a row is found by it. Collations are of text alone.
    """
    if not isinstance(value, str) or collation == BINARY:
        return value
    if collation == "RTRIM":
        return value.rstrip(" ")
    return _fold_case(value)


def _fold_case(value: str) -> str:
    """A string as NOCASE sees it: the letters of ASCII in lower case, up to the first NUL.

    NOCASE compares no character behind a NUL; of what stands there only the length in bytes counts.
    """
    text, nul, behind = value.partition("\0")
    folded = "".join(c.lower() if c.isascii() else c for c in text)
    return folded + nul + "\0" * len(behind.encode())


def as_number(value: Value) -> Value:
    """A value as a column of numbers would store it, where it is a text that says one."""
    if isinstance(value, str):
        for kind in (int, float):
            with contextlib.suppress(ValueError):
                return kind(value)
    return value


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: columns of this table, and the columns of ``parent`` that they name.

    ``numeric``: SQLite compares them as numbers, whatever this table has, since the parent's are.
    """

    columns: tuple[int, ...]
    parent: str
    parent_columns: tuple[str, ...]
    collations: tuple[str, ...]
    numeric: tuple[bool, ...]

    @property
    def label(self) -> str:
        """What parent and child both call the key that ties them."""
        columns = ",".join(column.lower() for column in self.parent_columns)
        return f"{self.parent.lower()}({columns})"

    def of(self, row: Sequence[Value]) -> bytes | None:
        """The parent's key that this row refers to, or None where it refers to none."""
        if any(self.numeric):
            row = list(row)
            for column, numeric in zip(self.columns, self.numeric, strict=True):
                if numeric:
                    row[column] = as_number(row[column])
        return Key("", self.columns, self.collations).of(row)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its stored columns in order, its primary key, its unique keys, its references.

    ``rowid`` is set where there is no declared primary key: SQLite's row number then stands in, as
    column 0. ``scanned`` names unique indexes on expressions or of some rows only; a write is then
    certified as one of the whole table. ``keyless`` finds rows with NULL in a declared primary key:
    SQLite takes them where the column is not NOT NULL, other databases do not, and no key would
    stand for them.
    """

    name: str
    columns: tuple[str, ...]
    primary: Key
    rowid: bool
    unique: tuple[Key, ...]
    scanned: bool
    references: tuple[Reference, ...]
    select_all: str = field(compare=False)
    select: str = field(compare=False)
    insert: str = field(compare=False)
    delete: str = field(compare=False)
    upsert: str | None = field(compare=False)
    keyless: str | None = field(compare=False)

    @property
    def integer_key(self) -> bool:
        """Whether the primary key is SQLite's row number."""
        return not self.rowid and self.upsert is None

    def key_of(self, row: Sequence[Value]) -> bytes:
        """What a row lies under: its primary key, NULLs of a declared one as they are."""
        key = self.primary.of(row)
        return packed(row[i] for i in self.primary.columns) if key is None else key


class Catalogue:
    """The tables of one schema, read once from a connection that shows it.

    ``parents``: by table the keys of it that foreign keys of any table refer to.
    """

    def __init__(self, database: apsw.Connection) -> None:
        self.tables: dict[str, Table] = {}
        self.parents: dict[str, tuple[Key, ...]] = {}
        for kind, name, _ in schema_objects(database):
            if kind == "table":
                self.tables[name] = _table(database, name)
        self._find_parents()

    def _find_parents(self) -> None:
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        spelled = {name.lower(): name for name in self.tables}
        for table in self.tables.values():
            for reference in table.references:
                parent = spelled.get(reference.parent.lower())
                if parent is not None:
                    found.setdefault(parent, {})[reference.label] = reference.parent_columns
        for name, keys in found.items():
            table = self.tables[name]
            position = {column.lower(): i for i, column in enumerate(table.columns)}
            collations = _key_collations(table)
            parents = []
            for label, columns in keys.items():
                named = columns or tuple(table.columns[i] for i in table.primary.columns)
                places = tuple(position[column.lower()] for column in named)
                parents.append(Key(label, places, tuple(collations.get(i, BINARY) for i in places)))
            self.parents[name] = tuple(parents)


def _key_collations(table: Table) -> dict[int, str]:
    collations: dict[int, str] = {}
    for key in (table.primary, *table.unique):
        collations.update(zip(key.columns, key.collations, strict=True))
    return collations


def _rows(
    database: apsw.Connection, sql: str, bindings: tuple[Value, ...] = ()
) -> list[tuple[Any, ...]]:
    return database.execute(sql, bindings).fetchall()


def _index_key(database: apsw.Connection, index: str, place: dict[int, int]) -> Key | None:
    columns, collations = [], []
    for cid, collation in _rows(
        database, "SELECT cid, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno", (index,)
    ):
        if cid not in place:
            return None
        columns.append(place[cid])
        collations.append(collation.upper())
    return Key(index, tuple(columns), tuple(collations))


def _table(database: apsw.Connection, name: str) -> Table:
    info = _rows(
        database,
        'SELECT cid, name, pk, "notnull" FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid',
        (name,),
    )
    primary_cids = [cid for cid, _, pk, _ in sorted(info, key=lambda row: row[2]) if pk]
    rowid = not primary_cids
    names = tuple((["_rowid_"] if rowid else []) + [column for _, column, _, _ in info])
    place = {cid: i + rowid for i, (cid, *_) in enumerate(info)}
    nullable = [quoted(column) for _, column, pk, required in info if pk and not required]
    unique: list[Key] = []
    scanned = False
    primary: Key | None = None
    for index, origin, partial in _rows(
        database, 'SELECT name, origin, partial FROM pragma_index_list(?) WHERE "unique"', (name,)
    ):
        key = _index_key(database, index, place)
        if key is None or partial:
            scanned = True
        elif origin == "pk":
            primary = key
        else:
            unique.append(key)
    if rowid:
        primary = Key("rowid", (0,), (BINARY,))
    elif primary is None:  # INTEGER PRIMARY KEY has no index: the row number is the key
        places = tuple(place[cid] for cid in primary_cids)
        primary = Key("primary", places, (BINARY,) * len(places))
    by_row_number = rowid or primary.name == "primary"
    where = " AND ".join(f"{quoted(names[i])} = ?" for i in primary.columns)
    listed = ", ".join(quoted(column) for column in names)
    table = quoted(name)
    select_all = f"SELECT {listed} FROM {table}"
    return Table(
        name=name,
        columns=names,
        primary=primary,
        rowid=rowid,
        unique=tuple(unique),
        scanned=scanned,
        references=_references(database, name, place),
        select_all=select_all,
        select=f"{select_all} WHERE {where}",
        insert=f"INSERT INTO {table} ({listed}) VALUES ({', '.join('?' * len(names))})",
        delete=f"DELETE FROM {table} WHERE {where}",
        upsert=None if by_row_number else _upsert(table, names, primary),
        keyless=None if by_row_number or not nullable else _keyless(table, nullable),
    )


def _keyless(table: str, nullable: list[str]) -> str:
    return f"SELECT 1 FROM {table} WHERE {' OR '.join(f'{name} IS NULL' for name in nullable)}"


def _upsert(table: str, names: tuple[str, ...], primary: Key) -> str:
    """Insert a row or change it where it is, so that it keeps its place among the others."""
    listed = ", ".join(quoted(column) for column in names)
    key = ", ".join(quoted(names[i]) for i in primary.columns)
    changes = ", ".join(f"{quoted(column)} = excluded.{quoted(column)}" for column in names)
    return (
        f"INSERT INTO {table} ({listed}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT ({key}) DO UPDATE SET {changes}"
    )


def _collations(database: apsw.Connection, table: str) -> dict[str, str]:
    return {
        column.lower(): database.column_metadata(None, table, column)[1].upper()
        for (column,) in _rows(database, "SELECT name FROM pragma_table_info(?)", (table,))
    }


def _numbers(database: apsw.Connection, table: str) -> set[str]:
    """The columns that SQLite gives the affinity of numbers, by its rules for names of types."""
    texts = ("CHAR", "CLOB", "TEXT", "BLOB")
    return {
        column.lower()
        for column, kind in _rows(
            database, "SELECT name, upper(type) FROM pragma_table_info(?)", (table,)
        )
        if "INT" in kind or (kind and not any(text in kind for text in texts))
    }


def _references(
    database: apsw.Connection, name: str, place: dict[int, int]
) -> tuple[Reference, ...]:
    by_name = {
        column.lower(): place[cid]
        for cid, column in _rows(database, "SELECT cid, name FROM pragma_table_info(?)", (name,))
        if cid in place
    }
    found: dict[int, tuple[str, list[str], list[str | None]]] = {}
    for number, parent, child, target in _rows(
        database,
        'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq',
        (name,),
    ):
        _, children, targets = found.setdefault(number, (parent, [], []))
        children.append(child)
        targets.append(target)
    references = []
    for parent, children, targets in found.values():
        columns = tuple(target for target in targets if target is not None)
        try:
            collations = _collations(database, parent)
            numbers = _numbers(database, parent)
        except apsw.SQLError:  # the parent does not exist (yet); SQLite refuses a row that needs it
            collations, numbers = {}, set()
        named = columns
        if not named:
            named = tuple(
                column
                for (column,) in _rows(
                    database,
                    "SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk",
                    (parent,),
                )
            )
        references.append(
            Reference(
                tuple(by_name[child.lower()] for child in children),
                parent,
                columns,
                tuple(collations.get(column.lower(), BINARY) for column in named)
                or (BINARY,) * len(children),
                tuple(column.lower() in numbers for column in named) or (False,) * len(children),
            )
        )
    return tuple(references)
