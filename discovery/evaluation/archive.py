"""Archives: the tidy tables of one run, with their checksums, kept beside an experiment.

There may be one for each tier, in ``experiments/<id>/archive/<tier>/``: a folder of Parquet tables
and a ``manifest.json``. The analysis half of the workbench runs on it alone: without root, without
nodes, without OpenStack.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pandas as pd
from pydantic import Field, ValidationError

from discovery.errors import ArchiveError, ResultError
from discovery.experiment.base import Count, Model
from discovery.experiment.tiers import Tier
from discovery.reading import read_bytes
from discovery.results.one_run import disagreement
from discovery.results.schema import NOVA_SCHEMAS, SCHEMA_VERSION, tables_of
from discovery.results.tables import ARCHIVED, path_of, read_archived, read_tables, write_tables
from discovery.whole import sha256, whole_folder

MANIFEST = ARCHIVED
MOST_BYTES = 10_000_000
"""Of a manifest: one of a thousand environments has a tenth of it."""

_ANEW = "take the archive anew from where it was published"

ENVIRONMENT = (
    "workbench",
    "commit",
    "dirty",
    "image",
    "provider",
    "wan",
    "kernel",
    "cpu",
    "cores",
    "memory_mb",
    "packages",
)


Counted = Annotated[Count, Field(ge=0)]


class ArchivedTable(Model):
    """One Parquet file of an archive."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Counted
    rows: Counted


class Manifest(Model):
    """The document ``manifest.json``.

    ``environments`` holds each distinct environment of the cells once, with their count as
    ``cells``; there is one unless the run was resumed elsewhere or after a change.
    """

    schema_version: Literal[1] = 1
    tables_schema_version: int
    experiment: str
    tier: str
    cells: Counted
    failed_cells: Counted
    first_started: str
    last_started: str
    environments: tuple[dict[str, Any], ...]
    tables: dict[str, ArchivedTable]


