"""What Nova's services and their servers take of processors and memory during a burst."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from discovery.analysis.nova import LEVELS
from discovery.analysis.nova_numbers import add
from discovery.analysis.nova_plots import colour, in_order
from discovery.analysis.numbers import Numbers
from discovery.analysis.panels import plain_logarithm
from discovery.analysis.style import DOUBLE_IN, figure_style
from discovery.results.derived import cells_of

Tables = Mapping[str, pd.DataFrame]

_SIZE = ["sites", "one_way_delay_ms", "zones", "servers"]


def service_use(tables: Tables) -> pd.DataFrame:
    """A row per levels and systemd unit, over the burst: from its first request to its last end.

    ``cpu_s`` are the seconds of a processor that the units of all nodes took for each server asked
    for, ``memory_mb`` the most that one of them held (PSS), both means over the repetitions.
    """
    grouped = tables["servers"].groupby("cell")
    windows = pd.DataFrame(
        {
            "begin": grouped["asked_at"].min(),
            "end": grouped["ended_at"].max(),
            "asked": grouped.size(),
        }
    )
    units = tables["units"].merge(windows, left_on="cell", right_index=True)
    units = units[units["time"].between(units["begin"], units["end"])]
    cells = units.groupby(["cell", "unit"], as_index=False).agg(
        cpu_s=("cpu_cores", "sum"), memory_mb=("memory_mb", "max"), asked=("asked", "first")
    )
    cells["cpu_s"] /= cells["asked"]
    joined = cells.merge(cells_of(tables)[["cell", *LEVELS]], on="cell")
    joined["unit"] = joined["unit"].str.removeprefix("discovery-")
    means = joined.groupby([*LEVELS, "unit"], as_index=False)
    return means.agg(cpu_s=("cpu_s", "mean"), memory_mb=("memory_mb", "mean"), n=("cell", "size"))


def service_table(found: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per levels and unit, the most expensive first; and all numbers."""
    order = [*LEVELS, "cpu_s"]
    ordered = found.sort_values(order, ascending=[*[True] * len(LEVELS), False], kind="stable")
    shown = pd.DataFrame(
        {
            **{name.replace("_", " "): ordered[name] for name in LEVELS},
            "unit": ordered["unit"],
            "CPU s per server": ordered["cpu_s"].map("{:.3f}".format),
            "memory (MB)": ordered["memory_mb"].map("{:.0f}".format),
        }
    )
    return shown, ordered.reset_index(drop=True)


def service_figure(found: pd.DataFrame, *, sites: int, delay: float) -> Figure:
    """CPU seconds per server, and memory, of every unit: a mark per variant, flat cells alone."""
    here = found[
        (found["sites"] == sites)
        & (found["one_way_delay_ms"] == delay)
        & (found["zones"] == "flat")
    ]
    totals = here.groupby("unit")["cpu_s"].max().sort_values(ascending=False)
    units, variants = list(totals.index), in_order(here["variant"].unique().tolist())
    with figure_style():
        figure = Figure(figsize=(DOUBLE_IN, 0.7 + 0.22 * max(3, len(units))))
        panels = figure.subplots(1, 2, sharey=True)
        for panel, column, label in zip(
            panels, ("cpu_s", "memory_mb"), ("CPU (s per server)", "memory (MB)"), strict=True
        ):
            _marks(panel, here, units, variants, column)
            panel.set_xlabel(label)
        panels[0].set_yticks(range(len(units)), units)
        panels[0].set_ylim(max(1, len(units)) - 0.5, -0.5)
        handles = [Patch(color=colour(name), label=name) for name in variants]
        if handles:
            figure.legend(handles=handles, loc="outside right upper")
        else:
            panels[0].text(0.5, 0.5, "no unit was sampled", transform=panels[0].transAxes)
    return figure


def _marks(
    panel: Axes, here: pd.DataFrame, units: list[str], variants: list[str], column: str
) -> None:
    for place, name in enumerate(variants):
        part = here[here["variant"] == name]
        values = part.groupby("unit")[column].mean().reindex(units)
        y = np.arange(len(units)) + 0.5 * ((place + 0.5) / len(variants) - 0.5)
        panel.plot(values.where(values > 0), y, "o", ms=3.5, color=colour(name))
    panel.set_xscale("log")
    plain_logarithm(panel.xaxis)


def service_numbers(found: pd.DataFrame) -> Numbers:
    """CPU seconds per server of all units, such as ``nova-cpu-vanilla-s3-d10``."""
    flat = found[found["zones"] == "flat"]
    numbers: Numbers = {}
    for key, part in flat.groupby(["variant", *_SIZE]):
        variant, sites, delay, _, _ = key
        name = f"nova-cpu-{variant}-s{sites}-d{delay:g}"
        add(numbers, name, "s", {"value": part["cpu_s"].sum(), "n": part["n"].max()})
    return numbers
