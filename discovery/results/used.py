"""Whether a node can have used what its samples say: columns may be swapped, or read backwards."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from discovery.deploy.nova.layout import roles_of
from discovery.errors import ResultError
from discovery.experiment.nova_cells import NovaCell
from discovery.experiment.studies import AnyCell
from discovery.results.files import plain
from discovery.results.manifest import Manifest
from discovery.testbed.here import are_here
from discovery.testbed.leases import ROLES, places

_AGAIN = "run the cell again"
_MIB = 2**20
# Of a machine that the manifest does not describe; no cluster of ours has a larger one.
_MOST_CORES, _MOST_MEMORY = 1024, 2**46
# An init alone has 8 MB, and the smallest of our services 3.
_LEAST_MEMORY = {"node": 2**20, "unit": 2**16}
# What processes used that were counted late, on each core.
_CORE_SLACK_S = 30.0
_FEW_FALLS = 2


def nodes_of(cell: AnyCell) -> list[str]:
    """The names of its nodes."""
    roles = (
        roles_of(cell.deployed, cell.sites, cell.redis_nodes)
        if isinstance(cell, NovaCell)
        else [ROLES] * cell.sites
    )
    return [place.alias for place in places(roles)]


def check_nodes(path: Path, manifest: Manifest, frame: pd.DataFrame, *, all_of: bool) -> None:
    """Refuse samples of a node that the cell has not; with ``all_of``, a node without any."""
    found, known = set(frame["node"]), nodes_of(manifest.cell)
    for node in sorted(found - set(known)):
        raise ResultError(
            f"{path}: has samples of the node {plain(node)}, which is none of the {len(known)} "
            f"nodes of the cell; {_AGAIN}."
        )
    for node in known:
        if all_of and manifest.status == "ok" and node not in found:
            raise ResultError(
                f"{path}: has samples of {len(found)} of the {len(known)} nodes of the cell, and "
                f"none of {node}, but the cell is ok; {_AGAIN}."
            )


def check_use(path: Path, manifest: Manifest, frame: pd.DataFrame, keys: Iterable[str]) -> None:
    """Refuse cores and memory that no machine has, least of all the one of the manifest."""
    here = are_here(manifest.environment.provider)
    cores = manifest.environment.cores if here else _MOST_CORES
    memory = manifest.environment.memory_mb * _MIB if here else _MOST_MEMORY
    by = [*keys]
    least = _LEAST_MEMORY[by[-1]]
    found = frame.groupby(by, sort=False).agg(
        cpu_s=("cpu_s", lambda read: read.max() - read.min()),
        span=("time", lambda read: read.max() - read.min()),
        memory=("memory_bytes", "max"),
    )
    for key, cpu_s, span, most in found.itertuples(name=None):
        whose = _told(key)
        if cpu_s > cores * (span + _CORE_SLACK_S):
            raise ResultError(
                f"{path}: {whose} used {cpu_s:,.0f} s of {cores} cores in {span:,.0f} s, by its "
                f"column cpu_s; {_AGAIN}."
            )
        if not least <= most <= memory:
            raise ResultError(
                f"{path}: {whose} had {most:,.0f} bytes of memory at most, by its column "
                f"memory_bytes, and from {least:,} to {memory:,.0f} can be; {_AGAIN}."
            )


def check_growth(
    path: Path, frame: pd.DataFrame, keys: Iterable[str], columns: Iterable[str]
) -> None:
    """Refuse counters of ``columns`` that fall more often than they rise.

    A process that ended takes its share with it, so that each may fall now and then.
    """
    groups = frame.groupby([*keys], sort=False)
    for column in columns:
        grown = groups[column].diff()
        by = [frame[key] for key in keys]
        falls, rises = ((grown * sign > 0).groupby(by, sort=False).sum() for sign in (-1, 1))
        backwards = falls > rises.clip(lower=_FEW_FALLS)
        if backwards.any():
            key = backwards[backwards].index[0]
            raise ResultError(
                f"{path}: {_told(key)} has a {column} that "
                f"falls {falls[key]} times and rises {rises[key]} times, and it counts; {_AGAIN}."
            )


def _told(key: object) -> str:
    return " ".join(map(plain, key)) if isinstance(key, tuple) else plain(key)
