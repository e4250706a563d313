"""Variations as a picture: how many times longer than in the study an iteration takes."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from discovery.analysis.panels import plain_logarithm
from discovery.analysis.style import (
    COLOURS,
    DOUBLE_IN,
    GREY,
    MARKERS,
    NAMES,
    backend_order,
    delay_words,
    figure_style,
    present,
    scenario_order,
)

_ROW_IN = 0.17
_AROUND_IN = 0.75


def variation_figure(compared: pd.DataFrame, variation: str) -> Figure:
    """The ratio to the study of every scenario, back end, delay and load that was varied.

    ``compared`` is what :func:`discovery.analysis.variations.compare` gives. A panel per delay and
    load, a row per scenario, a mark with its 95 % interval per back end; at 1 nothing has changed.
    Where iterations failed, their share is written beside the mark.
    """
    table = compared[compared["variation"] == variation]
    scenarios = present(table["scenario"], scenario_order())
    backends = present(table["backend"], backend_order())
    conditions = table[["sites", "load", "one_way_delay_ms", "delay"]].drop_duplicates()
    with figure_style():
        height = _AROUND_IN + _ROW_IN * len(scenarios) * max(2, len(backends))
        figure = Figure(figsize=(DOUBLE_IN, height))
        row_of_panels = figure.subplots(1, len(conditions), sharex=True, sharey=True, squeeze=False)
        for panel, condition in zip(row_of_panels.flat, conditions.to_dict("records"), strict=True):
            chosen = table[
                (table["sites"] == condition["sites"])
                & (table["load"] == condition["load"])
                & (table["delay"] == condition["delay"])
            ]
            _marks(panel, chosen, scenarios, backends)
            where = delay_words(condition["delay"])
            panel.set_title(f"{where}, {condition['load']} load", loc="left")
        first = row_of_panels.flat[0]
        first.set_yticks(range(len(scenarios)), scenarios)
        first.set_ylim(len(scenarios) - 0.5, -0.5)
        plain_logarithm(first.xaxis)
        first.xaxis.set_minor_formatter(NullFormatter())
        figure.supxlabel("completion time, times that of the study's own cell", fontsize=7)
        figure.legend(
            handles=[
                Line2D([], [], color=COLOURS[name], marker=MARKERS[name], label=NAMES[name])
                for name in backends
            ],
            loc="outside upper right",
            ncols=len(backends),
        )
    return figure


def _marks(panel: Axes, table: pd.DataFrame, scenarios: list[str], backends: list[str]) -> None:
    panel.set_xscale("log")
    panel.axvline(1.0, color=GREY, linewidth=0.6)
    panel.grid(visible=True, axis="x")
    panel.grid(visible=False, axis="y")
    panel.tick_params(axis="y", length=0)
    step = 0.8 / max(1, len(backends))
    for row in table.to_dict("records"):
        y = scenarios.index(row["scenario"]) + step * (
            backends.index(row["backend"]) - (len(backends) - 1) / 2
        )
        colour = COLOURS[row["backend"]]
        words = _failures(row["failures"], row["n"])
        if pd.isna(row["ratio"]):
            panel.text(1.0, y, words or "no counterpart", va="center", fontsize=6, color=colour)
            continue
        if not pd.isna(row["ratio_low"]):
            panel.hlines(y, row["ratio_low"], row["ratio_high"], color=colour, linewidth=1.0)
        panel.plot(row["ratio"], y, marker=MARKERS[row["backend"]], color=colour)
        if words:
            end = row["ratio"] if pd.isna(row["ratio_high"]) else row["ratio_high"]
            panel.annotate(
                words, (end, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=6
            )


def _failures(failures: int, n: int) -> str:
    return f"✗{failures}/{n}" if failures else ""
