"""Writing and reading tidy tables: one set, each of it checked against its schema on both ways.

The tables of a folder are replaced together or not at all. A new set is written into the folder
:data:`PENDING` of theirs; once that is there, which happens in one step, it is what is read, and
its tables take their places one by one. Whoever is interrupted leaves the old set or the new one.

Every table carries the stamp of its set, a hash of all that is in it, and the names of its tables.
Tables of two sets, however they came into one folder, are told by it and refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pandera.errors
import pandera.pandas as pa
import pyarrow
import pyarrow.parquet as pq

from discovery.errors import ResultError, shortened
from discovery.experiment.grids import STUDY
from discovery.results.parquet import (
    LONGEST,
    MOST_OF_A_RUN,
    check_description,
    check_size,
    read_bounded,
)
from discovery.results.schema import NOVA_SCHEMAS, SCHEMA_VERSION, SCHEMAS, TABLES
from discovery.storage import storing
from discovery.whole import whole_folder

PENDING = ".pending"
"""Where in a folder of tables a new set lies until its tables have taken their places."""
ARCHIVED = "manifest.json"
"""What makes an archive of a folder of tables: it says their checksums."""

_VERSION_KEY = b"schema_version"
_STAMP_KEY = b"set"
_NAMES_KEY = b"set_tables"
_WHAT = "the tidy tables"
_ANEW = "make the tidy tables again"
_FEWER = "tidy fewer cells at once"
_KNOWN = {**SCHEMAS, **NOVA_SCHEMAS}


def path_of(folder: Path, name: str) -> Path:
    """Where the tidy table ``name`` lies in ``folder``."""
    return folder / f"{name}.parquet"


def checked(name: str, table: pd.DataFrame, source: Path | str) -> pd.DataFrame:
    """``table`` if it follows the schema of ``name``; else a :class:`ResultError` on ``source``."""
    _check_columns(name, list(table.columns), source)
    try:
        return _KNOWN[name].validate(table)
    except pandera.errors.SchemaError as error:
        raise ResultError(f"{source}: {_explain(error)}.") from None


def _check_columns(name: str, found: list[str], source: Path | str) -> None:
    wanted = list(_KNOWN[name].columns)
    for column in wanted:
        if column not in found:
            raise ResultError(f"{source}: lacks the column {column}.")
    for column in found:
        if column not in wanted:
            raise ResultError(f"{source}: has the unknown column {shortened(ascii(column)[1:-1])}.")
    if found != wanted:
        raise ResultError(f"{source}: its columns are not in the order {', '.join(wanted)}.")


def _explain(error: pandera.errors.SchemaError) -> str:
    cases = error.failure_cases
    case = cases["failure_case"].iloc[0] if isinstance(cases, pd.DataFrame) else cases
    rule = error.check.error if isinstance(error.check, pa.Check) else error.check
    return f"its column {error.schema.name} holds {case}, which fails {rule}"


@dataclass(frozen=True)
class _Table:
    """Where a table lies, and what its metadata says; ``stamp`` and ``names`` of its set."""

    path: Path
    version: str
    stamp: str | None
    names: tuple[str, ...]


def write_tables(
    folder: Path, tables: Mapping[str, pd.DataFrame], *, level: int = 1
) -> dict[str, Path]:
    """Write ``tables``, by name, as the one set that ``folder`` holds; name → file.

    ``level`` is zstd's: the higher, the smaller and slower.

    They replace the tables that are there together, or the old ones stay: a table that breaks its
    schema is a :class:`ResultError`, a full disk a :class:`~discovery.errors.StorageError`. Files
    in ``folder`` that are no tables are left alone.
    """
    if (folder / ARCHIVED).exists():
        raise ResultError(
            f"{folder}: is an archive, and other tables would not fit its {ARCHIVED}; name another "
            "folder for the tidy tables."
        )
    written = {
        name: pyarrow.Table.from_pandas(
            checked(name, table, path_of(folder, name)), preserve_index=False
        )
        for name, table in tables.items()
    }
    for name, arrow in written.items():
        check_size(
            path_of(folder, name), arrow, most=MOST_OF_A_RUN, longest=LONGEST, instead=_FEWER
        )
    metadata = {
        _VERSION_KEY: str(SCHEMA_VERSION).encode(),
        _STAMP_KEY: _stamp(written).encode(),
        _NAMES_KEY: ",".join(written).encode(),
    }
    _take_places(folder)  # of a set whose writer was interrupted
    with whole_folder(folder / PENDING, _WHAT) as pending, storing(folder, _WHAT):
        for name, arrow in written.items():
            stamped = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **metadata})
            pq.write_table(
                stamped, path_of(pending, name), compression="zstd", compression_level=level
            )
    _take_places(folder)
    return {name: path_of(folder, name) for name in written}


def _stamp(tables: Mapping[str, pyarrow.Table]) -> str:
    """A hash of all that is in ``tables``, the same wherever and whenever it is computed."""
    found = hashlib.sha256(f"schema version {SCHEMA_VERSION}".encode())
    for name in sorted(tables):
        found.update(f"{name} {tables[name].num_rows}".encode())
        bare = tables[name].replace_schema_metadata(None)  # which names versions of libraries
        with pyarrow.ipc.new_stream(_Hashing(found), bare.schema) as stream:
            stream.write_table(bare)
    return found.hexdigest()


class _Hashing:
    """What Arrow writes a stream to, so that it is hashed and not kept."""

    closed = False

    def __init__(self, found: hashlib._Hash) -> None:
        self._found = found

    def write(self, content: bytes) -> int:
        self._found.update(content)
        return len(content)

    def flush(self) -> None:
        """Nothing is held back."""


def _take_places(folder: Path) -> None:
    """Move the pending set of ``folder`` into place, if there is one; tables of no other stay.

    Done again after it was interrupted anywhere, it goes on.
    """
    pending = folder / PENDING
    left = sorted(pending.glob("*.parquet"))
    with storing(folder, _WHAT, safe="the new tables are whole, and are read from there"):
        if left:
            names = _described(left[0]).names
            for name in _KNOWN:
                if name not in names:
                    path_of(folder, name).unlink(missing_ok=True)
            for path in left:
                path.replace(folder / path.name)
        if pending.is_dir():
            pending.rmdir()


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """The tidy table ``name`` in ``folder``; a :class:`ResultError` if it cannot be trusted.

    It cannot either if another table in ``folder`` is of another set.
    """
    if not _place_of(folder, name).is_file():
        raise _missing(path_of(folder, name))
    return _read(_set_in(folder)[name], name)


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """All tidy tables in ``folder``, by name; those of cells on Nova if there are any.

    A table that is missing, or of another set than the others, is a :class:`ResultError`.
    """
    found = _set_in(folder)
    nova = [name for name in NOVA_SCHEMAS if any(name in found for name in NOVA_SCHEMAS)]
    for name in (*TABLES, *nova):
        if name not in found:
            raise _missing(path_of(folder, name))
    return {name: _read(found[name], name) for name in (*TABLES, *nova)}


def stamp_of(folder: Path) -> str | None:
    """The stamp of the set of tables in ``folder``; None where there is no set."""
    return next((table.stamp for table in _set_in(folder).values()), None)


def read_archived(folder: Path, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The tables ``names`` of an archive, whose manifest has proven that they are one set.

    They may have no stamp: archives were made before there were any.
    """
    found = _set_in(folder, archived=True)
    return {name: _read(found[name], name) for name in names}