def write_archive(tidy_folder: Path, archive_folder: Path) -> Manifest:
    """Archive the tidy tables of one run; what ``archive_folder`` held before is replaced.

    A table that cannot be trusted is a :class:`~discovery.errors.ResultError`. Tables that are not
    of one run, or of another experiment or tier than the folder, and a folder that holds anything
    but an archive, are an :class:`~discovery.errors.ArchiveError`. The old archive then stays.
    """
    if os.path.realpath(tidy_folder) == os.path.realpath(archive_folder):
        raise ArchiveError(
            f"{tidy_folder}: is given as the tidy tables and as their archive; name two folders"
        )
    tables = read_tables(tidy_folder)
    why_not = disagreement(tables)
    if why_not is not None:
        raise ArchiveError(
            f"{tidy_folder}: {why_not}, but an archive is of one whole run; give the folder of one"
        )
    first = tables["cells"].iloc[0]
    _refuse_misplaced(archive_folder, first["experiment"], first["tier"], tidy_folder)
    _refuse_strangers(archive_folder)
    with whole_folder(archive_folder) as folder:
        # Level 19 halves the size; writing it takes a second, once in the life of an archive.
        write_tables(folder, tables, level=19)
        manifest = _manifest(tables, folder)
        text = json.dumps(manifest.model_dump(), indent=1, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return manifest


def _refuse_strangers(archive_folder: Path) -> None:
    """Refuse to replace a folder with files of others in it."""
    if not archive_folder.is_dir():
        return
    ours = {MANIFEST, *(path_of(archive_folder, name).name for name in tables_of("nova"))}
    others = sorted(path.name for path in archive_folder.iterdir() if path.name not in ours)
    if others:
        raise ArchiveError(
            f"{archive_folder}: holds {others[0]!a}, which is no part of an archive and would be "
            "lost; name a folder that is new, empty or an archive"
        )


def extend_archive(tidy_folder: Path, archive_folder: Path) -> Manifest:
    """Add the cells of ``tidy_folder`` to an archive of the same tier that has none of them.

    So a tier that takes longer than its machine was to be had is archived all the same: a part at
    a time, each with its own environment in the manifest. A cell that is archived already is an
    :class:`~discovery.errors.ArchiveError`, and the archive then stays as it was.
    """
    _, held = read_archive(archive_folder)
    added = read_tables(tidy_folder)
    twice = sorted(set(held["cells"]["cell"]) & set(added["cells"]["cell"]))
    if twice:
        raise ArchiveError(
            f"{tidy_folder}: holds {', '.join(twice)}, which {archive_folder} has already; "
            "`discovery archive pack` replaces the whole archive"
        )
    if held.keys() != added.keys():
        raise ArchiveError(
            f"{tidy_folder}: is of another service than {archive_folder}; give a run of that tier"
        )
    with tempfile.TemporaryDirectory() as name:
        both = {table: _below(rows, added[table]) for table, rows in held.items()}
        write_tables(Path(name), both)
        return write_archive(Path(name), archive_folder)


def read_archive(archive_folder: Path) -> tuple[Manifest, dict[str, pd.DataFrame]]:
    """The manifest and the tables of an archive: every checksum verified, and every number.

    An :class:`~discovery.errors.ArchiveError` if the tables are not of one whole run, or are not
    what the manifest says of them.
    """
    manifest = read_manifest(archive_folder)
    names = _names(manifest)
    for name in names:
        _verify(archive_folder, name, manifest)
    for name in manifest.tables:
        if name not in names:
            raise ArchiveError(
                f"{archive_folder / MANIFEST}: lists the table {name!a}, which an archive has "
                f"not; allowed: {', '.join(names)}"
            )
    for name in NOVA_SCHEMAS:
        if name not in names and path_of(archive_folder, name).exists():
            raise ArchiveError(
                f"{path_of(archive_folder, name)}: is not listed in {MANIFEST}, and is no table of "
                f"this study; {_ANEW}"
            )
    try:
        tables = read_archived(archive_folder, names)
    except ResultError as error:
        raise ArchiveError(f"{error} (in the archive {archive_folder})") from None
    why_not = disagreement(tables) or next(_differences(manifest, tables), None)
    if why_not is not None:
        raise ArchiveError(f"{archive_folder}: {why_not}; {_ANEW}")
    return manifest, tables


def _verify(archive_folder: Path, name: str, manifest: Manifest) -> None:
    """Hold one file against its line of the manifest; nothing is read that need not be."""
    path = path_of(archive_folder, name)
    if path.is_symlink():
        raise ArchiveError(f"{path}: is a link, and an archive has its tables in itself; {_ANEW}")
    if name not in manifest.tables or not path.is_file():
        raise ArchiveError(
            f"{path}: the archive lacks this table; take the archive whole from where it "
            "was published"
        )
    listed = manifest.tables[name]
    size = path.stat().st_size
    if size != listed.bytes:
        raise ArchiveError(
            f"{path}: has {size} bytes, and {MANIFEST} says {listed.bytes}, so it is damaged or "
            f"changed; {_ANEW}"
        )
    if sha256(path) != listed.sha256:
        raise ArchiveError(
            f"{path}: differs from the checksum in {MANIFEST}, so it is damaged or changed; {_ANEW}"
        )


def _differences(manifest: Manifest, tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Where the manifest says something else than the tables, with both values."""
    for name, table in tables.items():
        if len(table) != manifest.tables[name].rows:
            yield (
                f"{MANIFEST} says that {name} has {manifest.tables[name].rows} rows, and it has "
                f"{len(table)}"
            )
    told = _summary(tables["cells"])
    for key, value in told.items():
        said = getattr(manifest, key)
        if key != "environments" and said != value:
            yield f"{MANIFEST} says that {key} is {said!a}, and by the tables it is {value!r}"
    ours = told["environments"]
    if len(manifest.environments) != len(ours):
        yield (
            f"{MANIFEST} has {len(manifest.environments)} environments, and the tables have "
            f"{len(ours)}"
        )
    for number, (said, found) in enumerate(zip(manifest.environments, ours, strict=False)):
        for key in [*found, *(key for key in said if key not in found)]:
            if said.get(key) != found.get(key):
                yield (
                    f"{MANIFEST} says that environments[{number}].{ascii(key)[1:-1]} is "
                    f"{said.get(key)!a}, and by the tables it is {found.get(key)!r}"
                )


def _refuse_misplaced(archive_folder: Path, experiment: str, tier: str, told: Path) -> None:
    """Refuse what is not of the experiment and tier in whose folder it lies, or is to lie.

    ``told`` is the file or folder that says what it is of. Elsewhere an archive may be anyone's.
    """
    place = archive_folder.absolute()
    study = place.parent.parent
    if place.parent.name != "archive" or not (study / "experiment.yaml").is_file():
        return
    if experiment != study.name:
        raise ArchiveError(
            f"{told}: is of the experiment {experiment!a}, and {archive_folder} is for "
            f"archives of {study.name!r}; a copied study needs results of its own"
        )
    if tier != place.name and place.name in get_args(Tier):
        raise ArchiveError(
            f"{told}: is of the tier {tier!a}, and {archive_folder} is for the archive of the "
            f"tier {place.name!r}; move it to {archive_folder.parent / tier}"
        )


def read_manifest(archive_folder: Path) -> Manifest:
    """The manifest of an archive; the tables are not looked at.

    It has to be of the experiment and the tier in whose folder it lies.
    """
    path = archive_folder / MANIFEST
    try:
        document = _document(path)
    except FileNotFoundError:
        others = sorted(found.parent.name for found in archive_folder.parent.glob(f"*/{MANIFEST}"))
        beside = f"; beside it are: {', '.join(others)}" if others else ""
        raise ArchiveError(
            f"{archive_folder}: is not an archive, it has no {MANIFEST}; "
            f"`discovery archive pack` makes one{beside}"
        ) from None
    except (ValueError, RecursionError, OSError) as error:
        why = f" ({error})" if type(error) is ValueError else ""
        raise ArchiveError(f"{path}: cannot be read as JSON{why}; {_ANEW}") from None
    found = {
        key: document.get(key) if isinstance(document, dict) else None
        for key in ("schema_version", "tables_schema_version")
    }
    wanted = {"schema_version": 1, "tables_schema_version": SCHEMA_VERSION}
    for key, version in wanted.items():
        if type(found[key]) is not int or found[key] != version:
            raise ArchiveError(
                f"{path}: {key} is {_short(found[key])}, but this workbench reads {version}; "
                "use the version of the workbench that wrote the archive"
            )
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(_short(part) for part in first["loc"])
        raise ArchiveError(f"{path}: {where} cannot be read ({first['msg']}); {_ANEW}") from None
    _refuse_misplaced(archive_folder, manifest.experiment, manifest.tier, path)
    return manifest


def _document(path: Path) -> Any:
    """The JSON document in ``path``; a ``ValueError`` for what JSON leaves open, or forbids."""
    if path.exists() and not path.is_file():
        raise ValueError("it is not a file")
    if path.exists() and path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    content = read_bytes(path, MOST_BYTES)

    def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"the key {_short(key)} stands twice")
            found[key] = value
        return found

    def no_number(text: str) -> None:
        raise ValueError(f"{text} is no number")

    document = json.loads(
        content.decode("utf-8"), object_pairs_hook=once_each, parse_constant=no_number
    )
    json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is no text
    return document


def _short(value: object) -> str:
    """``value`` for a sentence, whatever it is and however long."""
    text = ascii(value) if not isinstance(value, str) else ascii(value)[1:-1]
    return text if len(text) <= 60 else f"{text[:57]}..."


def unpack_archive(archive_folder: Path, tidy_folder: Path) -> Manifest:
    """Verify an archive and lay its tables out as a tidy folder."""
    manifest, tables = read_archive(archive_folder)
    write_tables(tidy_folder, tables)
    return manifest


def environments(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Each distinct environment of ``cells`` once, with the number of its ``cells``."""
    groups = cells.groupby(list(ENVIRONMENT), dropna=False, sort=False, observed=True).size()
    found = json.loads(groups.rename("cells").reset_index().to_json(orient="records"))
    return [{**one, "packages": json.loads(one["packages"])} for one in found]


def _below(upper: pd.DataFrame, lower: pd.DataFrame) -> pd.DataFrame:
    """The rows of both. Pandas guesses the types of empty columns; the schema knows them."""
    whole = pd.concat([upper.astype(object), lower.astype(object)], ignore_index=True)
    return whole.astype(upper.dtypes.to_dict())


def _summary(cells: pd.DataFrame) -> dict[str, Any]:
    """What the manifest says of the run, from its table of cells."""
    return {
        "experiment": cells["experiment"].iloc[0],
        "tier": cells["tier"].iloc[0],
        "cells": len(cells),
        "failed_cells": int((cells["status"] == "failed").sum()),
        "first_started": cells["started"].min(),
        "last_started": cells["started"].max(),
        "environments": tuple(environments(cells)),
    }


def _manifest(tables: dict[str, pd.DataFrame], folder: Path) -> Manifest:
    return Manifest(
        tables_schema_version=SCHEMA_VERSION,
        **_summary(tables["cells"]),
        tables={
            name: ArchivedTable(
                sha256=sha256(path_of(folder, name)),
                bytes=path_of(folder, name).stat().st_size,
                rows=len(tables[name]),
            )
            for name in tables
        },
    )


def _names(manifest: Manifest) -> tuple[str, ...]:
    """The tables that the archive must have: all of them, if it has any that only Nova's have."""
    on_nova = any(name in NOVA_SCHEMAS for name in manifest.tables)
    return tables_of("nova" if on_nova else "keystone")
