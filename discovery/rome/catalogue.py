"""What certification has to know about each table: its keys, and who refers to whom."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import apsw

from discovery.rome.packing import values_packed
from discovery.rome.schema import schema_objects

Value = Any
Row = tuple[Value, ...]

INTEGERS = 2**63
"""Where SQLite's integers end."""

BINARY = "BINARY"
"""The collation of a column that names none."""

COLLATIONS = frozenset({BINARY, "NOCASE", "RTRIM"})
"""Those of SQLite itself, which every process has."""

ROW_NUMBER = "_rowid_"


def quoted(name: str) -> str:
    """``name`` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def of_main(table: str) -> str:
    """A table of the database as SQL names it: the name alone may be a temporary table's."""
    return f"main.{quoted(table)}"


def names_inner(sql: str) -> bool:
    """Whether a statement may name one of SQLite's own tables."""
    return "sqlite_" in sql.lower()


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
            if type(value) is float:
                if isnan(value):
                    return None  # SQLite stores NULL for it
                if value.is_integer() and -INTEGERS <= value < INTEGERS:
                    value = int(value)  # 1 and 1.0 are one value to SQLite
            values.append(collated(value, collation))
        return values_packed(values)

    def stays(self, old: Row, new: Row) -> bool:
        """Whether a row that was changed has these columns' values as they were."""
        return _are_same(self.columns, old, new)


def _are_same(columns: tuple[int, ...], old: Row, new: Row) -> bool:
    for column in columns:
        before, after = old[column], new[column]
        if before is not after and (type(before) is not type(after) or before != after):
            return False
    return True


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
    return folded(text) + nul + "\0" * len(behind.encode())


def folded(name: str) -> str:
    """A name as SQLite compares names: the letters of ASCII without case, and no others."""
    return name.lower() if name.isascii() else name.translate(_LOWER)


_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def affinity(declared: str, *, strict: bool = False) -> str:
    """What SQLite makes of a column's type, by its rules for the names of types."""
    kind = declared.upper()
    if not kind or (strict and kind == "ANY"):
        return "BLOB"
    for name, words in _AFFINITIES:
        if any(word in kind for word in words):
            return name
    return "NUMERIC"


_AFFINITIES = (
    ("INTEGER", ("INT",)),
    ("TEXT", ("CHAR", "CLOB", "TEXT")),
    ("BLOB", ("BLOB",)),
    ("REAL", ("REAL", "FLOA", "DOUB")),
)
_AS_THEY_ARE: dict[str, tuple[type, ...]] = {
    "INTEGER": (int, bytes),
    "NUMERIC": (int, bytes),
    "REAL": (float, bytes),
    "TEXT": (str, bytes),
    "BLOB": (int, float, str, bytes),
}


def as_stored(value: Value, kind: str) -> Value:
    """A value as a column of this affinity stores it; SQLite says so where it may differ."""
    if value is None or isinstance(value, _AS_THEY_ARE[kind]):
        return value
    return _converted(value, type(value).__name__, kind)


@functools.lru_cache(maxsize=4096)
def _converted(value: Value, _: str, kind: str) -> Value:
    with contextlib.closing(apsw.Connection(":memory:")) as database:
        database.execute(f"CREATE TABLE t (v {kind})")
        database.execute("INSERT INTO t VALUES (?)", (value,))
        ((stored,),) = database.execute("SELECT v FROM t").fetchall()
    return stored


@functools.lru_cache(maxsize=2048)
def _label(parent: str, columns: tuple[str, ...]) -> str:
    return f"{folded(parent)}({','.join(map(folded, columns))})"


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: columns of this table, and the columns of ``parent`` that they name.

    SQLite looks for them as the parent's columns would store them, by its ``affinities``.
    """

    columns: tuple[int, ...]
    parent: str
    parent_columns: tuple[str, ...]
    collations: tuple[str, ...]
    affinities: tuple[str, ...]

    @property
    def label(self) -> str:
        """What parent and child both call the key that ties them."""
        return _label(self.parent, self.parent_columns)

    def of(self, row: Sequence[Value]) -> bytes | None:
        """The parent's key that this row refers to, or None where it refers to none."""
        values = [
            as_stored(row[column], kind)
            for column, kind in zip(self.columns, self.affinities, strict=True)
        ]
        return Key("", tuple(range(len(values))), self.collations).of(values)

    def stays(self, old: Row, new: Row) -> bool:
        """As a key does."""
        return _are_same(self.columns, old, new)


