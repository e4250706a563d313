"""SQL queries of each scenario, from the database servers' own counters.

The counters are cumulative and sampled ten times a second. A scenario's share is the growth of
each server's counter from the last sample before the scenario's load to the first one after it,
summed over the servers. The clients of a cell run the scenarios in step and rest between them, so
that the window holds no other load. What it holds besides are the log-ins of Rally's users that
fall into the tenth of a second before the load and, with several clients, those of the clients
that begin later.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from discovery.results.raw import RawCell

# A window that sticks out of the samples by more than this is not known, and is not guessed.
_SLACK_S = 1.0


def queries_rows(cell: RawCell) -> list[dict[str, Any]]:
    """One row per scenario that Rally reported, in the order it ran.

    ``read_share`` is what part of the statements that read or write rows only read; a back end
    whose servers do not tell them apart has none.

    ``queries`` is ``None`` where a counter does not cover the load, or was reset inside it (a
    server that restarted); so are the ratios, and they are also where there was no iteration.
    """
    windows: dict[str, list[tuple[float, float]]] = {}
    iterations: dict[str, int] = {}
    for workloads in cell.rally.values():
        for workload in workloads:
            counted = iterations.get(workload.scenario, 0)
            iterations[workload.scenario] = counted + len(workload.iterations)
            frame = windows.setdefault(workload.scenario, [])
            if workload.start is not None:
                frame.append((workload.start, workload.start + workload.load_s))
    rows = []
    for scenario, count in iterations.items():
        frame = windows[scenario]
        start = min((begin for begin, _ in frame), default=np.nan)
        end = max((finish for _, finish in frame), default=np.nan)
        queries = growth(cell.counters, "queries", start, end)
        commits = growth(cell.counters, "commits", start, end)
        reads = growth(cell.counters, "reads", start, end)
        writes = growth(cell.counters, "writes", start, end)
        rows.append(
            {
                "scenario": scenario,
                "iterations": count,
                "queries": queries,
                "queries_per_iteration": _ratio(queries, count),
                "commits_per_iteration": _ratio(commits, count),
                "read_share": _share(reads, writes),
            }
        )
    return rows


def growth(counters: pd.DataFrame, counter: str, start: float, end: float) -> float | None:
    """How much ``counter`` grew from before ``start`` to after ``end`` (s, epoch), over all nodes.

    ``None`` if a node's samples do not cover the window, or its server began anew in it: a counter
    that fell by more than half. It falls a little where MariaDB adds up those of its connections
    while one of them ends.
    """
    samples = counters[counters["counter"] == counter]
    if samples.empty or not np.isfinite([start, end]).all():
        return None
    total = 0.0
    for _, node in samples.sort_values("time").groupby("node"):
        time = node["time"].to_numpy(dtype=float)
        value = node["value"].to_numpy(dtype=float)
        if time[0] > start + _SLACK_S or time[-1] < end - _SLACK_S:
            return None
        before = max(0, int(np.searchsorted(time, start, side="right")) - 1)
        after = min(len(time) - 1, int(np.searchsorted(time, end)))
        seen = value[before : after + 1]
        if (seen[1:] < seen[:-1] / 2).any():
            return None
        total += float(value[after] - value[before])
    return total


def _ratio(total: float | None, count: int) -> float | None:
    return total / count if total is not None and count else None


def _share(part: float | None, rest: float | None) -> float | None:
    return part / (part + rest) if part is not None and rest is not None and part + rest else None
