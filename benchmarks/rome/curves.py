"""Draws docs/rome/growth.svg from growth.csv.

python benchmarks/rome/curves.py [--table docs/rome/growth.csv] [--out docs/rome/growth.svg]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from discovery.analysis.style import DOUBLE_IN, figure_style

FORMS = ["o", "s", "^"]


def by_size(
    axes: Axes, sizes: pd.DataFrame, columns: dict[str, str], title: str, unit: str
) -> None:
    """One line for each of ``columns``, over the number of instances."""
    palette = sns.color_palette("colorblind", len(columns))
    for (column, label), colour, form in zip(columns.items(), palette, FORMS, strict=False):
        axes.plot(sizes["instances"], sizes[column], marker=form, color=colour, label=label)
    axes.set(xscale="log", title=title, xlabel="instances", ylabel=unit)
    axes.legend()


def draw(table: pd.DataFrame) -> plt.Figure:
    """Six panels: boot, memory, CPU per commit; log; throughput; where its CPU goes."""
    sizes = table.drop_duplicates("instances").sort_values("instances")
    figure, panels = plt.subplots(2, 3, figsize=(DOUBLE_IN, 4.2))
    (boot, memory, cpu), (log, rate, cost) = panels
    by_size(boot, sizes, {"boot_cpu_s": "CPU"}, "Boot of a replica", "s")
    by_size(
        memory,
        sizes,
        {"replica_mb": "process", "pages_mb": "pages of it"},
        "Memory",
        "MB per replica",
    )
    by_size(
        cpu,
        sizes,
        {
            "commit_cpu_us": "who commits",
            "apply_cpu_us": "each who follows",
            "server_cpu_us": "Redis",
        },
        "CPU per commit",
        "µs",
    )
    by_size(
        log,
        sizes,
        {"log_bytes": "log", "versions_bytes": "index of versions"},
        "Redis' memory per commit",
        "bytes",
    )
    for axes in (boot, memory):
        axes.set(yscale="log")
    for axes in (cpu, log):
        axes.set(ylim=(0, None))
    palette = sns.color_palette("colorblind")
    for (count, rows), colour, form in zip(
        table.groupby("instances"), palette, FORMS, strict=False
    ):
        style = {"marker": form, "color": colour, "label": f"{count:,} instances"}
        rate.plot(rows["processes"], rows["commits_per_s"], **style)
        cost.plot(rows["processes"], rows["client_cpu_us"] / 1e3, **style)
    rate.set(
        title="Throughput, one machine", xlabel="processes", ylabel="commits/s", ylim=(0, None)
    )
    cost.set(title="CPU of all clients", xlabel="processes", ylabel="ms per commit", ylim=(0, None))
    rate.legend()
    cost.legend()
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--table", type=Path, default=Path("docs/rome/growth.csv"))
    parser.add_argument("--out", type=Path, default=Path("docs/rome/growth.svg"))
    arguments = parser.parse_args()
    with figure_style(), plt.rc_context({"svg.hashsalt": "rome", "svg.fonttype": "none"}):
        figure = draw(pd.read_csv(arguments.table))
        figure.savefig(arguments.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
