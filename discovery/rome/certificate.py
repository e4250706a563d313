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
schema         all tables                                       everyone             DDL
============== ================================================ ==================== ==============
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import apsw
import msgpack

from discovery.rome.catalogue import Catalogue, Table, Value, packed, reference_label
from discovery.rome.log import ROWS_CHANGED

DIGEST = 8


def digest(kind: str, name: str, key: bytes = b"") -> bytes:
    """The eight bytes that stand for one key."""
    return hashlib.blake2b(
        kind.encode() + b"\0" + name.encode() + b"\0" + key, digest_size=DIGEST
    ).digest()


@dataclass(slots=True)
class Certificate:
    """Keys, each with a name for people, and the rows by table: key and packed row, or None."""

    checks: dict[bytes, str] = field(default_factory=dict)
    bumps: dict[bytes, str] = field(default_factory=dict)
    rows: dict[str, dict[bytes, bytes | None]] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)

    def check(self, kind: str, name: str, key: bytes = b"") -> None:
        """The transaction is only right if nobody else has changed this key."""
        self.checks[digest(kind, name, key)] = f"{kind} {name}"

    def bump(self, kind: str, name: str, key: bytes = b"") -> None:
        """The transaction changes this key."""
        self.bumps[digest(kind, name, key)] = f"{kind} {name}"

    def note_id(self, table: Table, row: Sequence[Value]) -> None:
        """A row is new here: no lease may give its number again."""
        number = row[table.primary.columns[0]]
        if len(table.primary.columns) == 1 and isinstance(number, int) and not table.rowid:
            self.ids[table.name] = max(self.ids.get(table.name, 0), number)

    def payload(self) -> bytes:
        """What every replica applies: ``[1, [[table, [key, row, …]], …]]``; row is False if gone.

        Keys and rows are packed by themselves. What is around them is in MessagePack's old form,
        without a type for bytes: Redis' Lua does not know the new one.
        """
        tables = []
        for table, rows in self.rows.items():
            flat: list[bytes | bool] = []
            for key, row in rows.items():
                flat += (key, False if row is None else row)
            tables.append([table, flat])
        result: bytes = msgpack.packb([ROWS_CHANGED, tables], use_bin_type=False)
        return result


def of_changes(changes: bytes, database: apsw.Connection, catalogue: Catalogue) -> Certificate:
    """The certificate of a changeset that ``database`` still shows, uncommitted."""
    certificate = Certificate()
    for change in apsw.Changeset.iter(changes):
        table = catalogue.tables[change.name]
        _certify_row(certificate, change, table, database, catalogue)
        certificate.bump("table", table.name)
        if table.scanned:
            certificate.check("table", table.name)
    return certificate


def _certify_row(
    certificate: Certificate,
    change: apsw.TableChange,
    table: Table,
    database: apsw.Connection,
    catalogue: Catalogue,
) -> None:
    image = change.new if change.op == "INSERT" else change.old
    assert image is not None
    primary = [image[i] for i in table.primary.columns]
    key = _folded(table, primary)
    certificate.check("row", table.name, key)
    certificate.bump("row", table.name, key)
    # one that is gone may be there again, spelled in another case: both changes have this key
    new: tuple[Value, ...] | None = database.execute(table.select, primary).fetchone()
    old = None if change.op == "INSERT" else _old_row(change, new)
    certificate.rows.setdefault(table.name, {})[key] = (
        None if new is None else msgpack.packb(new, use_bin_type=True)
    )
    if change.op == "INSERT":
        certificate.note_id(table, image)
    _certify_unique(certificate, table, old, new)
    _certify_references(certificate, table, old, new)
    _certify_as_parent(certificate, table, old, new, catalogue)


def _folded(table: Table, primary: list[Value]) -> bytes:
    row: dict[int, Value] = dict(zip(table.primary.columns, primary, strict=True))
    key = table.primary.of(row)  # type: ignore[arg-type]
    return packed(primary) if key is None else key


def _old_row(change: apsw.TableChange, new: tuple[Value, ...] | None) -> tuple[Value, ...]:
    """The row as it was: an update names only what it changed, the rest is as it is now."""
    assert change.old is not None
    if new is None:
        return tuple(change.old)
    return tuple(
        now if was is apsw.no_change else was for was, now in zip(change.old, new, strict=True)
    )


def _certify_unique(
    certificate: Certificate,
    table: Table,
    old: tuple[Value, ...] | None,
    new: tuple[Value, ...] | None,
) -> None:
    if new is None:
        return
    for unique in table.unique:
        key = unique.of(new)
        if key is None or (old is not None and unique.of(old) == key):
            continue
        certificate.check("unique", unique.name, key)
        certificate.bump("unique", unique.name, key)


def _certify_references(
    certificate: Certificate,
    table: Table,
    old: tuple[Value, ...] | None,
    new: tuple[Value, ...] | None,
) -> None:
    if new is None:
        return
    for reference in table.references:
        key = reference.of(new)
        if key is None or (old is not None and reference.of(old) == key):
            continue
        label = reference_label(reference.parent, reference.parent_columns)
        certificate.check("exists", label, key)
        certificate.bump("refers", label, key)


def _certify_as_parent(
    certificate: Certificate,
    table: Table,
    old: tuple[Value, ...] | None,
    new: tuple[Value, ...] | None,
    catalogue: Catalogue,
) -> None:
    for parent in catalogue.parents.get(table.name, ()):
        before = None if old is None else parent.of(old)
        after = None if new is None else parent.of(new)
        if before == after:
            continue
        if before is not None:
            certificate.check("refers", parent.label, before)
            certificate.bump("exists", parent.label, before)
        if after is not None:
            certificate.bump("exists", parent.label, after)
