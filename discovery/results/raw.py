"""Reading the raw results of a cell: every file is proven whole before a number is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd
from pydantic import BaseModel

from discovery.errors import ResultError
from discovery.experiment.nova_cells import NovaCell
from discovery.experiment.studies import AnyCell
from discovery.results import complete, nova_raw, used
from discovery.results.dead_wan import refuse_dead_wan
from discovery.results.files import check_listed, plain, read_frame, read_json
from discovery.results.manifest import RAW_SCHEMA_VERSION, Manifest, Replays, Wan
from discovery.results.nova_raw import Burst, NovaRaw
from discovery.results.rally import Workload, read_report
from discovery.results.schema import NODE_ROLES
from discovery.results.window import Window, check_density
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
_COUNT_UP = ("cpu_s", "rx_bytes", "tx_bytes", "rx_packets", "tx_packets", "value")
_KNOWN: dict[str, dict[str, tuple[str, ...]]] = {
    "system.parquet": {"role": NODE_ROLES},
    "counters.parquet": {"counter": COUNTERS},
    UNITS: {"role": NODE_ROLES},
    nova_raw.TRAFFIC: {"role": NODE_ROLES, "peer_role": NODE_ROLES},
}

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


def read_cell(folder: Path, asked: AnyCell | None = None) -> RawCell:
    """The raw results in ``folder``: whole, and what was ``asked`` of the cell, if that is given.

    A :class:`ResultError` names the file that is not whole or not as asked.
    """
    manifest = read_json(folder / MANIFEST, Manifest, version=RAW_SCHEMA_VERSION)
    if folder.resolve().name != manifest.cell_id:
        raise ResultError(
            f"{folder / MANIFEST}: holds the cell {plain(manifest.cell_id)}, but its folder is "
            f"called {folder.resolve().name}; put it back under its own name."
        )
    complete.check_cell(folder / MANIFEST, manifest.cell, asked)
    for name, digest in manifest.files.items():
        _verify(folder, name, digest)
    return _Reading(folder, manifest).cell()


class _Reading:
    """The files of one cell, read one after the other, each held against the manifest."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._window = Window.of(manifest)
        cell = manifest.cell
        self._on_nova = isinstance(cell, NovaCell)
        self._burst = isinstance(cell, NovaCell) and cell.workload == "burst"

    def cell(self) -> RawCell:
        """All of them."""
        folder, manifest, window = self._folder, self._manifest, self._window
        window.check(folder / MANIFEST, "started", manifest.started.timestamp())
        complete.check_phases(folder / MANIFEST, manifest)
        complete.check_loaded(folder / MANIFEST, manifest)
        self._check_listed()
        wan = self._json("wan.json", Wan)
        if wan is not None:
            complete.check_wan(folder / "wan.json", manifest, window, wan)
            refuse_dead_wan(folder / "wan.json", wan, manifest.cell)
        replays = self._json("replays.json", Replays)
        complete.check_replays(folder, manifest, window, replays)
        return RawCell(
            folder=folder,
            manifest=manifest,
            wan=wan,
            rally=self._rally(),
            system=self._samples("system.parquet", SYSTEM_COLUMNS, ("node",), all_of=True),
            counters=self._samples("counters.parquet", COUNTER_COLUMNS, ("node", "counter")),
            replays=replays,
            nova=self._nova() if self._on_nova else None,
        )

    def _check_listed(self) -> None:
        if self._manifest.status != "ok":
            return
        for name in (*_ALWAYS, *(_ON_NOVA if self._on_nova else ())):
            if name not in self._manifest.files:
                raise ResultError(
                    f"{self._folder / MANIFEST}: the cell is ok but lists no {name}; run it again."
                )

    def _reports(self, place: str) -> Mapping[str, Path]:
        """The files of a load's clients, by the name of their site."""
        names = [name for name in self._manifest.files if name.startswith(f"{place}/")]
        return {
            name.removeprefix(f"{place}/").removesuffix(".json"): self._folder / name
            for name in sorted(names)
            if name.endswith(".json")
        }

    def _rally(self) -> dict[str, tuple[Workload, ...]]:
        if self._burst:
            return {}
        reports = self._reports("rally")
        complete.check_reports(self._folder, self._manifest, reports, "Rally report", "rally")
        found = {
            site: complete.check_rally(path, self._manifest, self._window, read_report(path))
            for site, path in reports.items()
        }
        complete.check_once(self._folder, found)
        return found

    def _nova(self) -> NovaRaw:
        folder, manifest, window = self._folder, self._manifest, self._window
        bursts = {}
        if self._burst:
            reports = self._reports(nova_raw.BURST)
            complete.check_reports(folder, manifest, reports, "burst", nova_raw.BURST)
            bursts = {site: _document(path, Burst) for site, path in reports.items()}
            complete.check_burst(folder, manifest, window, bursts)
        consistency = self._json(nova_raw.CONSISTENCY, nova_raw.Consistency)
        faults = self._json(nova_raw.FAULTS, nova_raw.Faults)
        broken = faults.faults if faults is not None else ()
        complete.check_nova(folder, manifest, window, consistency, broken)
        calls = self._samples(nova_raw.CALLS, nova_raw.CALLS_COLUMNS)
        processes = self._samples(nova_raw.PROCESSES, nova_raw.PROCESSES_COLUMNS)
        if nova_raw.PROCESSES in manifest.files and nova_raw.CALLS in manifest.files:
            complete.check_calls(folder / nova_raw.CALLS, manifest, calls, processes)
        return NovaRaw(
            calls=calls,
            processes=processes,
            traffic=self._samples(
                nova_raw.TRAFFIC, nova_raw.TRAFFIC_COLUMNS, ("node", "peer"), absent=True
            ),
            units=self._samples(UNITS, UNIT_COLUMNS, ("node", "unit")),
            bursts=bursts,
            consistency=consistency,
            faults=broken,
        )

    def _json(self, name: str, model: type[ModelT]) -> ModelT | None:
        return _document(self._folder / name, model) if name in self._manifest.files else None

    def _samples(
        self,
        name: str,
        columns: tuple[str, ...],
        keys: tuple[str, ...] = (),
        *,
        absent: bool = False,
        all_of: bool = False,
    ) -> pd.DataFrame:
        """A table of the cell; ``keys`` are of what its rows are samples, one after the other."""
        if name not in self._manifest.files:
            return pd.DataFrame(columns=list(columns))
        path = self._folder / name
        frame = read_frame(path, columns, absent=absent)
        complete.check_names(path, frame, _KNOWN.get(name, {}))
        complete.check_sampled_sites(path, self._manifest, frame, all_of=all_of)
        if {"time", "start"} & set(columns):
            self._window.check_samples(path, frame, keys)
        used.check_nodes(path, self._manifest, frame, all_of=all_of)
        if "cpu_s" in columns:  # read at every second
            check_density(path, frame, keys)
            used.check_use(path, self._manifest, frame, keys)
        if keys:
            used.check_growth(path, frame, keys, [one for one in _COUNT_UP if one in columns])
        return frame


def _document(path: Path, model: type[ModelT]) -> ModelT:
    return read_json(path, model, version=RAW_SCHEMA_VERSION)


def _verify(folder: Path, name: str, digest: str) -> None:
    path = check_listed(folder, folder / MANIFEST, name)
    try:
        found = sha256(path)
    except OSError as error:
        raise ResultError(f"{path}: cannot be read: {error.strerror}.") from None
    if found != digest:
        raise ResultError(
            f"{path}: is not the file that was measured (its SHA-256 is {found[:12]}…, "
            f"{MANIFEST} says {plain(digest[:12])}…); remove the cell's folder and run the cell "
            "again."
        )
