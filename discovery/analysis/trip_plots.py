"""Round trips: what queries × RTT predicts against what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from discovery.analysis.model import fit, predict, queries_per_iteration
from discovery.analysis.panels import plain_logarithm
from discovery.analysis.style import (
    COLOURS,
    COLUMN_IN,
    GREY,
    MARKERS,
    NAMES,
    backend_order,
    figure_style,
    present,
    scenario_order,
)

Tables = Mapping[str, pd.DataFrame]

_WAN_RTT_MS = 1.0  # below, queries × RTT says nothing about an iteration


def prediction_figure(tables: Tables, *, sites: int) -> Figure:
    """Measured mean time of an iteration against queries × RTT, on logarithmic axes.

    A point per scenario, back end, delay, load and client site that is across the WAN from what it
    waits for. On the line, an iteration waits for each of its queries in turn; below it, it does
    not.
    """
    points = predict(tables)
    points = points[(points["sites"] == sites) & (points["rtt_ms"] >= _WAN_RTT_MS)]
    points = points[points["predicted_s"] > 0]
    backends = present(points["backend"], backend_order())
    with figure_style():
        figure = Figure(figsize=(COLUMN_IN, 2.9))
        panel = figure.subplots()
        for load, chosen in points.groupby("load", sort=False):
            sns.scatterplot(
                chosen,
                x="predicted_s",
                y="measured_s",
                hue="backend",
                style="backend",
                palette=COLOURS,
                markers=MARKERS,
                s=12,
                linewidth=0.7,
                legend=False,
                ax=panel,
            )
            drawn = panel.collections[-1]
            drawn.set_edgecolor(drawn.get_facecolor())
            if load == "high":
                drawn.set_facecolor("none")
        if len(points):
            panel.axline((1, 1), (10, 10), color="black", linewidth=0.7, zorder=0)
        else:
            panel.text(0.5, 0.5, "no cell with a WAN", transform=panel.transAxes, ha="center")
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.autoscale_view()
        plain_logarithm(panel.xaxis)
        plain_logarithm(panel.yaxis)
        panel.grid(visible=True, axis="both")
        panel.set_xlabel("queries per iteration × round trip (s)")
        panel.set_ylabel("measured time of an iteration (s)")
        handles = [
            Line2D([], [], marker=MARKERS[name], ls="", color=COLOURS[name], label=NAMES[name])
            for name in backends
        ]
        handles += [
            Line2D([], [], marker="o", linestyle="", color=GREY, label="light load"),
            Line2D([], [], marker="o", linestyle="", color=GREY, mfc="none", label="high load"),
            Line2D([], [], color="black", linewidth=0.7, label="equal"),
        ]
        panel.legend(
            handles=handles,
            loc="upper left",
            title=f"{sites} sites, {len(points)} points",
            alignment="left",
            labelspacing=0.3,
        )
    return figure


def round_trips_figure(tables: Tables, *, sites: int, load: str) -> Figure:
    """Sequential round trips per iteration (fitted slope, 95 % interval) and queries counted."""
    slopes = _of(fit(tables), sites, load)
    counts = _of(queries_per_iteration(tables), sites, load)
    backends = present([*slopes["backend"], *counts["backend"]], backend_order())
    scenarios = present([*slopes["scenario"], *counts["scenario"]], scenario_order())
    with figure_style():
        figure = Figure(figsize=(COLUMN_IN, 0.9 + 0.42 * max(1, len(scenarios))))
        panel = figure.subplots()
        for row in range(len(scenarios)):
            panel.axhspan(row - 0.5, row + 0.5, color="#F4F4F4" if row % 2 == 0 else "white", lw=0)
        dots = partial(
            sns.pointplot,
            y="scenario",
            order=scenarios,
            orient="y",
            hue="backend",
            hue_order=backends,
            palette=COLOURS,
            dodge=0.72 * (1 - 1 / max(1, len(backends))),
            linestyle="none",
            legend=False,
            ax=panel,
        )
        if len(counts):
            queries = {"markers": "D", "markersize": 4.2, "markerfacecolor": "white"}
            dots(counts, x="queries", errorbar=None, markeredgewidth=1.0, **queries)
            dots(counts, x="commits", errorbar=None, markers="|", markersize=6, markeredgewidth=1.2)
        ends = slopes.melt(
            id_vars=["scenario", "backend"],
            value_vars=["round_trips", "round_trips_low", "round_trips_high"],
        ).dropna()
        if len(ends):  # the middle of the three is the slope, and they span its interval
            line = {"linewidth": 1.4}
            dots(ends, x="value", estimator="median", errorbar=("pi", 100), ms=2.8, err_kws=line)
        panel.set_yticks(range(len(scenarios)), [_two_lines(name) for name in scenarios])
        panel.tick_params(axis="y", length=0)
        panel.set_ylim(max(1, len(scenarios)) - 0.5, -0.5)
        if not scenarios:
            panel.text(0.5, 0.5, "no iteration", transform=panel.transAxes, ha="center")
        panel.set_xlim(left=min(-1.0, float(slopes["round_trips_low"].min(skipna=True) or 0) * 1.1))
        panel.grid(visible=True, axis="x")
        panel.grid(visible=False, axis="y")
        panel.set_ylabel("")
        panel.set_xlabel(f"per iteration ({sites} sites, {load} load)")
        handles = [
            Line2D([], [], color=COLOURS[name], label=NAMES[name], lw=3) for name in backends
        ]
        if len(ends):
            waited = "round trips waited for"
            handles.append(Line2D([], [], marker="o", ms=2.8, lw=1.4, color=GREY, label=waited))
        handles += [
            Line2D([], [], marker="D", ms=4.2, ls="", mfc="white", mec=GREY, label="SQL queries"),
            Line2D([], [], marker="|", ms=6, mew=1.2, ls="", color=GREY, label="commits"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def _of(table: pd.DataFrame, sites: int, load: str) -> pd.DataFrame:
    return table[(table["sites"] == sites) & (table["load"] == load)]


def _two_lines(scenario: str) -> str:
    """A long scenario name, broken at the hyphen nearest to its middle."""
    if len(scenario) < 20:
        return scenario
    breaks = [place for place, sign in enumerate(scenario) if sign == "-"]
    middle = min(breaks, key=lambda place: abs(place - len(scenario) / 2))
    return f"{scenario[: middle + 1]}\n{scenario[middle + 1 :]}"
