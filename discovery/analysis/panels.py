"""Small multiples: a panel per scenario, and one that explains them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from discovery.analysis.style import COLOURS, DOUBLE_IN, NAMES

_COLUMNS = 3
_ROW_IN = 1.95


@dataclass(frozen=True)
class Panels:
    """A figure, its panel of each scenario, and the empty ones after them, for the legend."""

    figure: Figure
    scenarios: dict[str, Axes]
    unused: list[Axes]


def scenario_panels(scenarios: Sequence[str], *, xlabel: str, ylabel: str) -> Panels:
    """A double-column figure with a panel per scenario, and at least one left for the legend.

    The axes' names stand once per column and row, since they are the same in all panels.
    """
    rows = math.ceil((len(scenarios) + 1) / _COLUMNS)
    figure = Figure(figsize=(DOUBLE_IN, _ROW_IN * rows))
    flat = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    panels = dict(zip(scenarios, flat, strict=False))
    for number, (name, panel) in enumerate(panels.items()):
        # A long name may reach over its panel's edge, but must not push the others aside.
        panel.set_title(name, loc="left").set_in_layout(False)
        if number % _COLUMNS == 0:
            panel.set_ylabel(ylabel)
        if number + _COLUMNS >= len(scenarios):
            panel.set_xlabel(xlabel)
    for unused in flat[len(scenarios) :]:
        unused.set_axis_off()
    return Panels(figure, panels, flat[len(scenarios) :])


def explain(
    panels: Panels, backends: Sequence[str], lines: Sequence[Line2D], notes: Sequence[str]
) -> None:
    """Fill the unused panels: a colour per back end, what ``lines`` mean, and ``notes``."""
    first, last = panels.unused[0], panels.unused[-1]
    colours = [Patch(color=COLOURS[name], label=NAMES[name]) for name in backends]
    left = first.legend(handles=colours, loc="upper left", bbox_to_anchor=(-0.05, 1.04))
    first.add_artist(left)
    right = first.legend(handles=list(lines), loc="upper left", bbox_to_anchor=(0.42, 1.04))
    text = last.text(
        0.0,
        1.0 if last is not first else 0.0,
        "\n".join(notes),
        transform=last.transAxes,
        va="top" if last is not first else "bottom",
        fontsize=6.5,
        linespacing=1.35,
    )
    for artist in (left, right, text):
        artist.set_in_layout(False)
