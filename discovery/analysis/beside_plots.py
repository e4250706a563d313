"""Figures of the study drawn again: its bars, hollow, and ours beside them.

Their axis is logarithmic, since the bars span three decades. A published value is marked with its
reading error, and what is no value (no bar, or one of a pixel) is drawn as what it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator

from discovery.analysis.beside import (
    HERE,
    ORIGINS,
    PLACEMENTS,
    PUBLISHED,
    RALLY_BESIDE,
    ZONES,
    Published,
)
from discovery.analysis.panels import plain_logarithm, scenario_panels
from discovery.analysis.style import (
    COLOURS,
    GREY,
    NAMES,
    backend_order,
    figure_style,
    present,
    scenario_order,
    tint,
)

_SMALL = 6.0
_WIDTH = 0.86  # of a group, for all of its bars
_FEW = 0.1  # of iterations failed: above, those that succeeded decide nothing


def beside_figure(rows: pd.DataFrame, figure: Published) -> Figure:
    """``rows`` of :func:`discovery.analysis.beside.beside`: a panel per scenario, bars in pairs."""
    if figure.factor == "sites":
        axis = "number of instances (LAN)"
        levels = sorted(rows["level"].unique())
        names = [f"{level:g}" for level in levels]
    else:
        axis = f"one-way delay (ms); 2018: {figure.sites} instances"
        levels = sorted(rows["level"].unique())
        names = ["LAN" if level == 0 else f"{level:g}" for level in levels]
    return _draw(
        rows,
        levels,
        names,
        axis=axis,
        notes=[
            f"{figure.load.capitalize()} load. Bars are means: in 2018 of what was left",
            "after the cut at the 95th percentile, here of all that",
            "succeeded. ✗ share of iterations that failed (2018: as",
            "printed, where runs that left no file count as failed).",
        ],
        note_of=_instances,
        wanted=figure.sites,
    )


def zones_figure(rows: pd.DataFrame) -> Figure:
    """``rows`` of :func:`discovery.analysis.beside.zones_beside`: a panel per scenario."""
    run = set(rows.loc[rows["origin"] != PUBLISHED, "level"])
    levels = [level for level in PLACEMENTS if level in ZONES or level in run]
    return _draw(
        rows,
        levels,
        [level.replace(", ", ",\n") for level in levels],
        axis="zones of the three replicas",
        notes=[
            "Light load, 9 instances in three zones in 2018.",
            "Bars are medians: in 2018 of what was left after the",
            "cut, here of all iterations. ✗ share that failed (2018:",
            "as printed; MariaDB was never run, and counts as failed).",
        ],
        note_of=_instances if run else lambda rows, wanted: "not run here",
        wanted=9,
    )


def _draw(
    rows: pd.DataFrame,
    levels: Sequence[Any],
    names: Sequence[str],
    *,
    axis: str,
    notes: Sequence[str],
    note_of: Callable[[pd.DataFrame, int | None], str],
    wanted: int | None,
) -> Figure:
    scenarios = present(rows["scenario"], scenario_order())
    backends = present(rows["backend"], backend_order())
    slots = [
        (backend, origin)
        for backend in backends
        for origin in ORIGINS
        if ((rows["backend"] == backend) & (rows["origin"] == origin)).any()
    ]
    with figure_style():
        panels = scenario_panels(scenarios, columns=2)
        for scenario, panel in panels.scenarios.items():
            mine = rows[rows["scenario"] == scenario]
            floor = _limits(panel, mine)
            for place, level in enumerate(levels):
                _group(panel, mine[mine["level"] == level], place, slots, floor)
            ours = mine[mine["origin"] != PUBLISHED]
            panel.set_xticks(
                range(len(levels)),
                [
                    name
                    if (ours["level"] == level).any() or ours.empty
                    else f"{name}\nnot run here"
                    for name, level in zip(names, levels, strict=True)
                ],
            )
            panel.set_xlim(-0.5, len(levels) - 0.5)
            panel.tick_params(axis="x", length=0)
            _note(panel, note_of(ours, wanted))
        panels.name_axes(axis, "completion time (s)")
        _explain(panels.unused[0], rows, backends, notes)
        for unused in panels.unused[1:]:
            unused.remove()
    return panels.figure


def _note(panel: Axes, words: str) -> None:
    """Beside the panel's title, or in its free corner where there is more to say."""
    if "\n" not in words:
        title = panel.set_title(words, loc="right", fontsize=_SMALL, color=GREY)
        title.set_in_layout(False)
    else:
        panel.text(
            0.02, 0.97, words, transform=panel.transAxes, va="top", fontsize=_SMALL, color=GREY
        )


