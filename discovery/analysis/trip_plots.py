"""Round trips: what queries × RTT predicts against what was measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from discovery.analysis.model import fit, predict, queries_per_iteration
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
        for backend in backends:
            for load in ("light", "high"):
                chosen = points[(points["backend"] == backend) & (points["load"] == load)]
                panel.plot(
                    chosen["predicted_s"],
                    chosen["measured_s"],
                    linestyle="",
                    marker=MARKERS[backend],
                    markersize=3.4,
                    color=COLOURS[backend],
                    markerfacecolor=COLOURS[backend] if load == "light" else "none",
                    markeredgewidth=0.7,
                )
        if len(points):
            panel.axline((1, 1), (10, 10), color="black", linewidth=0.7, zorder=0)
        else:
            panel.text(0.5, 0.5, "no cell with a WAN", transform=panel.transAxes, ha="center")
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.xaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_major_formatter("{x:g}")
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
    step = 0.72 / max(1, len(backends))
    with figure_style():
        figure = Figure(figsize=(COLUMN_IN, 0.9 + 0.42 * max(1, len(scenarios))))
        panel = figure.subplots()
        for row, scenario in enumerate(scenarios):
            panel.axhspan(row - 0.5, row + 0.5, color="#F4F4F4" if row % 2 == 0 else "white", lw=0)
            for rank, backend in enumerate(backends):
                y = row + (rank - (len(backends) - 1) / 2) * step
                colour = COLOURS[backend]
                for counted in _pick(counts, scenario, backend):
                    panel.plot(counted["queries"], y, "D", mfc="white", mec=colour, ms=4.2)
                    panel.plot(counted["commits"], y, "|", color=colour, ms=6, mew=1.2)
                for fitted in _pick(slopes, scenario, backend):
                    if np.isfinite(fitted["round_trips"]):
                        low, high = fitted["round_trips_low"], fitted["round_trips_high"]
                        panel.hlines(y, low, high, color=colour, linewidth=1.4)
                        panel.plot(fitted["round_trips"], y, "o", color=colour, ms=2.8)
        panel.set_yticks(range(len(scenarios)), [_two_lines(name) for name in scenarios])
        panel.tick_params(axis="y", length=0)
        panel.set_ylim(max(1, len(scenarios)) - 0.5, -0.5)
        if not scenarios:
            panel.text(0.5, 0.5, "no iteration", transform=panel.transAxes, ha="center")
        panel.set_xlim(left=min(-1.0, float(slopes["round_trips_low"].min(skipna=True) or 0) * 1.1))
        panel.grid(visible=True, axis="x")
        panel.grid(visible=False, axis="y")
        panel.set_xlabel(f"per iteration ({sites} sites, {load} load)")
        handles = [
            Line2D([], [], color=COLOURS[name], label=NAMES[name], lw=3) for name in backends
        ]
        handles += [
            Line2D([], [], marker="o", ms=2.8, lw=1.4, color=GREY, label="round trips waited for"),
            Line2D([], [], marker="D", ms=4.2, ls="", mfc="white", mec=GREY, label="SQL queries"),
            Line2D([], [], marker="|", ms=6, mew=1.2, ls="", color=GREY, label="commits"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def _of(table: pd.DataFrame, sites: int, load: str) -> pd.DataFrame:
    return table[(table["sites"] == sites) & (table["load"] == load)]


def _pick(table: pd.DataFrame, scenario: str, backend: str) -> list[dict[str, float]]:
    chosen = table[(table["scenario"] == scenario) & (table["backend"] == backend)]
    return [{str(key): item for key, item in row.items()} for row in chosen.to_dict("records")]


def _two_lines(scenario: str) -> str:
    """A long scenario name, broken at the hyphen nearest to its middle."""
    if len(scenario) < 20:
        return scenario
    breaks = [place for place, sign in enumerate(scenario) if sign == "-"]
    middle = min(breaks, key=lambda place: abs(place - len(scenario) / 2))
    return f"{scenario[: middle + 1]}\n{scenario[middle + 1 :]}"
