"""Small multiples: a panel per scenario, and one that explains them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullFormatter

from discovery.analysis.style import COLOURS, DOUBLE_IN, NAMES

_COLUMNS = 3
_ROW_IN = 1.95


@dataclass(frozen=True)
class Panels:
    """A figure, its panel of each scenario, and the empty ones after them, for the legend."""

    figure: Figure
    scenarios: dict[str, Axes]
    unused: list[Axes]
    columns: int

    def name_axes(self, xlabel: str, ylabel: str) -> None:
        """Name the axes once per column and row, since they are the same in all panels."""
        for number, panel in enumerate(self.scenarios.values()):
            panel.set_ylabel(ylabel if number % self.columns == 0 else "")
            panel.set_xlabel(xlabel if number + self.columns >= len(self.scenarios) else "")


def scenario_panels(
    scenarios: Sequence[str], *, columns: int = _COLUMNS, legend_height: float = 1.0
) -> Panels:
    """A double-column figure with a panel per scenario, and at least one left for the legend.

    ``legend_height`` is that of a row, in rows, that the legend has for itself.
    """
    heights = [1.0] * math.ceil(len(scenarios) / columns)
    if len(scenarios) % columns == 0:
        heights.append(legend_height)
    figure = Figure(figsize=(DOUBLE_IN, _ROW_IN * sum(heights)))
    places = figure.subplots(
        len(heights), columns, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    flat = list(places.flat)
    panels = dict(zip(scenarios, flat, strict=False))
    for name, panel in panels.items():
        # A long name may reach over its panel's edge, but must not push the others aside.
        panel.set_title(name, loc="left").set_in_layout(False)
    for unused in flat[len(scenarios) :]:
        unused.set_axis_off()
    return Panels(figure, panels, flat[len(scenarios) :], columns)


def plain_logarithm(axis: Axis) -> None:
    """Number a logarithmic axis as 0.1, 1, 10; if it spans less than a decade, within it."""
    low, high = axis.get_view_interval()
    if high < 10 * low:
        axis.set_major_locator(MaxNLocator(4))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


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
