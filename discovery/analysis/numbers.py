"""The numbers that prose quotes: name → value, unit, n and 95 % interval, as JSON.

Names are made of lower-case words and levels joined by hyphens, so that a LaTeX macro can be
generated for each. A number that is not known is absent: a text that quotes it does not build.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from discovery.analysis import statistics
from discovery.analysis.resources import usage
from discovery.analysis.summary import completion
from discovery.analysis.testbed import wan_errors
from discovery.whole import write_whole

Tables = Mapping[str, pd.DataFrame]
Numbers = dict[str, dict[str, Any]]


def write_numbers(out: Path, name: str, numbers: Numbers) -> None:
    """Write ``out/tables/<name>.json``."""
    text = json.dumps(numbers, indent=1, allow_nan=False) + "\n"
    write_whole(out / "tables" / f"{name}.json", text)


def _add(
    numbers: Numbers,
    name: str,
    unit: str,
    value: float,
    n: int,
    low: float = math.nan,
    high: float = math.nan,
) -> None:
    if math.isfinite(value):
        numbers[name] = {
            "value": float(value),
            "unit": unit,
            "n": int(n),
            "low": float(low) if math.isfinite(low) else None,
            "high": float(high) if math.isfinite(high) else None,
        }


def completion_numbers(tables: Tables, summary: pd.DataFrame) -> Numbers:
    """Means, failures, and how many times longer a back end takes than on the LAN."""
    numbers: Numbers = {}
    cells, iterations = tables["cells"], completion(tables)
    _add(numbers, "cells", "", len(cells), len(cells))
    _add(numbers, "cells-failed", "", int((cells["status"] == "failed").sum()), len(cells))
    _add(numbers, "iterations", "", len(iterations), len(iterations))
    failed = int(iterations["error"].notna().sum())
    _add(numbers, "iterations-failed", "", failed, len(iterations))
    for row in summary.to_dict("records"):
        key = f"s{row['sites']}-{row['load']}-{row['scenario']}-{row['backend']}-d{row['delay']}"
        mean = (row["mean_s"], row["n"] - row["failures"], row["mean_s_low"], row["mean_s_high"])
        _add(numbers, f"mean-{key}", "s", *mean)
        share = (row["failure_share_low"], row["failure_share_high"])
        _add(numbers, f"failure-share-{key}", "", row["failure_share"], row["n"], *share)
    good = iterations[iterations["error"].isna()]
    for (sites, load, scenario, backend), part in good.groupby(
        ["sites", "load", "scenario", "backend"]
    ):
        lan = part.loc[part["one_way_delay_ms"] == 0, "actions_s"]
        far = part[part["one_way_delay_ms"] == part["one_way_delay_ms"].max()]
        if len(lan) and (far["one_way_delay_ms"] > 0).all():
            ratio = statistics.ratio(far["actions_s"], lan)
            name = f"slowdown-s{sites}-{load}-{scenario}-{backend}-d{far['delay'].iloc[0]}"
            _add(numbers, name, "×", ratio.value, ratio.n, ratio.low, ratio.high)
    return numbers


def round_trip_numbers(joined: pd.DataFrame) -> Numbers:
    """Round trips waited for, requests, commits and reads, per scenario, back end and load.

    ``joined`` is of :func:`discovery.analysis.model.slopes_and_counts`.
    """
    numbers: Numbers = {}
    for row in joined.to_dict("records"):
        key = f"s{row['sites']}-{row['load']}-{row['scenario']}-{row['backend']}"
        trips = (row["round_trips_low"], row["round_trips_high"])
        base = (row["base_s_low"], row["base_s_high"])
        _add(numbers, f"round-trips-{key}", "", row["round_trips"], row["n"], *trips)
        _add(numbers, f"base-{key}", "s", row["base_s"], row["n"], *base)
        _add(numbers, f"residual-{key}", "s", row["residual_s"], row["n"])
        _add(numbers, f"queries-{key}", "", row["queries"], row["n_counted"])
        _add(numbers, f"commits-{key}", "", row["commits"], row["n_counted"])
        _add(numbers, f"reads-{key}", "", row["read_share"], row["n_counted"])
    return numbers


def both_ways_numbers(means: pd.DataFrame, ratios: pd.DataFrame) -> Numbers:
    """What the cut of 2018 drops and leaves, of :mod:`discovery.analysis.both_ways`."""
    numbers: Numbers = {}
    good = int((means["n"] - means["failures"]).sum())
    _add(numbers, "cut-dropped", "", int(means["dropped"].sum()), good)
    remains = means["remains"].dropna()
    if len(remains):
        _add(numbers, "cut-remains-least", "", remains.min(), len(remains))
        _add(numbers, "cut-remains-median", "", remains.median(), len(remains))
    _add(numbers, "cut-ratios", "", len(ratios), len(ratios))
    _add(numbers, "cut-ratios-turned", "", int(ratios["turns"].sum()), len(ratios))
    return numbers


def variation_numbers(compared: pd.DataFrame) -> Numbers:
    """How many times longer than in the study an iteration takes, of :func:`variations.compare`."""
    numbers: Numbers = {}
    for row in compared.to_dict("records"):
        name = (
            f"variation-{row['variation']}-s{row['sites']}-{row['load']}-{row['scenario']}"
            f"-{row['backend']}-d{row['delay']}"
        )
        good = row["n"] - row["failures"] + row["study_n"] - row["study_failures"]
        _add(numbers, name, "×", row["ratio"], good, row["ratio_low"], row["ratio_high"])
    return numbers


def resource_numbers(tables: Tables) -> Numbers:
    """CPU and network (means over nodes and delays) and memory (largest), per kind of node."""
    numbers: Numbers = {}
    for (sites, load, backend, kind), part in usage(tables).groupby(
        ["sites", "load", "backend", "kind"]
    ):
        name = f"s{sites}-{load}-{backend}-{str(kind).replace(' + ', '-')}"
        _add(numbers, f"cpu-{name}", "cores", part["cpu_cores"].mean(), len(part))
        _add(numbers, f"memory-{name}", "MB", part["memory_mb"].max(), len(part))
        _add(numbers, f"network-{name}", "MB/s", part["network_mb_s"].mean(), len(part))
    return numbers


def testbed_numbers(tables: Tables) -> Numbers:
    """The WAN's worst and median error, and what deploying a back end takes."""
    numbers: Numbers = {}
    pairs = wan_errors(tables)
    for when, part in pairs.groupby("when"):
        errors = part["error_ms"].dropna()
        if len(errors):
            worst = float(errors.abs().max())
            _add(numbers, f"wan-error-worst-{when}", "ms", worst, len(errors))
            middle = float(np.median(errors))
            _add(numbers, f"wan-error-median-{when}", "ms", middle, len(errors))
            outside = int((part["error_ms"].abs() > part["allowed_ms"]).sum())
            _add(numbers, f"wan-pairs-off-{when}", "", outside, len(errors))
    good = tables["cells"].loc[tables["cells"]["status"] == "ok", "cell"]
    deploy = tables["phases"][
        (tables["phases"]["phase"] == "deploy") & tables["phases"]["cell"].isin(good)
    ]
    for backend, part in deploy.groupby("backend"):
        mean = statistics.mean(part["seconds"])
        _add(numbers, f"deploy-{backend}", "s", mean.value, mean.n, mean.low, mean.high)
        _add(numbers, f"deploy-worst-{backend}", "s", part["seconds"].max(), mean.n)
    return numbers
