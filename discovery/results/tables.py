"""Writing and reading tidy tables: each is checked against its schema on both ways."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pandera.errors
import pandera.pandas as pa
import pyarrow
import pyarrow.parquet as pq

from discovery.errors import ResultError
from discovery.experiment.grids import STUDY
from discovery.results.schema import NOVA_SCHEMAS, SCHEMA_VERSION, SCHEMAS, TABLES
from discovery.whole import whole_file

_VERSION_KEY = b"schema_version"
_KNOWN = {**SCHEMAS, **NOVA_SCHEMAS}


def path_of(folder: Path, name: str) -> Path:
    """Where the tidy table ``name`` lies in ``folder``."""
    return folder / f"{name}.parquet"


def checked(name: str, table: pd.DataFrame, source: Path | str) -> pd.DataFrame:
    """``table`` if it follows the schema of ``name``; else a :class:`ResultError` on ``source``."""
    wanted, found = list(_KNOWN[name].columns), list(table.columns)
    for column in wanted:
        if column not in found:
            raise ResultError(f"{source}: lacks the column {column}.")
    for column in found:
        if column not in wanted:
            raise ResultError(f"{source}: has the unknown column {column}.")
    if found != wanted:
        raise ResultError(f"{source}: its columns are not in the order {', '.join(wanted)}.")
    try:
        return _KNOWN[name].validate(table)
    except pandera.errors.SchemaError as error:
        raise ResultError(f"{source}: {_explain(error)}.") from None


def _explain(error: pandera.errors.SchemaError) -> str:
    cases = error.failure_cases
    case = cases["failure_case"].iloc[0] if isinstance(cases, pd.DataFrame) else cases
    rule = error.check.error if isinstance(error.check, pa.Check) else error.check
    return f"its column {error.schema.name} holds {case}, which fails {rule}"


def write_table(folder: Path, name: str, table: pd.DataFrame) -> Path:
    """Write ``table`` as ``folder/<name>.parquet``, whole or not at all."""
    path = path_of(folder, name)
    arrow = pyarrow.Table.from_pandas(checked(name, table, path), preserve_index=False)
    metadata = {**(arrow.schema.metadata or {}), _VERSION_KEY: str(SCHEMA_VERSION).encode()}
    with whole_file(path) as partial:
        pq.write_table(arrow.replace_schema_metadata(metadata), partial, compression="zstd")
    return path


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """The tidy table ``name`` in ``folder``; a :class:`ResultError` if it cannot be trusted."""
    path = path_of(folder, name)
    try:
        arrow = pq.read_table(path)
    except FileNotFoundError:
        raise ResultError(f"{path}: no such tidy table; run `discovery tidy` first.") from None
    except (OSError, pyarrow.ArrowInvalid):
        raise ResultError(
            f"{path}: is cut off or not Parquet; make the tidy tables again."
        ) from None
    version = (arrow.schema.metadata or {}).get(_VERSION_KEY, b"none").decode()
    if version != str(SCHEMA_VERSION):
        raise ResultError(
            f"{path}: has schema version {version}, but this workbench reads version "
            f"{SCHEMA_VERSION}; make the tidy tables again from the raw results."
        )
    return checked(name, arrow.to_pandas(), path)


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """All tidy tables in ``folder``, by name; those of cells on Nova if there are any."""
    nova = [name for name in NOVA_SCHEMAS if path_of(folder, name).is_file()]
    return {name: read_table(folder, name) for name in (*TABLES, *nova)}


def study_only(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The rows of the study's own cells, without those in which something is varied."""
    return {name: table[table["variation"] == STUDY] for name, table in tables.items()}