def _set_in(folder: Path, *, archived: bool = False) -> dict[str, _Table]:
    """The tables in ``folder``, which are of one set.

    Those of an archive lie where its manifest says, and may have no stamp.
    """
    place_of = path_of if archived else _place_of
    described = {
        name: _described(path) for name in _KNOWN if (path := place_of(folder, name)).is_file()
    }
    pending = [table.names for table in described.values() if table.path.parent != folder]
    found = {name: table for name, table in described.items() if not pending or name in pending[0]}
    if not found:
        return {}
    first = next(iter(found.values()))
    for other in found.values():
        if other.version != str(SCHEMA_VERSION):
            raise ResultError(
                f"{other.path}: has schema version {other.version}, but this workbench reads "
                f"version {SCHEMA_VERSION}; make the tidy tables again from the raw results."
            )
        if other.stamp != first.stamp:
            raise ResultError(
                f"{other.path}: is of another set of tables than {first.path} (their stamps are "
                f"{short_stamp(other.stamp)} and {short_stamp(first.stamp)}); make the tidy tables "
                "again."
            )
    if first.stamp is None and not archived:
        raise ResultError(
            f"{first.path}: has no stamp that says which set of tables it is of; make the tidy "
            "tables again."
        )
    for name in first.names:
        if name not in found:
            raise _missing(path_of(folder, name))
    return found


def _place_of(folder: Path, name: str) -> Path:
    """Where the table ``name`` of ``folder`` lies now: first in the set that is pending."""
    pending = path_of(folder / PENDING, name)
    return pending if pending.is_file() else path_of(folder, name)


def _missing(path: Path) -> ResultError:
    return ResultError(f"{path}: no such tidy table; run `discovery tidy` first.")


def short_stamp(stamp: str | None) -> str:
    """A stamp as people compare it: its first twelve digits."""
    return "none" if stamp is None else f"{stamp[:12]}…"


def _described(path: Path) -> _Table:
    """What the metadata of a table says; its rows are not read."""
    with _parquet(path):
        check_description(path, _ANEW)
        metadata = pq.read_schema(path).metadata or {}
    stamp = metadata.get(_STAMP_KEY)
    names = metadata.get(_NAMES_KEY, b"").decode(errors="replace")
    return _Table(
        path=path,
        version=metadata.get(_VERSION_KEY, b"none").decode(errors="replace"),
        stamp=None if stamp is None else stamp.decode(errors="replace"),
        names=tuple(name for name in names.split(",") if name in _KNOWN),
    )


def _read(table: _Table, name: str) -> pd.DataFrame:
    with _parquet(table.path):
        _check_columns(name, pq.read_schema(table.path).names, table.path)
        read = read_bounded(table.path, None, most=MOST_OF_A_RUN, longest=LONGEST, instead=_ANEW)
        frame = read.to_pandas(ignore_metadata=True)
    return checked(name, frame, table.path)


@contextmanager
def _parquet(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pyarrow.ArrowException, ValueError):
        raise ResultError(f"{path}: is cut off or not Parquet; {_ANEW}.") from None


def study_only(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The rows of the study's own cells, without those in which something is varied."""
    return {name: table[table["variation"] == STUDY] for name, table in tables.items()}
