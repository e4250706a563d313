"""Completion time per scenario and back end against delay, as means stacked by atomic action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from discovery.analysis.panels import explain, scenario_panels
from discovery.analysis.style import (
    COLOURS,
    GREY,
    action_label,
    backend_order,
    delay_label,
    figure_style,
    present,
    scenario_order,
    tint,
)
from discovery.analysis.summary import mean_actions

Tables = Mapping[str, pd.DataFrame]

_SMALL = 6.0
_LABEL_SHARE = 0.2  # of a panel's height, for the number above a bar


def completion_figure(tables: Tables, summary: pd.DataFrame, *, sites: int, load: str) -> Figure:
    """Stacked means of the atomic actions, as the 2018 study drew them.

    A panel per scenario, a group of bars per delay, a bar per back end: the mean over the
    successful iterations with its 95 % interval. Failures are written on the bar. ``summary`` is
    that of :func:`discovery.analysis.summary.summarise`.
    """
    summary = _of(summary, sites, load)
    actions = _of(mean_actions(tables), sites, load)
    backends = present(summary["backend"], backend_order())
    scenarios = present(summary["scenario"], scenario_order())
    usual = int(summary["asked"].mode().iloc[0])
    with figure_style():
        panels = scenario_panels(scenarios, legend_height=0.6)
        for scenario, panel in panels.scenarios.items():
            _bars(
                panel,
                summary[summary["scenario"] == scenario],
                actions[actions["scenario"] == scenario],
                backends,
                usual,
            )
        panels.name_axes("one-way delay (ms)", "completion time (s)")
        explain(
            panels,
            backends,
            [Line2D([], [], color="black", linewidth=0.8, label="95 % interval")],
            [
                f"{sites} sites, {load} load, n = {usual} iterations per bar.",
                "Mean (s) of those that succeeded;",
                f"✗2/{usual}: 2 of {usual} failed.",
                "Shades: atomic actions in their order,",
                "the first at the bottom and darkest.",
                *(
                    ["Site 1's client is beside the server", "of one-server back ends."]
                    if load == "high"
                    else []
                ),
            ],
        )
    return panels.figure


def _of(table: pd.DataFrame, sites: int, load: str) -> pd.DataFrame:
    return table[(table["sites"] == sites) & (table["load"] == load)]


def _delays(table: pd.DataFrame) -> list[str]:
    levels = table[["one_way_delay_ms", "delay"]].drop_duplicates()
    return list(levels.sort_values(["one_way_delay_ms", "delay"])["delay"])


def _bars(
    panel: Axes,
    summary: pd.DataFrame,
    actions: pd.DataFrame,
    backends: Sequence[str],
    usual: int,
) -> None:
    delays = _delays(summary)
    width = 0.84 / len(backends)
    order = list(actions.groupby("action")["place"].mean().sort_values(kind="stable").index)
    shares = np.linspace(1.0, 0.3, len(order))
    tallest = float(summary["mean_s_high"].fillna(summary["mean_s"]).max())
    top = tallest if tallest > 0 else 1.0
    for group, delay in enumerate(delays):
        for rank, backend in enumerate(backends):
            x = group + (rank - (len(backends) - 1) / 2) * width
            row = summary[(summary["backend"] == backend) & (summary["delay"] == delay)]
            part = actions[(actions["backend"] == backend) & (actions["delay"] == delay)]
            means = part.set_index("action")["mean_s"]
            bottom = 0.0
            for action, share in zip(order, shares, strict=True):
                height = float(means.get(action, 0.0))
                colour = tint(COLOURS[backend], float(share))
                panel.bar(x, height, width * 0.94, bottom, color=colour, linewidth=0)
                bottom += height
            _annotate(panel, x, row.iloc[0] if len(row) else None, top, usual)
    panel.set_xticks(range(len(delays)), [delay_label(delay) for delay in delays])
    panel.set_xlim(-0.5, len(delays) - 0.5)
    # The key of the actions stands above the bars of the lower delays.
    lower = summary[summary["delay"].isin(delays[:-1] or delays)]
    free = 1 - 0.075 * len(order) - _LABEL_SHARE
    panel.set_ylim(0, max(top * 1.5, float(lower["mean_s"].fillna(0).max()) / free))
    panel.tick_params(axis="x", length=0)
    panel.legend(
        handles=[
            Patch(color=tint(GREY, float(share)), label=action_label(action))
            for action, share in reversed(list(zip(order, shares, strict=True)))
        ],
        loc="upper left",
        fontsize=_SMALL,
        handlelength=0.8,
        handleheight=0.7,
        handletextpad=0.4,
        labelspacing=0.15,
        borderpad=0.1,
        borderaxespad=0.1,
        frameon=True,
        framealpha=0.85,
        edgecolor="none",
    )


def _annotate(panel: Axes, x: float, row: Any, top: float, usual: int) -> None:
    """The mean's interval and value, and everything that did not go as asked."""
    height = 0.0
    if row is None:
        words = "not run"
    elif row["n"] == 0:
        words = "cell failed" if row["failed_cells"] else "no iteration"
    elif row["failures"] == row["n"]:
        words = f"all {row['n']} failed"
    else:
        height = row["mean_s"]
        if np.isfinite(row["mean_s_low"]):
            panel.vlines(x, row["mean_s_low"], row["mean_s_high"], color="black", linewidth=0.8)
            height = row["mean_s_high"]
        words = _seconds(row["mean_s"])
        if row["failures"]:
            words += f" ✗{row['failures']}/{row['n']}"
        elif row["n"] != usual:
            words += f", n = {row['n']}"
    panel.text(
        x, height + top * 0.025, words, rotation=90, ha="center", va="bottom", fontsize=_SMALL
    )


def _seconds(value: float) -> str:
    """Three significant digits at most, never in scientific notation."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