@functools.lru_cache(maxsize=2048)
def _update(table: str, columns: tuple[str, ...], where: str) -> str:
    named = ", ".join(f"{quoted(column)} = ?" for column in columns)
    return f"UPDATE {of_main(table)} SET {named} WHERE {where}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its stored columns in order, its primary key, its unique keys, its references.

    ``rowid`` is set where there is no declared primary key: SQLite's row number then stands in, as
    column 0; ``by_row_number`` where that number is the key, declared or not. ``reals``: the
    columns that may store a whole number as such, and give it as a fraction. ``scanned`` names
    unique indexes on expressions or of some rows only; a write is then certified as one of the
    whole table, and so it is where SQLite's number does not find a row (``numbered``; WITHOUT
    ROWID): nothing tells which rows were written with what they held. ``keyless`` finds rows with
    NULL in a declared primary key:
    SQLite takes them where the column is not NOT NULL, other databases do not, and no key would
    stand for them.
    """

    name: str
    columns: tuple[str, ...]
    primary: Key
    rowid: bool
    reals: frozenset[int]
    unique: tuple[Key, ...]
    scanned: bool
    references: tuple[Reference, ...]
    by_row_number: bool
    where: str = field(compare=False)
    select_all: str = field(compare=False)
    select: str = field(compare=False)
    numbered: str | None = field(compare=False)
    insert: str = field(compare=False)
    delete: str = field(compare=False)
    keyless: str | None = field(compare=False)

    @property
    def integer_key(self) -> bool:
        """Whether the primary key is SQLite's row number."""
        return not self.rowid and self.by_row_number

    def update(self, columns: Sequence[int]) -> str:
        """Sets these columns of the row that a key names; it takes the values, then the key."""
        return _update(self.name, tuple(self.columns[place] for place in columns), self.where)

    def as_read(self, row: Sequence[Value]) -> Row:
        """A row of a changeset as a query gives it."""
        if not self.reals:
            return tuple(row)
        return tuple(
            float(value) if type(value) is int and i in self.reals else value
            for i, value in enumerate(row)
        )

    def key_of(self, row: Sequence[Value]) -> bytes:
        """What a row lies under: its primary key, NULLs of a declared one as they are."""
        key = self.primary.of(row)
        return values_packed([row[i] for i in self.primary.columns]) if key is None else key


