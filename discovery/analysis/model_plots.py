"""The model as a picture: time = processors + round trips × RTT, its slopes and its residuals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from discovery.analysis.panels import plain_logarithm
from discovery.analysis.style import (
    COLOURS,
    DOUBLE_IN,
    GREY,
    MARKERS,
    NAMES,
    backend_order,
    figure_style,
    present,
    scenario_order,
)

_LAN_MS = 1.0  # round trips below are within a site, or on a LAN


def model_figure(
    joined: pd.DataFrame, points: pd.DataFrame, *, sites: int, scenario: str | None = None
) -> Figure:
    """Three panels: one scenario's times with their lines, all slopes, and all residuals.

    ``joined`` is of :func:`discovery.analysis.model.slopes_and_counts`, ``points`` of
    :func:`discovery.analysis.model.residuals`. The slopes (95 % interval) stand against what the
    servers counted; on the line, an iteration waits for each request in turn. Residuals are of each
    cell and client site, as a share of the line. Marks are full under light load and hollow under
    high load.
    """
    joined = joined[joined["sites"] == sites]
    points = points[points["sites"] == sites]
    backends = present([*joined["backend"], *points["backend"]], backend_order())
    known = present(points["scenario"], scenario_order())
    scenario = scenario or (known[0] if known else None)
    with figure_style():
        figure = Figure(figsize=(DOUBLE_IN, 2.75))
        lines, slopes, rest = figure.subplots(1, 3)
        _times(lines, points, joined, scenario)
        _slopes(slopes, joined)
        _residuals(rest, points, backends)
        handles = [
            Line2D([], [], marker=MARKERS[name], ls="", color=COLOURS[name], label=NAMES[name])
            for name in backends
        ]
        handles += [
            Line2D([], [], marker="o", ls="", color=GREY, label="light load"),
            Line2D([], [], marker="o", ls="", color=GREY, mfc="none", label="high load"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=5)
    return figure


def _mark(panel: Axes, row: Mapping[Hashable, Any], x: float, y: float) -> None:
    colour = COLOURS[str(row["backend"])]
    panel.plot(
        x,
        y,
        ls="",
        ms=3,
        mew=0.6,
        marker=MARKERS[str(row["backend"])],
        color=colour,
        mfc=colour if row["load"] == "light" else "none",
    )


def _times(panel: Axes, points: pd.DataFrame, joined: pd.DataFrame, scenario: str | None) -> None:
    """Mean times against the round trip under light load, and the line of each back end."""
    here = points[(points["scenario"] == scenario) & (points["load"] == "light")]
    load = "light"
    if here.empty:
        here, load = points[points["scenario"] == scenario], "high"
    for row in here.to_dict("records"):
        _mark(panel, row, row["rtt_ms"] / 1e3, row["measured_s"])
    fitted = joined[(joined["scenario"] == scenario) & (joined["load"] == load)]
    far = np.array([0.0, here["rtt_ms"].max() / 1e3 if len(here) else 0.0])
    for row in fitted[fitted["round_trips"].notna()].to_dict("records"):
        panel.plot(
            far,
            row["base_s"] + row["round_trips"] * far,
            color=COLOURS[row["backend"]],
            linewidth=0.8,
            zorder=1,
        )
    panel.set_title("a  one scenario", loc="left")
    if scenario is None:
        _nothing(panel)
    else:
        words = f"{scenario},\n{load} load"
        panel.text(0.03, 0.98, words, transform=panel.transAxes, va="top", fontsize=6)
        panel.set_ylim(0, 1.3 * panel.get_ylim()[1])
    panel.set_xlabel("round trip waited for (s)")
    panel.set_ylabel("time of an iteration (s)")


def _slopes(panel: Axes, joined: pd.DataFrame) -> None:
    known = joined[(joined["expected"] > 0) & (joined["round_trips"] > 0)]
    panel.set_title("b  slopes of all scenarios", loc="left")
    panel.set_xlabel("requests counted per iteration")
    panel.set_ylabel("round trips waited for")
    if known.empty:
        _nothing(panel)
        return
    panel.set_xscale("log")
    panel.set_yscale("log")
    for row in known.to_dict("records"):
        _mark(panel, row, row["expected"], row["round_trips"])
        if row["round_trips_low"] > 0:
            panel.vlines(
                row["expected"],
                row["round_trips_low"],
                row["round_trips_high"],
                color=COLOURS[row["backend"]],
                linewidth=0.8,
            )
    panel.autoscale_view()
    panel.axline((1, 1), (10, 10), color="black", linewidth=0.7, zorder=0)
    plain_logarithm(panel.xaxis)
    plain_logarithm(panel.yaxis)
    panel.grid(visible=True, axis="both")


def _residuals(panel: Axes, points: pd.DataFrame, backends: list[str]) -> None:
    panel.set_title("c  residuals of all scenarios", loc="left")
    panel.set_ylabel("measured − line (% of the line)")
    points = points[points["share"].notna()]
    if points.empty:
        _nothing(panel, "no three delays")
        return
    # Who sits beside the one server of a WAN waits for none of its round trips.
    near = (points["rtt_ms"] < _LAN_MS) & (points["one_way_delay_ms"] > 0)
    delays = points[~near].sort_values("one_way_delay_ms")["delay"].unique()
    names = [_round_trip(delay) for delay in delays]
    at = points["delay"].map({delay: place for place, delay in enumerate(delays)})
    if near.any():
        at = at.where(~near, float(len(delays)))
        names.append("beside\nthe server")
    step = 0.7 / max(1, len(backends))
    for row, place in zip(points.to_dict("records"), at, strict=True):
        aside = step * (backends.index(row["backend"]) - (len(backends) - 1) / 2)
        _mark(panel, row, place + aside, 100 * row["share"])
    panel.axhline(0, color="black", linewidth=0.7, zorder=0)
    panel.set_xticks(range(len(names)), names)
    panel.tick_params(axis="x", length=0)


def _round_trip(delay: str) -> str:
    """The round trip of a delay between all sites alike; another level has its name."""
    if delay == "0":
        return "LAN"
    return f"{2 * float(delay):g} ms\nRTT" if delay[0].isdigit() else delay


def _nothing(panel: Axes, why: str = "no two delays") -> None:
    panel.text(0.5, 0.5, why, transform=panel.transAxes, ha="center")
    panel.set(xticks=[], yticks=[])
