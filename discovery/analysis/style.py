"""How every figure looks: colours, sizes, order, labels; and how it is saved.

Seaborn's ticks, context for papers and colour-blind palette, with a few settings of our own.
A back end has the same colour everywhere, and the same mark where back ends are scattered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from discovery.deploy.backends import BACKENDS
from discovery.whole import whole_file
from discovery.workload.scenarios import SCENARIOS

COLUMN_IN = 3.35
DOUBLE_IN = 7.0
DPI = 200

# They differ for any colour vision, and by their lightness in grey too.
_BLUE, _ORANGE, _GREEN, _VERMILION, _PINK, _BROWN, *_, _SKY = sns.color_palette(
    "colorblind"
).as_hex()
COLOURS: dict[str, str] = {
    "mariadb": _BLUE,
    "galera": _VERMILION,
    "postgresql": _GREEN,
    "postgresql-serializable": _BROWN,
    "cockroachdb": _ORANGE,
    "rome": _PINK,
    "rome-cluster": _SKY,
}
MARKERS: dict[str, str] = {
    "mariadb": "o",
    "galera": "s",
    "postgresql": "^",
    "postgresql-serializable": "P",
    "cockroachdb": "X",
    "rome": "D",
    "rome-cluster": "v",
}
NAMES: dict[str, str] = {
    "mariadb": "MariaDB",
    "galera": "Galera",
    "postgresql": "PostgreSQL",
    "postgresql-serializable": "PostgreSQL SER",
    "cockroachdb": "CockroachDB",
    "rome": "ROME",
    "rome-cluster": "ROME cluster",
}
GREY = "#6E6E6E"

# For what is not a back end (phases, steps): Paul Tol's light scheme, made for black text on it.
NEUTRALS = ("#DDDDDD", "#77AADD", "#EEDD88", "#EE8866", "#44BB99", "#FFAABB", "#BBCC33", "#99DDFF")

# Seaborn's text for papers is made for figures twice as wide as a column: this makes it 7 pt.
_FONT_SCALE = 7.0 / 9.6

_STYLE: Any = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper", font_scale=_FONT_SCALE),
    "font.family": "DejaVu Sans",
    "text.color": "black",
    "axes.labelcolor": "black",
    "axes.edgecolor": "black",
    "xtick.color": "black",
    "ytick.color": "black",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    # White behind a legend, so that no line of the grid crosses out its words.
    "legend.frameon": True,
    "legend.edgecolor": "none",
    "legend.facecolor": "white",
    "legend.framealpha": 0.8,
    "legend.fancybox": False,
    "legend.borderpad": 0.1,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.1,
    "lines.markersize": 4.0,
    "lines.solid_capstyle": "butt",
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
    "figure.dpi": DPI,
    "figure.constrained_layout.use": True,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """The body draws in the workbench's style; matplotlib's own is back afterwards."""
    with mpl.rc_context(_STYLE):
        yield


def backend_order() -> list[str]:
    """Back ends in the order they are shown in: that of the registry."""
    return list(BACKENDS)


def scenario_order() -> list[str]:
    """Scenarios in the order they are shown in: that of the registry."""
    return list(SCENARIOS)


def present(values: object, order: list[str]) -> list[str]:
    """Those of ``order`` that occur in ``values``."""
    found = set(values)  # type: ignore[call-overload]
    return [name for name in order if name in found]


def action_label(action: str) -> str:
    """``keystone_v3.create_user`` → ``create_user``."""
    return action.rpartition(".")[2]


def tint(colour: str, share: float) -> tuple[float, float, float]:
    """``colour`` mixed with white: 1 leaves it, 0 is white."""
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(colour))
    return red, green, blue


def delay_label(delay: str) -> str:
    """A delay level on an axis: ``0`` is the LAN."""
    return "LAN" if delay == "0" else delay


def delay_words(delay: str) -> str:
    """A delay level in words: a number is ms one way between all sites, another has its name."""
    return f"{delay} ms one way" if delay[:1].isdigit() and delay != "0" else delay_label(delay)


def save(figure: Figure, out: Path, name: str) -> Path:
    """Write ``out/figures/<name>.pdf`` and ``.png`` (200 dpi), each whole; the PNG's path.

    The same figure gives the same bytes: no date and no version goes in.
    """
    folder = out / "figures"
    metadata: dict[str, dict[str, str | None]] = {
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
        "png": {"Software": None},
    }
    with figure_style():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out now, and so once for both files
        for kind, entries in metadata.items():
            with whole_file(folder / f"{name}.{kind}", "a figure") as partial:
                figure.savefig(partial, format=kind, dpi=DPI, metadata=entries)
    return folder / f"{name}.png"