class Catalogue:
    """The tables of one schema, read once from a connection that shows it.

    ``parents``: by table the keys of it that foreign keys of any table refer to. ``unsupported``:
    sentences about parts of the schema whose keys cannot be certified; no DDL may make them.
    ``quiet``: names in lower case of the tables that set off no trigger; ``triggers``: whether any
    does; ``inner``: whether one names SQLite's own tables. ``unnumbered``: tables without row
    numbers. ``replacing``: tables, a key of which may say ON CONFLICT REPLACE, so that an INSERT
    may delete.
    """

    def __init__(self, database: apsw.Connection) -> None:
        self.tables: dict[str, Table] = {}
        self.parents: dict[str, tuple[Key, ...]] = {}
        self.unsupported: list[str] = []
        kinds = {
            name: (kind, bool(strict))
            for name, kind, strict in _rows(
                database, "SELECT name, type, strict FROM pragma_table_list WHERE schema = 'main'"
            )
        }
        columns = {
            name: _columns(database, name, kinds[name][1])
            for kind, name, _ in schema_objects(database)
            if kind == "table"
        }
        self.unsupported += [
            f"table {name} is virtual: its rows are another's"
            for name in columns
            if kinds[name][0] in {"virtual", "shadow"}
        ]
        spelled = {folded(name): name for name in columns}
        parents: dict[str, dict[str, Key]] = {}
        for name, own in columns.items():
            table = _table(database, name, own)
            if table.rowid and ROW_NUMBER in map(folded, (column.name for column in own)):
                self.unsupported.append(
                    f"table {name} has no primary key, and a column {ROW_NUMBER} in its place"
                )
            self.unsupported += _looser_columns(table, own)
            references = []
            for reference in _references(database, table, own, self.unsupported):
                parent = spelled.get(folded(reference.parent))
                if parent is None:  # not there yet; SQLite refuses a row that needs it
                    references.append(reference)
                    continue
                found = _tied(database, reference, parent, columns[parent])
                if found is None:  # a mismatch, which SQLite tells of when a row is written
                    continue
                references.append(found[0])
                parents.setdefault(parent, {})[reference.label] = found[1]
            self.tables[name] = dataclasses.replace(table, references=tuple(references))
        self.parents = {name: tuple(keys.values()) for name, keys in parents.items()}
        self.unsupported += _unknown_collations(database, columns)
        self.unnumbered = [name for name, table in self.tables.items() if table.numbered is None]
        self.replacing = {
            name
            for kind, name, sql in schema_objects(database)
            if kind == "table" and "REPLACE" in sql.upper()
        }
        triggered = _rows(
            database, "SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'"
        )
        self.triggers = bool(triggered)
        self.inner = any(names_inner(sql) for _, sql in triggered)
        self.quiet = {folded(name) for name in self.tables} - {
            folded(name) for name, _ in triggered
        }


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as declared; ``place`` is where it stands in rows, None if it is generated."""

    cid: int
    name: str
    pk: int
    required: bool
    kind: str
    collation: str
    place: int | None


def _columns(database: apsw.Connection, table: str, strict: bool) -> list[_Column]:
    found = _rows(
        database,
        'SELECT cid, name, pk, "notnull", type, hidden '
        "FROM pragma_table_xinfo(?, 'main') ORDER BY cid",
        (table,),
    )
    rowid = not any(pk for _, _, pk, *_ in found)
    places = itertools.count(int(rowid))
    return [
        _Column(
            cid,
            name,
            pk,
            bool(required),
            affinity(declared or "", strict=strict),
            (database.column_metadata("main", table, name)[1] or BINARY).upper(),
            None if hidden else next(places),
        )
        for cid, name, pk, required, declared, hidden in found
    ]


def _looser_columns(table: Table, columns: Iterable[_Column]) -> Iterator[str]:
    """Columns that take for equal what the primary key holds apart: SQLite's sessions mix these."""
    usual = {table.columns.index(c.name): c for c in columns if c.name in table.columns}
    for place, how in zip(table.primary.columns, table.primary.collations, strict=True):
        column = usual.get(place)
        if column is not None and column.collation not in (BINARY, how) and not table.rowid:
            yield (
                f"the primary key of table {table.name} compares {column.name} as {how}, and the "
                f"column itself is {column.collation}"
            )


def _unknown_collations(
    database: apsw.Connection, columns: dict[str, list[_Column]]
) -> Iterator[str]:
    for table, found in columns.items():
        for column in found:
            if column.collation not in COLLATIONS:
                yield (
                    f"column {table}.{column.name} has collation {column.collation}, which only "
                    "this process may know"
                )
    for name, table in _rows(
        database,
        "SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index' ORDER BY rowid",
    ):
        for (collation,) in _rows(
            database, "SELECT coll FROM pragma_index_xinfo(?, 'main')", (name,)
        ):
            if (collation or BINARY).upper() not in COLLATIONS:
                yield (
                    f"index {name} of table {table} has collation {collation}, which only this "
                    "process may know"
                )


def _rows(
    database: apsw.Connection, sql: str, bindings: tuple[Value, ...] = ()
) -> list[tuple[Any, ...]]:
    return database.execute(sql, bindings).fetchall()


def _index_key(database: apsw.Connection, index: str, place: dict[int, int]) -> Key | None:
    columns, collations = [], []
    for cid, collation in _rows(
        database,
        "SELECT cid, coll FROM pragma_index_xinfo(?, 'main') WHERE key ORDER BY seqno",
        (index,),
    ):
        if cid not in place:
            return None
        columns.append(place[cid])
        collations.append(collation.upper())
    return Key(index, tuple(columns), tuple(collations))


