"""Resource use: CPU, memory and network of each kind of node."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from discovery.analysis.resources import KINDS, METRICS, usage
from discovery.analysis.style import (
    COLOURS,
    DOUBLE_IN,
    GREY,
    NAMES,
    backend_order,
    delay_words,
    figure_style,
    present,
)

Tables = Mapping[str, pd.DataFrame]

_COLUMNS = 6  # of the legend, whose words would not fit one line
_MARKERS = ("o", "s", "^", "D", "v", "P")


def resource_figure(tables: Tables, *, sites: int) -> Figure:
    """A row per load, a panel per resource: each kind of node, back end and delay.

    A mark is the mean over the nodes of its kind and the repetitions; the thin line spans the
    nodes.
    """
    nodes = usage(tables)
    nodes = nodes[nodes["sites"] == sites]
    loads = present(nodes["load"], ["light", "high"])
    backends = present(nodes["backend"], backend_order())
    levels = nodes[["one_way_delay_ms", "delay"]].drop_duplicates()
    delays = list(levels.sort_values(["one_way_delay_ms", "delay"])["delay"])
    kinds = present(nodes["kind"], list(KINDS))
    with figure_style():
        if nodes.empty:
            figure = Figure(figsize=(DOUBLE_IN, 1.0))
            figure.text(0.5, 0.5, "no node was sampled while Rally ran", ha="center")
            return figure
        rows = len(loads)
        figure = Figure(figsize=(DOUBLE_IN, 0.45 + 1.75 * rows))
        axes = figure.subplots(rows, len(METRICS), squeeze=False, sharex=True, sharey="col")
        for row, load in enumerate(loads):
            for column, (metric, label) in enumerate(METRICS.items()):
                panel = axes[row][column]
                part = nodes[nodes["load"] == load]
                _marks(panel, part, metric, kinds, backends, delays)
                if row == 0:
                    panel.set_title(label, loc="left")
                panel.set(xlabel="", ylabel="")
            axes[row][0].set_ylabel(f"{load} load")
        for panel in axes[0]:  # rows share an axis: only when both are drawn is its top known
            panel.set_ylim(bottom=0)
        handles: list[Patch | Line2D] = [
            Patch(color=COLOURS[name], label=NAMES[name]) for name in backends
        ]
        handles.extend(
            Line2D([], [], color=GREY, marker=_marker(rank), linestyle="", label=delay_words(delay))
            for rank, delay in enumerate(delays)
        )
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=_COLUMNS,
            title=f"{sites} sites, while Rally ran. A mark: mean over nodes; its line: all.",
            title_fontsize=6.5,
        )
    return figure


def _marker(rank: int) -> str:
    return _MARKERS[rank % len(_MARKERS)]


def _marks(
    panel: Axes,
    nodes: pd.DataFrame,
    metric: str,
    kinds: list[str],
    backends: list[str],
    delays: list[str],
) -> None:
    # A place per back end and delay, and one that stays empty after each back end but the last.
    places = [(backend, delay) for backend in backends for delay in [*delays, ""]][:-1]
    hues = ["-".join(place) for place in places]
    sns.pointplot(
        nodes.assign(place=nodes["backend"] + "-" + nodes["delay"]),
        x="kind",
        y=metric,
        order=kinds,
        hue="place",
        hue_order=hues,
        palette=[COLOURS[backend] for backend, _ in places],
        markers=[_marker([*delays, ""].index(delay)) for _, delay in places],
        dodge=0.8 if len(places) > 1 else False,
        linestyle="none",
        markersize=3.8,
        markeredgewidth=0,
        errorbar=("pi", 100),
        err_kws={"linewidth": 0.8},
        legend=False,
        ax=panel,
    )
    panel.set_xticks(range(len(kinds)), [kind.replace(" + ", "\n+ ") for kind in kinds])
    panel.set_xlim(-0.55, len(kinds) - 0.45)
    panel.tick_params(axis="x", length=0)
