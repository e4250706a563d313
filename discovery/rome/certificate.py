"""What one transaction asks Redis to certify: the keys it depends on, the keys and rows it changes.

Every key is eight bytes of a hash of its name. Two different keys with one hash would only make two
transactions meet that need not have: a lost certification is run again, never a wrong answer.

============== ================================================ ==================== ==============
key            stands for                                       must be unchanged    is changed by
============== ================================================ ==================== ==============
row            a row, by primary key                            every writer of it   every writer
unique         the values of a unique key                       who takes them       who takes them
exists         a row that foreign keys may name                 who refers to it     insert, delete
refers         that somebody refers to such a row               who deletes it       who refers
table          all of a table                                   ``FOR UPDATE``       every writer
locked         that somebody has locked rows of a table         who locks the table  who locks rows
closed         that somebody has locked all of a table          who locks rows       who locks it
schema         all tables                                       everyone             DDL
============== ================================================ ==================== ==============
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import apsw

from discovery.rome.catalogue import Catalogue, Key, Reference, Row, Table, Value
from discovery.rome.log import DIGEST, ROWS_CHANGED
from discovery.rome.packing import for_redis, values_packed
from discovery.rome.totals import SUMS_END, row_sum

_KeyOrReference = TypeVar("_KeyOrReference", Key, Reference)


def digest(kind: str, name: str, key: bytes = b"") -> bytes:
    """The eight bytes that stand for one key."""
    return _digest_of_all(kind, name) if key == b"" else _digest(kind, name, key)


def _digest(kind: str, name: str, key: bytes) -> bytes:
    return hashlib.blake2b(
        kind.encode() + b"\0" + name.encode() + b"\0" + key, digest_size=DIGEST
    ).digest()


@functools.lru_cache(maxsize=2048)
def _digest_of_all(kind: str, name: str) -> bytes:
    return _digest(kind, name, b"")


@dataclass(slots=True)
class Certificate:
    """Keys, each with a name for people, and the rows by table: key and packed row, or None.

    ``locks``: those that the transaction holds, which end with its commit. ``orders``: tables whose
    keys are committed in order, with the least and the largest that the transaction was given.
    ``kept``: tables that were there before DDL and are afterwards; their numbers go on.
    """

    checks: dict[bytes, str] = field(default_factory=dict)
    bumps: dict[bytes, str] = field(default_factory=dict)
    rows: dict[str, dict[bytes, bytes | None]] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    locks: frozenset[bytes] = frozenset()
    orders: list[tuple[str, int, int]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    _gone: dict[str, int] = field(default_factory=dict)

    def check(self, kind: str, name: str, key: bytes = b"") -> None:
        """The transaction is only right if nobody else has changed this key."""
        self.checks[digest(kind, name, key)] = f"{kind} {name}"

    def bump(self, kind: str, name: str, key: bytes = b"") -> None:
        """The transaction changes this key."""
        self.bumps[digest(kind, name, key)] = f"{kind} {name}"

    def change(self, kind: str, name: str, key: bytes = b"") -> None:
        """Both: whoever else changes this key meets this transaction."""
        hashed = digest(kind, name, key)
        self.checks[hashed] = self.bumps[hashed] = f"{kind} {name}"

    def note_id(self, table: Table, row: Sequence[Value]) -> None:
        """A row is new here: no lease may give its number again."""
        number = row[table.primary.columns[0]]
        if len(table.primary.columns) == 1 and isinstance(number, int) and not table.rowid:
            self.ids[table.name] = max(self.ids.get(table.name, 0), number)

    def takes(self, table: str, key: bytes, row: bytes) -> None:
        """The row that lay under ``key`` is not there any more, at least not like this."""
        self._gone[table] = self._gone.get(table, 0) + row_sum(key, row)

    def sums(self) -> list[tuple[str, int]]:
        """What this adds to the totals of each table that it writes to."""
        return [
            (
                table,
                (
                    sum(row_sum(key, row) for key, row in rows.items() if row is not None)
                    - self._gone.get(table, 0)
                )
                % SUMS_END,
            )
            for table, rows in self.rows.items()
        ]

    def payload(self) -> bytes:
        """What every replica applies: ``[1, [[table, [key, row, …]], …]]``; row is False if gone.

        Keys and rows are packed by themselves.
        """
        tables = []
        for table, rows in self.rows.items():
            flat: list[bytes | bool] = []
            for key, row in rows.items():
                flat += (key, False if row is None else row)
            tables.append([table, flat])
        return for_redis([ROWS_CHANGED, tables])


def of_changes(
    changes: bytes,
    written: Mapping[str, set[int]],
    database: apsw.Connection,
    catalogue: Catalogue,
    before: Callable[[Table, Sequence[Value]], Row | None] = lambda *_: None,
) -> Certificate:
    """The certificate of a changeset that ``database`` still shows, uncommitted.

    ``written``: by table the numbers of the rows that were written, also those that were given what
    they held, of which the changeset knows nothing. ``before`` finds the row that a primary key had
    at the beginning: of a key that went to another case and back the changeset says that the other
    one is new, and no more.
    """
    certificate = Certificate()
    inserted: dict[tuple[str, bytes], list[Value]] = {}
    taken: set[tuple[str, bytes]] = set()
    for change in apsw.Changeset.iter(changes):
        table = catalogue.tables[change.name]
        key, primary = _certify_row(certificate, change, table, database, catalogue)
        if change.op != "INSERT":
            taken.add((table.name, key))
        elif not table.by_row_number:
            inserted[table.name, key] = primary
        certificate.bump("table", table.name)
        if table.scanned:
            certificate.check("table", table.name)
    for (name, key), primary in inserted.items():
        old = None if (name, key) in taken else before(catalogue.tables[name], primary)
        if old is not None:
            certificate.takes(name, key, values_packed(old))
    for name, numbers in written.items():
        written_table = catalogue.tables.get(name)
        if written_table is not None:
            _certify_unchanged(certificate, numbers, written_table, database)
    return certificate


def _certify_unchanged(
    certificate: Certificate, numbers: set[int], table: Table, database: apsw.Connection
) -> None:
    """Rows that were written and hold what they held: others must not have written them, too."""
    if table.numbered is None:
        certificate.change("table", table.name)
        return
    rows = certificate.rows.get(table.name, {})
    if len(numbers) == sum(row is not None for row in rows.values()):
        return  # whatever has changed and is there was written: there are no others
    for number in numbers:
        row = database.execute(table.numbered, (number,)).fetchone()
        if row is not None and (key := table.key_of(row)) not in rows:
            certificate.change("row", table.name, key)
            certificate.bump("table", table.name)


def _certify_row(
    certificate: Certificate,
    change: apsw.TableChange,
    table: Table,
    database: apsw.Connection,
    catalogue: Catalogue,
) -> tuple[bytes, list[Value]]:
    """Certify one change; the key of its row, packed and as it is."""
    image = change.new if change.op == "INSERT" else change.old
    assert image is not None
    key = table.key_of(image)
    certificate.change("row", table.name, key)
    # one that is gone may be there again, spelled in another case: both changes have this key
    primary = [image[i] for i in table.primary.columns]
    new: Row | None = database.execute(table.select, primary).fetchone()
    old = None if change.op == "INSERT" else _old_row(table, change, new)
    certificate.rows.setdefault(table.name, {})[key] = None if new is None else values_packed(new)
    if old is not None:
        certificate.takes(table.name, key, values_packed(old))
    if change.op == "INSERT":
        certificate.note_id(table, image)
    _certify_unique(certificate, table, old, new)
    _certify_references(certificate, table, old, new)
    _certify_as_parent(certificate, catalogue.parents.get(table.name, ()), old, new)
    return key, primary


def _old_row(table: Table, change: apsw.TableChange, new: Row | None) -> Row:
    """The row as it was: an update names only what it changed, the rest is as it is now."""
    assert change.old is not None
    if new is None:
        return table.as_read(change.old)
    return table.as_read(
        [now if was is apsw.no_change else was for was, now in zip(change.old, new, strict=True)]
    )


def _gained(
    keys: Iterable[_KeyOrReference], old: Row | None, new: Row | None
) -> Iterator[tuple[_KeyOrReference, bytes]]:
    """Those whose values a row has and had not, with these values."""
    if new is None:
        return
    for key in keys:
        if old is not None and key.stays(old, new):
            continue
        values = key.of(new)
        if values is not None and (old is None or key.of(old) != values):
            yield key, values


def _certify_unique(
    certificate: Certificate, table: Table, old: Row | None, new: Row | None
) -> None:
    for unique, values in _gained(table.unique, old, new):
        certificate.change("unique", unique.name, values)


def _certify_references(
    certificate: Certificate, table: Table, old: Row | None, new: Row | None
) -> None:
    for reference, values in _gained(table.references, old, new):
        certificate.check("exists", reference.label, values)
        certificate.bump("refers", reference.label, values)


def _certify_as_parent(
    certificate: Certificate, parents: Iterable[Key], old: Row | None, new: Row | None
) -> None:
    for parent in parents:
        if old is not None and new is not None and parent.stays(old, new):
            continue
        before = None if old is None else parent.of(old)
        after = None if new is None else parent.of(new)
        if before == after:
            continue
        if before is not None:
            certificate.check("refers", parent.name, before)
            certificate.bump("exists", parent.name, before)
        if after is not None:
            certificate.bump("exists", parent.name, after)
