"""Reading the raw results of a cell: every file is proven whole before a number is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from discovery.errors import ResultError
from discovery.experiment.nova_cells import NovaCell
from discovery.reading import MOST_RESULT, parse_json, read_text
from discovery.results import nova_raw
from discovery.results.dead_wan import refuse_dead_wan
from discovery.results.manifest import RAW_SCHEMA_VERSION, Manifest, Replays, Wan
from discovery.results.nova_raw import Burst, NovaRaw
from discovery.results.rally import Workload, read_report
from discovery.whole import sha256

MANIFEST = "cell.json"
COUNTERS = ("queries", "commits", "rollbacks", "reads", "writes", "conflicts")
SYSTEM_COLUMNS = (
    "node",
    "site",
    "role",
    "time",
    "cpu_s",
    "memory_bytes",
    "rx_bytes",
    "tx_bytes",
)
UNIT_COLUMNS = ("node", "site", "role", "time", "unit", "cpu_s", "memory_bytes")
COUNTER_COLUMNS = ("node", "site", "time", "counter", "value")
UNITS = "units.parquet"

_ALWAYS = ("wan.json", "system.parquet", "counters.parquet")
_ON_NOVA = (nova_raw.CALLS, nova_raw.PROCESSES, nova_raw.TRAFFIC, UNITS)

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class RawCell:
    """A cell's raw results, read and verified.

    ``rally`` has the workloads of every client site. ``replays`` is ``None`` where the Keystones
    replayed no requests. ``wan`` is ``None`` and the rest empty only
    in a failed cell, which may have broken before there was anything to record. ``nova`` is there
    of a cell on Nova, which has no ``rally`` if its load was a burst.
    """

    folder: Path
    manifest: Manifest
    wan: Wan | None
    rally: dict[str, tuple[Workload, ...]]
    system: pd.DataFrame
    counters: pd.DataFrame
    replays: Replays | None = None
    nova: NovaRaw | None = None


def read_cell(folder: Path) -> RawCell:
    """The raw results in ``folder``; a :class:`ResultError` names the file that is not whole."""
    manifest = _read_json(folder / MANIFEST, Manifest)
    if folder.resolve().name != manifest.cell_id:
        raise ResultError(
            f"{folder / MANIFEST}: holds the cell {manifest.cell_id}, but its folder is called "
            f"{folder.resolve().name}; put it back under its own name."
        )
    for name, digest in manifest.files.items():
        _verify(folder, name, digest)
    listed = set(manifest.files)
    on_nova = isinstance(manifest.cell, NovaCell)
    burst = isinstance(manifest.cell, NovaCell) and manifest.cell.workload == "burst"
    load, what = (nova_raw.BURST, "burst") if burst else ("rally", "Rally report")
    reports = sorted(
        name for name in listed if name.startswith(f"{load}/") and name.endswith(".json")
    )
    if manifest.status == "ok":
        for name in (*_ALWAYS, *(_ON_NOVA if on_nova else ())):
            if name not in listed:
                raise ResultError(
                    f"{folder / MANIFEST}: the cell is ok but lists no {name}; run it again."
                )
        if not reports:
            raise ResultError(
                f"{folder / MANIFEST}: the cell is ok but lists no {what}; run it again."
            )
    wan = _read_json(folder / "wan.json", Wan) if "wan.json" in listed else None
    if wan is not None:
        refuse_dead_wan(folder / "wan.json", wan, manifest.cell)
    return RawCell(
        folder=folder,
        manifest=manifest,
        wan=wan,
        rally={} if burst else {Path(name).stem: read_report(folder / name) for name in reports},
        system=_read_parquet(folder, "system.parquet", SYSTEM_COLUMNS, listed),
        counters=_read_parquet(folder, "counters.parquet", COUNTER_COLUMNS, listed),
        replays=_read_json(folder / "replays.json", Replays) if "replays.json" in listed else None,
        nova=_read_nova(folder, listed, reports if burst else []) if on_nova else None,
    )


def _read_nova(folder: Path, listed: set[str], bursts: list[str]) -> NovaRaw:
    return NovaRaw(
        calls=_read_parquet(folder, nova_raw.CALLS, nova_raw.CALLS_COLUMNS, listed),
        processes=_read_parquet(folder, nova_raw.PROCESSES, nova_raw.PROCESSES_COLUMNS, listed),
        traffic=_read_parquet(folder, nova_raw.TRAFFIC, nova_raw.TRAFFIC_COLUMNS, listed),
        units=_read_parquet(folder, UNITS, UNIT_COLUMNS, listed),
        bursts={Path(name).stem: _read_json(folder / name, Burst) for name in bursts},
        consistency=(
            _read_json(folder / nova_raw.CONSISTENCY, nova_raw.Consistency)
            if nova_raw.CONSISTENCY in listed
            else None
        ),
        faults=(
            _read_json(folder / nova_raw.FAULTS, nova_raw.Faults).faults
            if nova_raw.FAULTS in listed
            else ()
        ),
    )


def _verify(folder: Path, name: str, digest: str) -> None:
    path = folder / name
    # Not resolve(), which has an error of its own for a link to itself.
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise ResultError(
            f"{folder / MANIFEST}: lists {name}, which is outside the cell's folder; "
            "it may only list files of its own."
        )
    try:
        found = sha256(path)
    except FileNotFoundError:
        raise ResultError(
            f"{path}: is missing, although {MANIFEST} lists it; remove the cell's folder and run "
            "the cell again."
        ) from None
    except OSError as error:
        raise ResultError(
            f"{path}: cannot be read ({error.strerror}), although {MANIFEST} lists it; remove the "
            "cell's folder and run the cell again."
        ) from None
    if found != digest:
        raise ResultError(
            f"{path}: is not the file that was measured (its SHA-256 is {found[:12]}…, "
            f"{MANIFEST} says {digest[:12]}…); remove the cell's folder and run the cell again."
        )


def _read_json(path: Path, model: type[ModelT]) -> ModelT:
    try:
        text = read_text(path, MOST_RESULT)
        document = parse_json(text)
    except FileNotFoundError:
        raise ResultError(
            f"{path}: no such file; this is not the folder of a finished cell."
        ) from None
    except OSError as error:
        raise ResultError(
            f"{path}: cannot be read ({error.strerror}); run the cell again."
        ) from None
    except ValueError:
        raise ResultError(f"{path}: is cut off or not JSON; run the cell again.") from None
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != RAW_SCHEMA_VERSION:
        raise ResultError(
            f"{path}: has schema version {version}, but this workbench reads "
            f"version {RAW_SCHEMA_VERSION}; read it with the workbench that wrote it, or run the "
            "cell again."
        )
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(str(part) for part in detail["loc"])
        problem = detail["msg"].removeprefix("Value error, ")
        raise ResultError(
            f"{path}: {f'{key}: ' if key else ''}{problem}; the file does not follow its schema."
        ) from None


def _read_parquet(
    folder: Path, name: str, columns: tuple[str, ...], listed: set[str]
) -> pd.DataFrame:
    if name not in listed:
        return pd.DataFrame(columns=list(columns))
    try:
        table = pq.read_table(folder / name)
    except (OSError, pa.ArrowInvalid):
        raise ResultError(
            f"{folder / name}: is cut off or not Parquet; run the cell again."
        ) from None
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise ResultError(
            f"{folder / name}: lacks the column {missing[0]}; it has "
            f"{', '.join(table.column_names)}."
        )
    frame: pd.DataFrame = table.select(list(columns)).to_pandas()
    return frame
