"""Distributions of completion times: a panel per scenario and delay, a curve per back end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    NAMES,
    backend_order,
    delay_words,
    figure_style,
    present,
    scenario_order,
)
from discovery.analysis.summary import completion

Tables = Mapping[str, pd.DataFrame]

_SMALL = 6.0
_MOST_IN = 8.4  # a figure and its caption have to fit a page


def distribution_figure(
    tables: Tables, summary: pd.DataFrame, published: pd.DataFrame, *, sites: int, load: str
) -> Figure:
    """The share of all iterations completed within a time, in s on a logarithmic axis.

    What failed never completes, so that a curve ends at the share that succeeded. A triangle above
    the curves is the mean that the study of 2018 published for that back end and delay: of 9
    instances, or on a LAN of as many as ours where it has them. Bars of a pixel have no mean.
    """
    chosen = summary[(summary["sites"] == sites) & (summary["load"] == load)]
    iterations = completion(tables)
    iterations = iterations[(iterations["sites"] == sites) & (iterations["load"] == load)]
    means = _published_means(published, sites, load)
    scenarios = present(chosen["scenario"], scenario_order())
    levels = chosen[["one_way_delay_ms", "delay"]].drop_duplicates()
    delays = list(levels.sort_values(["one_way_delay_ms", "delay"]).itertuples(index=False))
    shown = means[means["one_way_delay_ms"].isin(levels["one_way_delay_ms"])]
    backends = present([*chosen["backend"], *shown["backend"]], backend_order())
    with figure_style():
        height = min(_MOST_IN, 1.0 + 1.12 * len(scenarios))
        figure = Figure(figsize=(DOUBLE_IN, height))
        grid = figure.subplots(
            len(scenarios), len(delays), squeeze=False, sharex="row", sharey=True
        )
        for row, scenario in enumerate(scenarios):
            for column, (milliseconds, delay) in enumerate(delays):
                panel = grid[row, column]
                at = (iterations["scenario"] == scenario) & (iterations["delay"] == delay)
                _curves(panel, iterations[at], backends)
                there = (chosen["scenario"] == scenario) & (chosen["delay"] == delay)
                _lost(panel, chosen[there])
                if delay == f"{milliseconds:g}":
                    here = (means["scenario"] == scenario) & (
                        means["one_way_delay_ms"] == milliseconds
                    )
                    _marks(panel, means[here])
            _dress(grid[row, 0], scenario)
        for column, (_, delay) in enumerate(delays):
            grid[-1, column].set_xlabel("completion time (s)")
            # Above the first scenario's name, which is longer than a narrow panel.
            grid[0, column].set_title(delay_words(delay), loc="right", fontweight="bold", pad=14)
        for row in grid:
            plain_logarithm(row[0].xaxis)
        figure.supylabel("share of all iterations", fontsize=7)
        _explain(figure, chosen, backends, len(shown) > 0)
    return figure


def _published_means(published: pd.DataFrame, sites: int, load: str) -> pd.DataFrame:
    rows = published[(published["load"] == load) & published["sites"].isin([9, sites])]
    # On a LAN both may be there: then that of as many instances as ours, readable or not.
    ranked = rows.assign(other=(rows["sites"] != sites).astype(int)).sort_values("other")
    one = ranked.drop_duplicates(["scenario", "backend", "one_way_delay_ms"])
    return one[one["bound"].isin(["exact", "about"])]


def _curves(panel: Axes, iterations: pd.DataFrame, backends: Sequence[str]) -> None:
    panel.set_xscale("log")
    for backend in backends:
        part = iterations[iterations["backend"] == backend]
        done = np.sort(part.loc[part["error"].isna(), "actions_s"].to_numpy(dtype=float))
        if not len(done):
            continue
        share = np.arange(1, len(done) + 1) / len(part)
        panel.step(
            [done[0], *done], [0.0, *share], where="post", color=COLOURS[backend], linewidth=1.0
        )
        if len(done) < len(part):
            end = (done[-1], share[-1])
            panel.plot(*end, marker="x", color=COLOURS[backend], markeredgewidth=1.2)
            panel.annotate(
                f"{len(done)}/{len(part)}",
                end,
                xytext=(-4, 1),
                textcoords="offset points",
                ha="right",
                fontsize=_SMALL,
                color=COLOURS[backend],
            )


def _lost(panel: Axes, summary: pd.DataFrame) -> None:
    """Name the back ends of which not one iteration succeeded, where their curves would be."""
    lost = summary[summary["n"] == summary["failures"]]
    for number, row in enumerate(lost.to_dict("records")):
        words = "cell failed" if row["n"] == 0 else f"all {row['n']} failed"
        panel.text(
            0.98,
            0.04 + 0.15 * number,
            f"{NAMES[row['backend']]}: {words}",
            transform=panel.transAxes,
            ha="right",
            fontsize=_SMALL,
            color=COLOURS[row["backend"]],
        )


def _marks(panel: Axes, means: pd.DataFrame) -> None:
    for row in means.to_dict("records"):
        panel.plot(
            row["total_s"], 1.1, marker="v", ms=4, mfc="none", mec=COLOURS[row["backend"]], ls=""
        )


def _dress(first: Axes, scenario: str) -> None:
    first.set_ylim(0, 1.2)
    first.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    first.annotate(
        scenario,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 2),
        textcoords="offset points",
        fontsize=7,
    )


def _explain(figure: Figure, summary: pd.DataFrame, backends: Sequence[str], marked: bool) -> None:
    ours = set(summary["backend"])
    handles = [
        Line2D(
            [],
            [],
            color=COLOURS[name],
            label=NAMES[name] if name in ours else f"{NAMES[name]} (2018 only)",
        )
        for name in backends
    ]
    handles.append(Line2D([], [], color=GREY, marker="x", ls="", label="the rest failed"))
    if marked:
        triangle: dict[str, Any] = {"marker": "v", "ms": 4, "mfc": "none", "mec": GREY, "ls": ""}
        handles.append(Line2D([], [], label="mean published in 2018", **triangle))
    figure.legend(handles=handles, loc="outside upper center", ncols=5)
