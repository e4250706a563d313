"""What the 2018 study's cut does, as a picture: to means, and to the order of back ends."""

from __future__ import annotations

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
)

_SMALL = 6.0


def both_ways_figure(means: pd.DataFrame, ratios: pd.DataFrame, *, to: str) -> Figure:
    """Left, what the cut leaves of every mean; right, ratios to the back end ``to`` both ways.

    ``means`` and ``ratios`` are those of :mod:`discovery.analysis.both_ways`. A mark per scenario,
    back end, delay, load and number of sites: full under light load, hollow under high load, and
    with a ring where the two statistics disagree on which back end is the faster.
    """
    backends = present([*means["backend"], *ratios["backend"], to], backend_order())
    with figure_style():
        figure = Figure(figsize=(DOUBLE_IN, 2.9))
        left, right = figure.subplots(1, 2)
        _remains(left, means, backends)
        _ratios(right, ratios, to)
        marks = [
            Line2D([], [], color=COLOURS[name], marker=MARKERS[name], ls="", label=NAMES[name])
            for name in backends
        ]
        marks += [
            Line2D([], [], color=GREY, marker="o", ls="", label="light load"),
            Line2D([], [], color=GREY, marker="o", ls="", mfc="none", label="high load"),
        ]
        if ratios["turns"].any():
            ring: dict[str, Any] = {"marker": "o", "ms": 7, "mfc": "none", "mec": "black", "ls": ""}
            marks.append(Line2D([], [], label="the order turns", **ring))
        figure.legend(handles=marks, loc="outside upper center", ncols=5)
    return figure


def _remains(panel: Axes, means: pd.DataFrame, backends: list[str]) -> None:
    chance = np.random.default_rng(0)  # where in its row a mark stands says nothing
    for row, backend in enumerate(backends):
        part = means[(means["backend"] == backend) & means["remains"].notna()]
        for load, chosen in part.groupby("load"):
            panel.plot(
                chosen["remains"],
                row + chance.uniform(-0.28, 0.28, len(chosen)),
                ls="",
                ms=3,
                marker=MARKERS[backend],
                color=COLOURS[backend],
                mfc=COLOURS[backend] if load == "light" else "none",
                mew=0.6,
            )
        lost = means[(means["backend"] == backend) & means["remains"].isna()]
        if len(lost):
            words = f"{len(lost)} without a mean"
            panel.text(
                0.02, row + 0.4, words, transform=panel.get_yaxis_transform(), fontsize=_SMALL
            )
    panel.axvline(1.0, color=GREY, linewidth=0.6)
    panel.set_yticks(range(len(backends)), [NAMES[name] for name in backends])
    panel.tick_params(axis="y", length=0)
    panel.set_ylim(len(backends) - 0.5, -0.5)
    panel.grid(visible=True, axis="x")
    panel.grid(visible=False, axis="y")
    panel.set_xlabel("mean after the cut of 2018 / mean of all that succeeded")


def _ratios(panel: Axes, ratios: pd.DataFrame, to: str) -> None:
    for (backend, load), part in ratios.groupby(["backend", "load"]):
        panel.plot(
            part["ours"],
            part["theirs"],
            ls="",
            ms=3,
            marker=MARKERS[str(backend)],
            color=COLOURS[str(backend)],
            mfc=COLOURS[str(backend)] if load == "light" else "none",
            mew=0.6,
        )
    turned = ratios[ratios["turns"]]
    panel.plot(turned["ours"], turned["theirs"], ls="", marker="o", ms=7, mfc="none", mec="black")
    if len(ratios):
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.axline((1, 1), (10, 10), color="black", linewidth=0.6, zorder=0)
        panel.axvline(1.0, color=GREY, linewidth=0.6, zorder=0)
        panel.axhline(1.0, color=GREY, linewidth=0.6, zorder=0)
        plain_logarithm(panel.xaxis)
        plain_logarithm(panel.yaxis)
    else:
        panel.text(0.5, 0.5, "no two back ends to compare", transform=panel.transAxes, ha="center")
    panel.grid(visible=True, axis="both")
    panel.set_xlabel(f"time / {NAMES[to]}'s, of all that succeeded")
    panel.set_ylabel("the same, after the cut")
