"""Tables that are computed from the tidy ones and never written: what claims on Nova are about.

``control_planes`` has a row per cell on Nova with what the others do not have: its variant, zones,
workload, servers, fault, fake nodes and workers. The others that these are made from are described
in :mod:`discovery.results.nova`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from discovery.results.schema import NOVA_COLUMNS

Tables = Mapping[str, pd.DataFrame]

PLANE = ("variant", "zones", "workload", "servers", "fault", "fake_nodes", "workers")
"""The factors of a cell on Nova that others do not have."""


@dataclass(frozen=True)
class Derived:
    """A table that claims may be about: its columns, which of them are numbers, what makes it.

    ``counted`` is the table whose rows, and errors, say how much was asked for and how much of it
    failed. ``summed``: what is selected of a cell is added up to its one value.
    """

    columns: tuple[str, ...]
    numbers: tuple[str, ...]
    make: Callable[[Tables], pd.DataFrame]
    counted: str = "servers"
    summed: bool = False


def cells_of(tables: Tables) -> pd.DataFrame:
    """The cells, those on Nova with the factors that they alone have (:data:`PLANE`)."""
    planes = tables.get("control_planes")
    if planes is None or planes.empty:
        return tables["cells"]
    return tables["cells"].merge(planes[["cell", *PLANE]], on="cell", how="left")


def bursts(tables: Tables) -> pd.DataFrame:
    """A row per cell: ``completion_s`` from the first request to the last server that was ACTIVE.

    Also how many servers were ``asked`` for, and how many ``failures`` there were.
    """
    grouped = tables["servers"].groupby("cell", sort=True)
    found = pd.DataFrame(
        {
            "completion_s": grouped["active_at"].max() - grouped["asked_at"].min(),
            "asked": grouped.size(),
            "failures": grouped["error"].count(),
        }
    )
    return found.rename_axis("cell").reset_index()


def volumes(tables: Tables) -> pd.DataFrame:
    """A row per cell and pair of kinds of node: ``volume_mb`` that went from one to the other."""
    pairs = tables["traffic"].groupby(["cell", "source", "destination"], sort=True)
    return pairs["mb"].sum().rename("volume_mb").reset_index()


def stays(tables: Tables) -> pd.DataFrame:
    """A row per ACTIVE server: ``stayed`` is 1 if it is on the site that was asked, else 0."""
    active = _active(tables)
    stayed = (active["host_site"] == active["asked_on"]).astype(float)
    return active[["cell", "asked_on", "host_site"]].assign(stayed=stayed)


def spread(tables: Tables) -> pd.DataFrame:
    """A row per cell and site: the ``share`` of the ACTIVE servers that are on it.

    ``unevenness`` is the largest share of a cell times its sites: 1 if all sites have as many.
    """
    counts = (
        _active(tables).groupby(["cell", "host_site"], sort=True).size().rename("n").reset_index()
    )
    counts["share"] = counts["n"] / counts.groupby("cell")["n"].transform("sum")
    sites = tables["cells"].set_index("cell")["sites"]
    largest = counts.groupby("cell")["share"].transform("max")
    return counts.assign(unevenness=largest * counts["cell"].map(sites).astype(float)).drop(
        columns="n"
    )


def _active(tables: Tables) -> pd.DataFrame:
    servers = tables["servers"]
    return servers[servers["error"].isna()]


def unevenness(tables: Tables) -> pd.DataFrame:
    """A row per cell: the ``unevenness`` of :func:`spread`."""
    return spread(tables)[["cell", "unevenness"]].drop_duplicates()


DERIVED: dict[str, Derived] = {
    "bursts": Derived(
        ("completion_s", "asked", "failures"), ("completion_s", "asked", "failures"), bursts
    ),
    "volumes": Derived(
        ("source", "destination", "volume_mb"), ("volume_mb",), volumes, summed=True
    ),
    "stays": Derived(("asked_on", "host_site", "stayed"), ("stayed",), stays),
    "unevenness": Derived(("unevenness",), ("unevenness",), unevenness),
    "servers": Derived(
        tuple(NOVA_COLUMNS["servers"]),
        ("asked_at", "accepted_at", "active_at", "ended_at", "tries"),
        lambda tables: tables["servers"],
    ),
    "calls": Derived(
        tuple(NOVA_COLUMNS["calls"]),
        ("duration_s", "statements", "round_trips", "db_errors"),
        lambda tables: tables["calls"],
        counted="calls",
    ),
}