def _table(database: apsw.Connection, name: str, columns: list[_Column]) -> Table:
    stored = [column for column in columns if column.place is not None]
    keys = sorted((column for column in stored if column.pk), key=lambda column: column.pk)
    rowid = not keys
    names = tuple(([ROW_NUMBER] if rowid else []) + [column.name for column in stored])
    place = {column.cid: column.place for column in stored if column.place is not None}
    nullable = [quoted(column.name) for column in keys if not column.required]
    unique: list[Key] = []
    scanned = False
    primary: Key | None = None
    for index, origin, partial in _rows(
        database,
        """SELECT name, origin, partial FROM pragma_index_list(?, 'main') WHERE "unique\"""",
        (name,),
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
        places = tuple(place[column.cid] for column in keys)
        primary = Key("primary", places, (BINARY,) * len(places))
    by_row_number = rowid or primary.name == "primary"
    usual = {column.place: column.collation for column in stored}
    where = " AND ".join(
        f"{quoted(names[i])} = ?" + ("" if usual.get(i, BINARY) == how else f" COLLATE {how}")
        for i, how in zip(primary.columns, primary.collations, strict=True)
    )
    listed = ", ".join(quoted(column) for column in names)
    table = of_main(name)
    select_all = f"SELECT {listed} FROM {table}"
    number = _row_number(database, name, names)
    return Table(
        name=name,
        columns=names,
        primary=primary,
        rowid=rowid,
        reals=frozenset(place[column.cid] for column in stored if column.kind == "REAL"),
        unique=tuple(unique),
        scanned=scanned or number is None,
        references=(),
        by_row_number=by_row_number,
        where=where,
        select_all=select_all,
        select=f"{select_all} WHERE {where}",
        numbered=number and f"{select_all} WHERE {number} = ?",
        insert=f"INSERT INTO {table} ({listed}) VALUES ({', '.join('?' * len(names))})",
        delete=f"DELETE FROM {table} WHERE {where}",
        keyless=None if by_row_number or not nullable else _keyless(table, nullable),
    )


def _row_number(database: apsw.Connection, table: str, names: tuple[str, ...]) -> str | None:
    """What SQLite's number of a row is called, where there is one and no column has the name."""
    ((without,),) = _rows(
        database, "SELECT wr FROM pragma_table_list(?) WHERE schema = 'main'", (table,)
    )
    taken = {folded(name) for name in names[names[:1] == (ROW_NUMBER,) :]}
    free = (name for name in (ROW_NUMBER, "rowid", "oid") if name not in taken)
    return None if without else next(free, None)


def _keyless(table: str, nullable: list[str]) -> str:
    return f"SELECT 1 FROM {table} WHERE {' OR '.join(f'{name} IS NULL' for name in nullable)}"


def _references(
    database: apsw.Connection, table: Table, columns: list[_Column], unsupported: list[str]
) -> list[Reference]:
    """The foreign keys of a table as it names them."""
    places = {folded(column.name): column.place for column in columns}
    declared: dict[int, tuple[str, list[str], list[str]]] = {}
    for number, parent, child, target in _rows(
        database,
        'SELECT id, "table", "from", "to" '
        "FROM pragma_foreign_key_list(?, 'main') ORDER BY id, seq",
        (table.name,),
    ):
        _, children, targets = declared.setdefault(number, (parent, [], []))
        children.append(child)
        targets += [] if target is None else [target]
    references = []
    for parent, children, targets in declared.values():
        own = [places[folded(child)] for child in children]
        here = tuple(place for place in own if place is not None)
        if len(here) < len(own):
            unsupported.append(f"a foreign key of table {table.name} is of a generated column")
            continue
        count = len(here)
        references.append(
            Reference(here, parent, tuple(targets), (BINARY,) * count, ("BLOB",) * count)
        )
    return references


def _tied(
    database: apsw.Connection, reference: Reference, parent: str, columns: list[_Column]
) -> tuple[Reference, Key] | None:
    """A reference with how SQLite compares its values, and the key of ``parent`` that it means."""
    by_name = {folded(column.name): column for column in columns}
    if reference.parent_columns:
        named = [by_name.get(folded(name)) for name in reference.parent_columns]
        collations = tuple(column.collation for column in named if column is not None)
    else:  # the primary key, as its index compares it
        primary = _table(database, parent, columns).primary
        named = [column for place in primary.columns for column in columns if column.place == place]
        collations = primary.collations
    known = [column for column in named if column is not None and column.place is not None]
    if len(known) != len(reference.columns) or len(named) != len(known):
        return None
    tied = dataclasses.replace(
        reference, collations=collations, affinities=tuple(column.kind for column in known)
    )
    places = tuple(column.place for column in known if column.place is not None)
    return tied, Key(reference.label, places, collations)