def _limits(panel: Axes, rows: pd.DataFrame) -> float:
    """A logarithmic axis with room for what is written above the bars; where bars begin."""
    panel.set_yscale("log")
    known = rows["value_s"].dropna()
    low, high = (known.min(), known.max()) if len(known) else (0.1, 10.0)
    floor = 10 ** (math.floor(2 * math.log10(low / 1.5)) / 2)
    panel.set_ylim(floor, high * (high / floor) ** 0.42)
    plain_logarithm(panel.yaxis)
    if high < 100 * floor:
        panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    return float(floor)


def _group(
    panel: Axes, rows: pd.DataFrame, place: int, slots: Sequence[tuple[str, str]], floor: float
) -> None:
    """All bars of one level, each in the slot of its back end and origin."""
    width = _WIDTH / max(1, len(slots))
    run = (rows["origin"] != PUBLISHED).any()
    if not run:  # no room is kept for what nobody ran
        slots = [slot for slot in slots if slot[1] == PUBLISHED]
    for rank, (backend, origin) in enumerate(slots):
        x = place + (rank - (len(slots) - 1) / 2) * width
        found = rows[(rows["backend"] == backend) & (rows["origin"] == origin)]
        if len(found):
            _bar(panel, x, width * 0.9, found.iloc[0], floor)
        elif origin == HERE and run:
            _write(panel, x, floor, "not run", COLOURS[backend])


def _bar(panel: Axes, x: float, width: float, row: Any, floor: float) -> None:
    colour = COLOURS[row["backend"]]
    value, share = row["value_s"], row["failure_share"]
    theirs = row["origin"] == PUBLISHED
    if np.isnan(value):
        _write(panel, x, floor, _why_none(row), colour)
        return
    words = _failed(row)
    if row["bound"] == "at most":
        panel.hlines(value, x - width / 2, x + width / 2, color=colour, linewidth=0.9)
        panel.plot(x, value * (floor / value) ** 0.12, marker="v", ms=2.2, color=colour)
        _write(panel, x, value, words, colour)
        return
    fill = tint(colour, 0.35) if share > _FEW else colour
    panel.bar(
        x,
        value - floor,
        width,
        floor,
        facecolor="white" if theirs else fill,
        edgecolor=_edge(row),
        hatch="////////" if theirs else "......" if row["origin"] == RALLY_BESIDE else None,
        linewidth=0.6,
    )
    top = value
    if np.isfinite([row["low_s"], row["high_s"]]).all():
        panel.vlines(x, max(row["low_s"], floor), row["high_s"], color="black", linewidth=0.8)
        top = row["high_s"]
    _write(panel, x, top, ("≈ " if row["bound"] == "about" else "") + words, "black")


def _edge(row: Any) -> Any:
    """Of a bar, which is also the colour of its hatches."""
    colour = COLOURS[row["backend"]]
    if row["origin"] == RALLY_BESIDE:
        return "white"
    faint = row["origin"] == PUBLISHED and row["failure_share"] > _FEW
    return tint(colour, 0.5) if faint else colour


