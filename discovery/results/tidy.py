"""Raw cells → tidy tables. Nothing is dropped: failures are rows like any other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.errors import ResultError
from discovery.experiment.cells import Cell
from discovery.experiment.delays import delay_slug
from discovery.experiment.grids import STUDY
from discovery.experiment.nova_cells import NovaCell
from discovery.experiment.studies import AnyCell
from discovery.results.causes import explained, read_causes
from discovery.results.manifest import Pair
from discovery.results.nova import nova_tables
from discovery.results.queries import queries_rows
from discovery.results.raw import RawCell, read_cell
from discovery.results.schema import NOVA_SCHEMAS, SCHEMAS, tables_of
from discovery.results.system import system_table
from discovery.results.tables import write_tables
from discovery.workload.nova_scenarios import NOVA_SCENARIOS

Row = dict[str, Any]


def tidy(
    raw_folders: Iterable[Path], out_folder: Path, asked: Iterable[AnyCell] = ()
) -> dict[str, Path]:
    """Write the tidy tables of the cells in ``raw_folders`` to ``out_folder``; name → file.

    A cell that has the id of one that was ``asked`` for must be it, in every setting.

    The result does not depend on the order of ``raw_folders``. All cells are read and all tables
    checked before the first is written, and they replace what is there together or not at all.
    """
    wanted = {cell.id: cell for cell in asked}
    cells = (read_cell(folder, wanted.get(folder.resolve().name)) for folder in raw_folders)
    return write_tables(out_folder, tidy_tables(cells))


def tidy_tables(cells: Iterable[RawCell]) -> dict[str, pd.DataFrame]:
    """The tidy tables of ``cells``, by name."""
    ordered = sorted(cells, key=_order)
    for before, cell in pairwise(ordered):
        if _order(before) == _order(cell):
            raise ResultError(
                f"{cell.folder}: holds the same cell as {before.folder}; give each cell once."
            )
    service = "nova" if any(cell.nova is not None for cell in ordered) else "keystone"
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in tables_of(service)}
    for cell in ordered:
        factors = _factors(cell)
        for name, part in _cell_tables(cell).items():
            parts[name].append(part.assign(**factors))
    return {name: _typed(name, part) for name, part in parts.items()}


def _order(cell: RawCell) -> tuple[Any, ...]:
    what = cell.manifest.cell
    if isinstance(what, NovaCell):
        return (
            what.experiment,
            what.tier,
            what.variant,
            what.sites,
            what.one_way_delay_ms,
            what.zones,
            what.workload,
            what.servers,
            what.fault,
            what.fake_nodes,
            what.workers,
            what.repetition,
        )
    return (
        what.experiment,
        what.tier,
        what.variation != STUDY,
        what.variation,
        what.backend,
        what.placement or "",
        what.sites,
        what.mean_one_way_delay_ms,
        delay_slug(what.one_way_delay_ms),
        what.load,
        what.repetition,
    )


def _factors(cell: RawCell) -> Row:
    what = cell.manifest.cell
    return {
        "experiment": what.experiment,
        "tier": what.tier,
        "cell": what.id,
        "variation": what.differs_in,
        "backend": what.backend,
        "sites": what.sites,
        "one_way_delay_ms": what.mean_one_way_delay_ms,
        "delay": delay_slug(what.one_way_delay_ms),
        "load": what.workload if isinstance(what, NovaCell) else what.load,
        "repetition": what.repetition,
    }


def _cell_tables(cell: RawCell) -> dict[str, pd.DataFrame]:
    iterations, actions = _rally_rows(cell)
    return {
        "cells": pd.DataFrame([_cell_row(cell)]),
        "iterations": pd.DataFrame(iterations),
        "actions": pd.DataFrame(actions),
        "wan": pd.DataFrame(_wan_rows(cell)),
        "system": system_table(cell.system),
        "phases": pd.DataFrame([phase.model_dump() for phase in cell.manifest.phases]),
        "queries": pd.DataFrame(queries_rows(cell)),
        "replays": pd.DataFrame(_replay_rows(cell)),
        **nova_tables(cell),
    }


def _cell_row(cell: RawCell) -> Row:
    manifest = cell.manifest
    what, failure = manifest.cell, manifest.failure
    environment = manifest.environment.model_dump()
    packages = json.dumps(environment.pop("packages"), sort_keys=True)
    loaded: Row
    if isinstance(what, NovaCell):
        rally = what.workload == "rally"
        loaded = {
            "scenarios": ",".join(NOVA_SCENARIOS) if rally else what.workload,
            "times": what.servers,
            "concurrency": 1 if rally else what.servers,
        }
        rally_on = Cell.model_fields["rally_on"].default
    else:
        loaded = {
            "scenarios": ",".join(what.scenarios),
            "times": what.times,
            "concurrency": what.concurrency,
        }
        rally_on = what.rally_on
    return {
        "status": manifest.status,
        "failure_class": failure.failure_class if failure else None,
        "failure": f"{failure.phase}: {failure.message}" if failure else None,
        "started": manifest.started.isoformat(),
        **loaded,
        **{
            f"keystone_{key}": value
            for key, value in what.keystone.model_dump(exclude={"replay"}).items()
        },
        "wsrep_sync_wait": what.database.wsrep_sync_wait,
        "rally_on": rally_on,
        **environment,
        "packages": packages,
    }


def _rally_rows(cell: RawCell) -> tuple[list[Row], list[Row]]:
    iterations: list[Row] = []
    actions: list[Row] = []
    journals = [name for name in cell.manifest.files if name.startswith("logs/")]
    causes = read_causes(cell.folder, journals)
    for site, workloads in sorted(cell.rally.items()):
        counted: dict[str, int] = {}
        for workload in workloads:
            for one in workload.iterations:
                number = counted[workload.scenario] = counted.get(workload.scenario, 0) + 1
                key = {
                    "client_site": site,
                    "scenario": workload.scenario,
                    "iteration": number,
                }
                iterations.append(
                    {
                        **key,
                        "start": one.start,
                        "duration_s": one.duration_s,
                        "idle_s": one.idle_s,
                        "error": None if one.error is None else explained(one.error, causes),
                    }
                )
                actions.extend(
                    {
                        **key,
                        "action": action.name,
                        "start": action.start,
                        "duration_s": action.duration_s,
                        "failed": action.failed,
                    }
                    for action in one.actions
                )
    return iterations, actions


def _wan_rows(cell: RawCell) -> list[Row]:
    if cell.wan is None:
        return []
    return [
        {"when": measurement.when, **pair.model_dump()}
        for measurement in cell.wan.measurements
        for pair in sorted(measurement.pairs, key=_of_sites)
    ]


def _of_sites(pair: Pair) -> tuple[int, int]:
    return int(pair.source.partition("-")[2]), int(pair.destination.partition("-")[2])


def _replay_rows(cell: RawCell) -> list[Row]:
    """A row per site; ``recovered`` requests ended well after all, the others were refused."""
    if cell.replays is None:
        return []
    return [
        {
            "site": site,
            "requests": counted.totals.get("requests", 0),
            "met_errors": len(counted.requests),
            "replays": counted.totals.get("replays", 0),
            "recovered": counted.totals.get("recovered", 0),
            "gave_up": counted.totals.get("gave_up", 0),
            "not_replayable": counted.totals.get("committed", 0),
            "lost_s": float(sum(request.lost_s for request in counted.requests)),
        }
        for site, counted in sorted(cell.replays.sites.items())
    ]


def _typed(name: str, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The parts as one table with the schema's columns and types, also when there is no row."""
    columns = {**SCHEMAS, **NOVA_SCHEMAS}[name].columns
    whole = [part.astype(object) for part in parts if len(part)]
    table = pd.concat(whole, ignore_index=True) if whole else pd.DataFrame(columns=list(columns))
    if set(table.columns) != set(columns):
        raise ValueError(f"{name}: built with {set(table.columns) ^ set(columns)} wrong")
    dtypes = {key: _dtype(column.dtype) for key, column in columns.items()}
    return table[list(columns)].astype(dtypes)


def _dtype(dtype: Any) -> str:
    """Pandas' own text type where the schema says text; pandera's alias for it is another one."""
    return "str" if str(dtype).startswith("str") else str(dtype)
