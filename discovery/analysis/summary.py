"""Tidy tables → one row per scenario, back end, delay, load and number of sites.

The completion time of an iteration is the sum of its top-level atomic actions, as in the 2018
study: what Rally does outside of them (its own login and discovery) is kept apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from discovery.analysis import statistics
from discovery.analysis.style import backend_order, scenario_order

Tables = Mapping[str, pd.DataFrame]

GROUP = ["sites", "load", "scenario", "backend", "one_way_delay_ms", "delay"]
_ITERATION = ["cell", "client_site", "scenario", "iteration"]


def completion(tables: Tables) -> pd.DataFrame:
    """The iterations with ``actions_s``, the sum of their actions, and ``outside_s``, the rest."""
    actions = tables["actions"].groupby(_ITERATION)["duration_s"].sum().rename("actions_s")
    whole = tables["iterations"].merge(actions.reset_index(), on=_ITERATION, how="left")
    whole["actions_s"] = whole["actions_s"].fillna(0.0)
    # The clocks of an iteration and of its actions are read one after the other.
    whole["outside_s"] = (whole["duration_s"] - whole["actions_s"]).clip(lower=0.0)
    return whole


def asked(tables: Tables) -> pd.DataFrame:
    """What each group was asked to do: ``cells``, those that ``failed_cells``, and ``asked``.

    ``asked`` is the number of iterations; under high load every site has a client.
    """
    cells = tables["cells"]
    clients = np.where(cells["load"] == "high", cells["sites"], 1)
    grid = cells.assign(
        asked=cells["times"] * clients,
        failed_cells=(cells["status"] == "failed").astype(int),
        scenario=cells["scenarios"].str.split(","),
    ).explode("scenario")
    grouped = grid.groupby(GROUP, as_index=False)
    return grouped.agg(
        cells=("cell", "size"), failed_cells=("failed_cells", "sum"), asked=("asked", "sum")
    )


def summarise(tables: Tables) -> pd.DataFrame:
    """A row per group that was asked for, also where nothing came of it.

    ``n`` iterations began and ``failures`` of them ended in an error. ``mean_s`` (with ``_low``,
    ``_high``) is over those that succeeded. ``median_s`` and ``p95_s`` are over all, where a
    failed one never completes, and so may be infinite. ``original_s`` is the 2018 study's mean
    (see :func:`discovery.analysis.statistics.as_in_2018`). All times in s, of atomic actions;
    ``iteration_s`` is the mean of whole successful iterations.
    """
    iterations = completion(tables)
    groups = dict(list(iterations.groupby(GROUP)))
    rows = []
    for key in asked(tables).to_dict("records"):
        part = groups.get(tuple(key[name] for name in GROUP), iterations.iloc[:0])
        done = part[part["error"].isna()]
        times = statistics.with_failures(part, "actions_s")
        mean = statistics.mean(done["actions_s"])
        median = statistics.quantile(times, 0.5)
        p95 = statistics.quantile(times, 0.95)
        share = statistics.failure_share(len(part) - len(done), len(part))
        kept = statistics.as_in_2018(part, "actions_s")
        rows.append(
            {
                **key,
                "n": len(part),
                "failures": len(part) - len(done),
                "failure_share": share.value,
                "failure_share_low": share.low,
                "failure_share_high": share.high,
                "mean_s": mean.value,
                "mean_s_low": mean.low,
                "mean_s_high": mean.high,
                "median_s": median.value,
                "median_s_low": median.low,
                "median_s_high": median.high,
                "p95_s": p95.value,
                "original_s": kept["actions_s"].mean() if len(kept) else np.nan,
                "original_n": len(kept),
                "iteration_s": done["duration_s"].mean() if len(done) else np.nan,
            }
        )
    return in_order(pd.DataFrame(rows))


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` sorted by its factors, scenarios and back ends as they are ordered everywhere."""
    ranks = {
        "scenario": {name: rank for rank, name in enumerate(scenario_order())},
        "backend": {name: rank for rank, name in enumerate(backend_order())},
        "load": {"light": 0, "high": 1},
    }

    def rank(column: Any) -> Any:
        return column.map(ranks[str(column.name)]) if column.name in ranks else column

    keys = [
        name
        for name in ("sites", "load", "scenario", "backend", "one_way_delay_ms", "delay")
        if name in table.columns
    ]
    return table.sort_values(keys, key=rank, kind="stable").reset_index(drop=True)


def mean_actions(tables: Tables) -> pd.DataFrame:
    """Mean seconds per iteration of each action, and their place in it, of successes only.

    Iterations that have an action several times add its durations up.
    """
    good = tables["iterations"].loc[tables["iterations"]["error"].isna(), [*_ITERATION, *_FACTORS]]
    actions = tables["actions"].drop(columns=[*_FACTORS, "start"])
    numbered = actions.assign(place=actions.groupby(_ITERATION).cumcount())
    done = numbered.merge(good, on=_ITERATION)
    counts = good.groupby(GROUP)["iteration"].size().rename("n")
    grouped = done.groupby([*GROUP, "action"], as_index=False)
    sums = grouped.agg(total=("duration_s", "sum"), place=("place", "mean"))
    whole = sums.merge(counts.reset_index(), on=GROUP)
    whole["mean_s"] = whole["total"] / whole["n"]
    return in_order(whole.drop(columns="total").sort_values("place", kind="stable"))


_FACTORS = [name for name in GROUP if name != "scenario"]


def conditions(tables: Tables) -> list[tuple[int, str]]:
    """The numbers of sites and the loads that were asked for, ``light`` first."""
    cells = in_order(tables["cells"])
    return [
        (int(sites), str(load))
        for sites, load in cells[["sites", "load"]].drop_duplicates().itertuples(index=False)
    ]
