"""Conflicts between transactions of Nova: at the database, in its data-access layer, at its API."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from discovery.analysis.nova import LEVELS
from discovery.results.derived import cells_of

Tables = Mapping[str, pd.DataFrame]


def conflicts(tables: Tables) -> pd.DataFrame:
    """A row per levels, over its repetitions.

    ``calls`` of the data-access layer; ``met``, the errors of the database that they met and tried
    again after; ``failed``, those calls that ended in one (``DBDeadlock`` …), which whoever called
    may try again. ``asked`` servers; ``retried``, requests for one that the API's client had to
    send again. ``at_servers`` is what the database servers counted of deadlocks and of
    certifications that failed; it is missing of those that count none (Redis, PostgreSQL).
    """
    known = cells_of(tables)[["cell", *LEVELS]]
    calls = tables["calls"].assign(
        ended_in_one=tables["calls"]["error"].astype("str").str.startswith("DB")
    )
    per_cell = calls.groupby("cell").agg(
        calls=("start", "size"), met=("db_errors", "sum"), failed=("ended_in_one", "sum")
    )
    servers = tables["servers"].groupby("cell")
    per_cell["asked"] = servers.size()
    per_cell["retried"] = servers["tries"].sum() - servers.size()
    counted = tables["counted"]
    per_cell["at_servers"] = (
        counted[counted["counter"] == "conflicts"].groupby("cell")["value"].sum(min_count=1)
    )
    columns = list(per_cell.columns)
    joined = known.merge(per_cell, left_on="cell", right_index=True)
    grouped = joined.groupby(LEVELS)[columns]
    return grouped.sum(min_count=1).reset_index()


def conflicts_table(found: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What :func:`conflicts` found, in words; and all numbers."""
    shown = found.rename(columns=lambda name: name.replace("_", " "))
    for name in ("calls", "met", "failed", "asked", "retried"):
        shown[name] = shown[name].fillna(0).astype(int)
    counted = shown["at servers"]
    shown["at servers"] = counted.map("{:.0f}".format).where(counted.notna(), "not counted")
    return shown, found
