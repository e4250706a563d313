"""The study's published numbers and ours, row by row, for the figures that show both.

Ours are never cut as the study's were (see :mod:`discovery.analysis.both_ways`). A published bar
that is not there, or too small to be read, stays one without a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from discovery.analysis.style import backend_order, scenario_order
from discovery.analysis.summary import in_order, summarise
from discovery.claims.placements import ZONES as ZONED

Tables = Mapping[str, pd.DataFrame]

PUBLISHED = "2018"
HERE = "here"
RALLY_BESIDE = "Rally beside the database"
"""Where a row comes from; the last is ours too, with Rally where it was in 2018."""

ORIGINS = (PUBLISHED, HERE, RALLY_BESIDE)

COLUMNS = [
    "scenario",
    "level",
    "backend",
    "origin",
    "sites",
    "value_s",
    "low_s",
    "high_s",
    "bound",
    "failure_share",
    "n",
    "failures",
]
"""Of every table here: ``value_s`` with its interval or reading error (s), where there is one.

``bound`` is that of the published table; ours are ``exact``, or ``none`` where nothing succeeded.
``n`` and ``failures`` are ours alone.
"""


@dataclass(frozen=True)
class Published:
    """A figure of the study: the factor on its axis, its load, and what it keeps fixed.

    With ``sites`` it shows that number of instances against the delay; without, the number of
    instances on a LAN.
    """

    number: int
    load: str
    sites: int | None = None

    @property
    def factor(self) -> str:
        """The column whose levels are the figure's groups."""
        return "sites" if self.sites is None else "one_way_delay_ms"


FIGURES = (
    Published(19, "light"),
    Published(21, "high"),
    Published(23, "light", sites=9),
    Published(25, "high", sites=9),
)


def beside(summary: pd.DataFrame, published: pd.DataFrame, figure: Published) -> pd.DataFrame:
    """The rows of ``figure``, columns :data:`COLUMNS`; ``level`` is instances, or ms one way.

    ``summary`` is that of :func:`discovery.analysis.summary.summarise`, with an ``origin`` of each
    row if not all are :data:`HERE`; ``published`` the study's bars. Where the figure is of a number
    of instances that we did not run, ours are of the number next to it, and ``sites`` says so.
    """
    theirs = published[published["load"] == figure.load]
    ours = summary[summary["load"] == figure.load]
    # A matrix of delays is no level of the study's.
    ours = ours[ours["delay"] == ours["one_way_delay_ms"].map("{:g}".format)]
    if figure.sites is None:
        theirs = theirs[theirs["one_way_delay_ms"] == 0]
        ours = ours[ours["one_way_delay_ms"] == 0]
    else:
        theirs = theirs[theirs["sites"] == figure.sites]
        ours = _nearest(ours, figure.sites)
    rows = [*(_theirs(row, row[figure.factor]) for row in theirs.to_dict("records"))]
    rows += [_ours(row, row[figure.factor]) for row in ours.to_dict("records")]
    return _sorted(rows)


def with_rally_beside(tables: Tables) -> pd.DataFrame:
    """The summary of the study's own cells and of those whose Rally ran on the database's node.

    Its ``origin`` tells them apart.
    """
    cells = tables["cells"]
    study = cells.loc[cells["variation"] == "study", "cell"]
    moved = cells.loc[cells["rally_on"] == "database-node", "cell"]
    parts = [(HERE, study), (RALLY_BESIDE, moved)]
    return pd.concat(
        [
            summarise(_of_cells(tables, chosen)).assign(origin=origin)
            for origin, chosen in parts
            if len(chosen)
        ],
        ignore_index=True,
    )


ZONES = ("Z1-Z2-Z3", "Z1-Z1-Z3", "Z1-Z1-Z1")
"""The study's placements of three replicas, as its figure calls them."""

_PLACED = {"follow-the-workload": ZONES[0], "two-of-three": ZONES[1], "one-zone": ZONES[2]}
_OURS_ALONE = {"spread": "Z1-Z2-Z3, leases spread", "study": "no placement"}

PLACEMENTS = (*ZONES, *_OURS_ALONE.values())
"""All levels of the placement figure in their order, those of ours alone last."""


def zones_beside(tables: Tables, published: pd.DataFrame) -> pd.DataFrame:
    """The rows of the figure on placements, as :func:`beside`, but with medians for values.

    Ours are of all iterations of the cells whose sites are in zones, under light load. The study's
    CockroachDB moved leases to where requests came from, so that its (Z1, Z2, Z3) is our
    ``follow-the-workload``. A back end that places no replicas has one row, whatever is placed.
    """
    rows = [_theirs(row, row["zones"]) for row in published.to_dict("records")]
    cells = tables["cells"]
    zoned = (cells["load"] == "light") & (cells["delay"] == ZONED)
    levels = {**_PLACED, **_OURS_ALONE}
    for variation, part in cells[zoned & cells["variation"].isin(levels)].groupby("variation"):
        summary = summarise(_of_cells(tables, part["cell"]))
        rows += [
            _ours(row, levels[str(variation)], "median_s") for row in summary.to_dict("records")
        ]
    return _sorted(rows)


def _of_cells(tables: Tables, cells: pd.Series[Any]) -> dict[str, pd.DataFrame]:
    return {name: table[table["cell"].isin(cells)] for name, table in tables.items()}


def _nearest(summary: pd.DataFrame, sites: int) -> pd.DataFrame:
    """Of each scenario, back end and origin, the rows of the number of sites nearest to ``sites``.

    But one that has a single delay comes last, since it would leave nothing to compare.
    """
    keys = ["scenario", "backend", *(["origin"] if "origin" in summary.columns else [])]
    chosen = []
    for _, part in summary.groupby(keys, sort=False):
        delays = part.groupby("sites")["one_way_delay_ms"].nunique()
        best = min(delays.index, key=lambda size: (-min(delays[size], 2), abs(size - sites), size))
        chosen.append(part[part["sites"] == best])
    return pd.concat(chosen) if chosen else summary


def _theirs(row: Mapping[Any, Any], level: Any) -> dict[str, Any]:
    value = row["median_s"] if "median_s" in row else row["total_s"]
    error = row["reading_error_s"]
    return {
        "scenario": row["scenario"],
        "level": level,
        "backend": row["backend"],
        "origin": PUBLISHED,
        "sites": row.get("sites", np.nan),
        "value_s": value,
        "low_s": value - error,
        "high_s": value + error,
        "bound": row["bound"],
        "failure_share": row["failure_share"],
        "n": np.nan,
        "failures": np.nan,
    }


def _ours(row: Mapping[Any, Any], level: Any, column: str = "mean_s") -> dict[str, Any]:
    value = row[column]
    known = bool(np.isfinite(value))
    return {
        "scenario": row["scenario"],
        "level": level,
        "backend": row["backend"],
        "origin": row.get("origin", HERE),
        "sites": row["sites"],
        "value_s": value if known else np.nan,
        "low_s": row[f"{column}_low"] if known else np.nan,
        "high_s": row[f"{column}_high"] if known else np.nan,
        "bound": "exact" if known else "none",
        "failure_share": row["failure_share"],
        "n": row["n"],
        "failures": row["failures"],
    }


def _sorted(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=COLUMNS)
    known = table["scenario"].isin(scenario_order()) & table["backend"].isin(backend_order())
    return in_order(table[known])