def _why_none(row: Any) -> str:
    """What to say where a bar should be."""
    if row["origin"] == PUBLISHED:
        return f"no bar ✗{100 * row['failure_share']:.0f} %"
    if row["n"] == 0:
        return "cell failed"
    if row["failures"] == row["n"]:
        return f"all {row['n']:.0f} failed"
    return f"most failed ✗{row['failures']:.0f}/{row['n']:.0f}"


def _failed(row: Any) -> str:
    if not row["failure_share"] > 0:
        return ""
    if row["origin"] == PUBLISHED:
        return f"✗{100 * row['failure_share']:.0f} %"
    return f"✗{row['failures']:.0f}/{row['n']:.0f}"


def _write(panel: Axes, x: float, y: float, words: str, colour: Any) -> None:
    if words.strip():
        panel.annotate(
            words.strip(),
            (x, y),
            xytext=(0, 2),
            textcoords="offset points",
            rotation=0 if len(words.strip()) == 1 else 90,
            ha="center",
            va="bottom",
            fontsize=_SMALL,
            color=colour,
        )


def _instances(rows: pd.DataFrame, wanted: int | None) -> str:
    """At how many instances ours are, where the study's are of one number and ours of another."""
    if rows.empty:
        return "not run here"
    if wanted is None:
        return ""
    sizes = rows[rows["origin"] == HERE].groupby("backend", sort=False)["sites"].first()
    parts = [
        f"{size:.0f} sites"
        + (f" ({', '.join(NAMES[name] for name in part.index)})" if sizes.nunique() > 1 else "")
        for size, part in sizes.groupby(sizes)
    ]
    moved = rows.loc[rows["origin"] == RALLY_BESIDE, "sites"].unique()
    parts += [f"{size:.0f} sites (Rally on its node)" for size in moved if {size} != {*sizes}]
    return "here: " + "\n".join(parts)


def _explain(
    panel: Axes, rows: pd.DataFrame, backends: Sequence[str], notes: Sequence[str]
) -> None:
    """The legend, in the panel that is left: a colour per back end, and what the bars are."""
    ours = set(rows.loc[rows["origin"] != PUBLISHED, "backend"])
    theirs = set(rows.loc[rows["origin"] == PUBLISHED, "backend"])

    def name(backend: str) -> str:
        more = (
            ""
            if backend in ours & theirs
            else " (not in 2018)"
            if backend in ours
            else " (2018 only)"
        )
        return NAMES[backend] + more

    colours = [Patch(color=COLOURS[backend], label=name(backend)) for backend in backends]
    first = panel.legend(handles=colours, loc="upper left", bbox_to_anchor=(-0.03, 1.04))
    panel.add_artist(first)
    kinds: list[Patch | Line2D] = [
        Patch(
            facecolor="white", edgecolor=GREY, hatch="////////", label="2018, read off the figure"
        ),
    ]
    if ours:
        kinds.append(Patch(facecolor=GREY, label="here"))
    if (rows["origin"] == RALLY_BESIDE).any():
        kinds.append(
            Patch(
                facecolor=GREY, edgecolor="white", hatch="......", label="here, Rally on its node"
            )
        )
    kinds += [
        Line2D([], [], color="black", linewidth=0.8, label="reading error, 95 % interval"),
        Line2D([], [], color=GREY, marker="v", ms=2.2, label="2018: at most (one pixel)"),
        Patch(color=tint(GREY, 0.35), label="more than a tenth failed"),
        Line2D(
            [], [], color="none", marker="$≈$", mec="none", mfc="black", label="2018: 2 or 3 pixels"
        ),
    ]
    second = panel.legend(handles=kinds, loc="upper left", bbox_to_anchor=(0.46, 1.04))
    text = panel.text(
        -0.02,
        -0.12,
        "\n".join(notes),
        transform=panel.transAxes,
        va="bottom",
        fontsize=6.5,
        linespacing=1.3,
    )
    for artist in (first, second, text):
        artist.set_in_layout(False)
