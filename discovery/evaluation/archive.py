"""Archives: the tidy tables of one run, with their checksums, kept beside an experiment.

There may be one for each tier, in ``experiments/<id>/archive/<tier>/``: a folder of Parquet tables
and a ``manifest.json``. The analysis half of the workbench runs on it alone: without root, without
nodes, without OpenStack.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow.parquet as pq
from pydantic import ValidationError

from discovery.errors import ArchiveError, ResultError
from discovery.experiment.base import Model
from discovery.results.schema import NOVA_SCHEMAS, SCHEMA_VERSION, tables_of
from discovery.results.tables import path_of, read_table, read_tables, write_table
from discovery.whole import sha256, whole_file, whole_folder

MANIFEST = "manifest.json"

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


class ArchivedTable(Model):
    """One Parquet file of an archive."""

    sha256: str
    bytes: int
    rows: int


class Manifest(Model):
    """The document ``manifest.json``.

    ``environments`` holds each distinct environment of the cells once, with their count as
    ``cells``; there is one unless the run was resumed elsewhere or after a change.
    """

    schema_version: Literal[1] = 1
    tables_schema_version: int
    experiment: str
    tier: str
    cells: int
    failed_cells: int
    first_started: str
    last_started: str
    environments: tuple[dict[str, Any], ...]
    tables: dict[str, ArchivedTable]


def write_archive(tidy_folder: Path, archive_folder: Path) -> Manifest:
    """Archive the tidy tables of one run; what ``archive_folder`` held before is replaced.

    A table that cannot be trusted is a :class:`~discovery.errors.ResultError`, two runs in one
    folder are an :class:`~discovery.errors.ArchiveError`; the old archive then stays.
    """
    tables = read_tables(tidy_folder)
    runs = tables["cells"][["experiment", "tier"]].drop_duplicates()
    if len(runs) != 1:
        raise ArchiveError(
            f"{tidy_folder}: holds {len(runs)} runs (an experiment and a tier each), but an "
            "archive is of one; give the folder of one run"
        )
    with whole_folder(archive_folder) as folder:
        for name in tables:
            # Level 19 halves the size; writing it takes a second, once in the life of an archive.
            arrow = pq.read_table(path_of(tidy_folder, name))
            pq.write_table(arrow, path_of(folder, name), compression="zstd", compression_level=19)
        manifest = _manifest(tables, folder)
        text = json.dumps(manifest.model_dump(), indent=1, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return manifest


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
        for table, rows in held.items():
            write_table(Path(name), table, _below(rows, added[table]))
        return write_archive(Path(name), archive_folder)


def read_archive(archive_folder: Path) -> tuple[Manifest, dict[str, pd.DataFrame]]:
    """The manifest and the tables of an archive, every checksum verified."""
    manifest = read_manifest(archive_folder)
    names = _names(manifest)
    for name in names:
        path = path_of(archive_folder, name)
        if name not in manifest.tables or not path.is_file():
            raise ArchiveError(
                f"{path}: the archive lacks this table; take the archive whole from where it "
                "was published"
            )
        if sha256(path) != manifest.tables[name].sha256:
            raise ArchiveError(
                f"{path}: differs from the checksum in {MANIFEST}, so it is damaged or changed; "
                "take the archive anew from where it was published"
            )
    try:
        return manifest, {name: read_table(archive_folder, name) for name in names}
    except ResultError as error:
        raise ArchiveError(f"{error} (in the archive {archive_folder})") from None


def read_manifest(archive_folder: Path) -> Manifest:
    """The manifest of an archive; the tables are not looked at."""
    path = archive_folder / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        others = sorted(found.parent.name for found in archive_folder.parent.glob(f"*/{MANIFEST}"))
        beside = f"; beside it are: {', '.join(others)}" if others else ""
        raise ArchiveError(
            f"{archive_folder}: is not an archive, it has no {MANIFEST}; "
            f"`discovery archive pack` makes one{beside}"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError, OSError):
        raise ArchiveError(
            f"{path}: cannot be read as JSON; take the archive anew from where it was published"
        ) from None
    found = {
        key: document.get(key) if isinstance(document, dict) else None
        for key in ("schema_version", "tables_schema_version")
    }
    wanted = {"schema_version": 1, "tables_schema_version": SCHEMA_VERSION}
    for key, version in wanted.items():
        if found[key] != version:
            raise ArchiveError(
                f"{path}: {key} is {found[key]}, but this workbench reads {version}; use the "
                "version of the workbench that wrote the archive"
            )
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ArchiveError(
            f"{path}: {where} cannot be read ({first['msg']}); take the archive anew from where "
            "it was published"
        ) from None


def unpack_archive(archive_folder: Path, tidy_folder: Path) -> Manifest:
    """Verify an archive and lay its tables out as a tidy folder."""
    manifest, tables = read_archive(archive_folder)
    for name in tables:
        with whole_file(path_of(tidy_folder, name)) as partial:
            shutil.copyfile(path_of(archive_folder, name), partial)
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


def _manifest(tables: dict[str, pd.DataFrame], folder: Path) -> Manifest:
    cells = tables["cells"]
    return Manifest(
        tables_schema_version=SCHEMA_VERSION,
        experiment=cells["experiment"].iloc[0],
        tier=cells["tier"].iloc[0],
        cells=len(cells),
        failed_cells=int((cells["status"] == "failed").sum()),
        first_started=cells["started"].min(),
        last_started=cells["started"].max(),
        environments=tuple(environments(cells)),
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
