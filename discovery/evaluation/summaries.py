"""Small tables over a run, for the report and the paper: WAN, phases, queries, failures."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from discovery.deploy.backends import BACKENDS
from discovery.workload.nova_scenarios import NOVA_SCENARIOS
from discovery.workload.scenarios import SCENARIOS

Tables = Mapping[str, pd.DataFrame]

PHASES = (
    *("lease", "deploy", "health", "prepare", "shape", "warm-up"),
    *("load", "boot", "look", "delete"),
    *("collect", "release"),
)
"""In the order of a cell: before its load, the load of either study, after it."""


def wan_accuracy(tables: Tables) -> pd.DataFrame:
    """A row per round trip that was asked for, over every measurement of the shaped WAN.

    Columns: ``asked_rtt_ms``, ``measurements``, ``median_rtt_ms``, ``worst_error_ms`` (of a pair's
    median), ``sent`` and ``lost`` probes.
    """
    wan = tables["wan"]
    shaped = wan[wan["when"] != "unshaped"].assign(
        error_ms=lambda rows: (rows["measured_rtt_ms"] - rows["asked_rtt_ms"]).abs()
    )
    return (
        shaped.groupby("asked_rtt_ms")
        .agg(
            measurements=("measured_rtt_ms", "count"),
            median_rtt_ms=("measured_rtt_ms", "median"),
            worst_error_ms=("error_ms", "max"),
            sent=("sent", "sum"),
            lost=("lost", "sum"),
        )
        .reset_index()
    )


def phase_seconds(tables: Tables) -> pd.DataFrame:
    """Median seconds of each phase (columns) by back end (rows), of the cells that succeeded."""
    phases = tables["phases"]
    good = tables["cells"].loc[tables["cells"]["status"] == "ok", "cell"]
    kept = phases[phases["cell"].isin(good) & phases["phase"].isin(PHASES)]
    # A phase may come in several pieces; its time in a cell is their sum.
    whole = kept.groupby(["backend", "cell", "phase"])["seconds"].sum().reset_index()
    medians = whole.pivot_table(
        index="backend", columns="phase", values="seconds", aggfunc="median"
    )
    return _in_order(medians).reindex(columns=[name for name in PHASES if name in medians.columns])


def queries_per_iteration(tables: Tables) -> pd.DataFrame:
    """Mean database queries per iteration of each scenario (rows) on each back end (columns)."""
    queries = tables["queries"]
    means = queries.pivot_table(
        index="scenario", columns="backend", values="queries_per_iteration", aggfunc="mean"
    )
    rows = [name for name in (*SCENARIOS, *NOVA_SCENARIOS) if name in means.index]
    return means.reindex(index=rows, columns=[name for name in BACKENDS if name in means.columns])


def failures(tables: Tables) -> pd.DataFrame:
    """Cells with failures: ``cell``, ``scenario``, ``what`` failed, ``n``, ``failures``, ``error``.

    A cell that broke as a whole has no ``what``; ``error`` is then why it broke, and otherwise the
    most frequent error of its iterations, or of the servers of its burst.
    """
    broken = tables["cells"].loc[tables["cells"]["status"] == "failed", ["cell", "failure"]]
    rows = [
        {"cell": cell, "scenario": "", "what": "", "n": 0, "failures": 0, "error": failure}
        for cell, failure in broken.itertuples(index=False)
    ]
    rows += _failed(tables["iterations"], "iterations")
    if "servers" in tables:
        rows += _failed(tables["servers"].assign(scenario="burst"), "servers")
    return pd.DataFrame(rows, columns=["cell", "scenario", "what", "n", "failures", "error"])


def _failed(asked: pd.DataFrame, what: str) -> list[dict[str, object]]:
    """A row per cell and scenario in which some of what was asked for failed."""
    counts = asked.groupby(["cell", "scenario"]).size().to_dict()
    return [
        {
            "cell": cell,
            "scenario": scenario,
            "what": what,
            "n": counts[cell, scenario],
            "failures": len(group),
            "error": str(group["error"].value_counts().index[0]),
        }
        for (cell, scenario), group in asked[asked["error"].notna()].groupby(["cell", "scenario"])
    ]


def replays(tables: Tables) -> pd.DataFrame:
    """A row per cell that replayed requests, over its sites; columns as those of the table."""
    columns = ["requests", "met_errors", "replays", "recovered", "gave_up", "not_replayable"]
    return tables["replays"].groupby("cell")[[*columns, "lost_s"]].sum().reset_index()


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    return table.reindex([name for name in BACKENDS if name in table.index])
