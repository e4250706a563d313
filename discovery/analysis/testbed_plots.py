"""The testbed itself: round trips asked for and measured, and what the phases of a cell take."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from discovery.analysis.style import (
    COLUMN_IN,
    GREY,
    NAMES,
    NEUTRALS,
    backend_order,
    figure_style,
    present,
)
from discovery.analysis.testbed import TOLERANCE_MS, TOLERANCE_SHARE, phase_means, wan_errors

Tables = Mapping[str, pd.DataFrame]

_WHEN = {"shaped": ("o", "black", "after shaping"), "after-load": ("x", GREY, "after the load")}


def wan_figure(tables: Tables) -> Figure:
    """Measured minus asked round trip of every pair of sites, and the band it must stay in."""
    pairs = wan_errors(tables)
    pairs["pair"] = pairs["when"] + " " + pairs["source"] + " " + pairs["destination"]
    levels = sorted(pairs["asked_rtt_ms"].unique())
    # A column of marks per pair of sites: those after shaping, a gap, those after the load.
    columns = [sorted(pairs.loc[pairs["when"] == when, "pair"].unique()) for when in _WHEN]
    order = [*columns[0], "gap", *columns[1]]
    with figure_style():
        figure = Figure(figsize=(COLUMN_IN, 2.2))
        panel = figure.subplots()
        for place, asked in enumerate(levels):
            allowed = max(TOLERANCE_SHARE * asked, TOLERANCE_MS)
            panel.fill_between(
                [place - 0.42, place + 0.42], -allowed, allowed, color="#E8EEF4", linewidth=0
            )
            at_level = pairs[pairs["asked_rtt_ms"] == asked]
            _worst(panel, place, at_level)
        for when, known in pairs.dropna(subset="error_ms").groupby("when"):
            marker, colour, _ = _WHEN[str(when)]
            sns.stripplot(
                known,
                x="asked_rtt_ms",
                y="error_ms",
                order=levels,
                hue="pair",
                hue_order=order,
                palette=[colour] * len(order),
                dodge=True,
                jitter=False,
                marker=marker,
                size=2.2,
                linewidth=0.6,
                edgecolor="face",
                legend=False,
                ax=panel,
            )
        panel.axhline(0, color="black", linewidth=0.6)
        panel.set_xticks(range(len(levels)), [f"{asked:g}" for asked in levels])
        panel.tick_params(axis="x", length=0)
        panel.set_xlabel("round trip asked for (ms)")
        panel.set_ylabel("measured − asked (ms)")
        extent = pd.concat([pairs["error_ms"].abs(), pairs["allowed_ms"]]).dropna()
        widest = max([TOLERANCE_MS, *extent])
        panel.set_ylim(-1.9 * widest, 1.15 * widest)  # room for the numbers at the bottom
        handles = [
            *(
                panel.plot([], [], linestyle="", marker=marker, color=colour, ms=3, label=label)[0]
                for marker, colour, label in _WHEN.values()
            ),
            Patch(color="#E8EEF4", label="allowed"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _worst(panel: Axes, place: int, pairs: pd.DataFrame) -> None:
    known = pairs["error_ms"].dropna()
    if known.empty:
        return
    worst = max(known, key=abs)
    lost, sent = int(pairs["lost"].sum()), int(pairs["sent"].sum())
    words = f"worst {worst:+.2f}\nn = {len(known)}" + (f"\nlost {lost}/{sent}" if lost else "")
    panel.annotate(
        words,
        (place, 0.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=6.0,
    )


def phase_figure(tables: Tables, *, steps_of: str | None = None) -> Figure:
    """Mean seconds of each phase, a bar per back end; of a phase's steps if ``steps_of`` names it.

    Without ``steps_of``, the load is left out: it is the measurement, all else is its price.
    """
    means = phase_means(tables, steps_of=steps_of)
    backends = present(means["backend"], backend_order())
    phases = list(means.groupby("phase")["place"].mean().sort_values(kind="stable").index)
    with figure_style():
        rows = max(1, len(backends))
        figure = Figure(figsize=(COLUMN_IN, 0.95 + 0.36 * rows + 0.14 * ((len(phases) + 2) // 3)))
        panel = figure.subplots()
        longest = float(means.groupby("backend")["seconds"].sum().max()) if len(means) else 1.0
        if len(means):
            sns.histplot(
                means,
                y="backend",
                weights="seconds",
                hue="phase",
                hue_order=phases[::-1],  # the first is stacked last, and so at the far end
                palette=[_neutral(rank) for rank in reversed(range(len(phases)))],
                multiple="stack",
                shrink=0.62,
                alpha=1,
                edgecolor="white",
                linewidth=0.4,
                legend=False,
                ax=panel,
            )
        for bars in (held for held in panel.containers if isinstance(held, BarContainer)):
            widths = [bar.get_width() for bar in bars.patches]
            shown = [f"{width:.1f}" if width > 0.09 * longest else "" for width in widths]
            panel.bar_label(bars, labels=shown, label_type="center", fontsize=6.0)
        wholes = means.groupby("backend").agg(seconds=("seconds", "sum"), cells=("cells", "max"))
        for row, (seconds, cells) in enumerate(wholes.loc[backends].itertuples(index=False)):
            words = f"{seconds:.1f} s, n = {cells}"
            panel.text(seconds + 0.01 * longest, row, words, va="center")
        panel.set_yticks(range(len(backends)), [NAMES[name] for name in backends])
        panel.set_ylim(rows - 0.5, -0.5)
        panel.set_xlim(0, longest * 1.42)
        panel.tick_params(axis="y", length=0)
        panel.grid(visible=True, axis="x")
        panel.grid(visible=False, axis="y")
        panel.set_ylabel("")
        panel.set_xlabel("mean seconds per cell")
        handles = [
            Patch(color=_neutral(rank), label=phase.rpartition(":")[2])
            for rank, phase in enumerate(phases)
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _neutral(rank: int) -> str:
    return NEUTRALS[rank % len(NEUTRALS)]
