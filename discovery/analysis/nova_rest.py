"""REST requests of a client that is far from the database: Rally's scenarios on Nova."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from discovery.analysis import statistics
from discovery.analysis.nova_numbers import add
from discovery.analysis.nova_plots import colour, in_order
from discovery.analysis.numbers import Numbers
from discovery.analysis.panels import plain_logarithm
from discovery.analysis.style import DOUBLE_IN, figure_style
from discovery.analysis.tables import with_interval
from discovery.results.derived import cells_of
from discovery.workload.nova_scenarios import NOVA_SCENARIOS

Tables = Mapping[str, pd.DataFrame]

LEVELS = ["variant", "sites", "one_way_delay_ms", "scenario"]


def rest_times(tables: Tables) -> pd.DataFrame:
    """Mean time (s) of each scenario's iterations that succeeded, a row per :data:`LEVELS`.

    ``value`` with its 95 % interval, ``n`` iterations and ``failures`` among them, over the cells
    that Rally loaded.
    """
    iterations = tables["iterations"]
    ours = iterations[iterations["scenario"].isin([*NOVA_SCENARIOS])]
    known = cells_of(tables)[["cell", "variant"]]
    rows = []
    for key, part in ours.merge(known, on="cell").groupby(LEVELS, sort=True):
        mean = statistics.mean(part.loc[part["error"].isna(), "duration_s"])
        rows.append((*key, mean.value, mean.low, mean.high, len(part), part["error"].count()))
    return pd.DataFrame(rows, columns=[*LEVELS, "value", "low", "high", "n", "failures"])


def rest_table(found: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per scenario and size, a column per variant, in ms; and all numbers (s)."""
    variants = in_order(found["variant"].unique().tolist())
    rows = []
    for (sites, delay, scenario), part in found.groupby(LEVELS[1:], sort=True):
        row: dict[str, object] = {
            "sites": sites,
            "one-way delay (ms)": f"{delay:g}",
            "scenario": scenario,
        }
        by_variant = {str(item["variant"]): item for item in part.to_dict("records")}
        for name in variants:
            row[f"{name} (ms)"] = _ms(by_variant[name]) if name in by_variant else "not run"
        rows.append(row)
    columns = ["sites", "one-way delay (ms)", "scenario", *(f"{name} (ms)" for name in variants)]
    return pd.DataFrame(rows, columns=columns), found


def _ms(item: Mapping[object, float]) -> str:
    text = with_interval(*(item[end] * 1e3 for end in ("value", "low", "high")))
    return (
        f"{text} ({item['failures']:.0f} of {item['n']:.0f} failed)" if item["failures"] else text
    )


def rest_figure(found: pd.DataFrame) -> Figure:
    """Mean time of a scenario with its interval, a panel per number of sites and delay."""
    sizes = found[["sites", "one_way_delay_ms"]].drop_duplicates().itertuples(index=False)
    panels_of = [(int(sites), float(delay)) for sites, delay in sizes]
    scenarios = [name for name in NOVA_SCENARIOS if name in set(found["scenario"])]
    variants = in_order(found["variant"].unique().tolist())
    with figure_style():
        figure = Figure(figsize=(DOUBLE_IN, 0.9 + 0.32 * max(2, len(scenarios))))
        panels = figure.subplots(1, max(1, len(panels_of)), squeeze=False, sharey=True)[0]
        for panel, (sites, delay) in zip(panels, panels_of, strict=False):
            here = found[(found["sites"] == sites) & (found["one_way_delay_ms"] == delay)]
            for place, name in enumerate(variants):
                part = here[here["variant"] == name].set_index("scenario").reindex(scenarios)
                y = np.arange(len(scenarios)) + 0.6 * ((place + 0.5) / len(variants) - 0.5)
                reach = np.nan_to_num([part["value"] - part["low"], part["high"] - part["value"]])
                panel.errorbar(
                    part["value"], y, xerr=reach, fmt="o", ms=3.5, lw=1, color=colour(name)
                )
            panel.set_title(f"{sites} sites, {delay:g} ms one way", loc="left")
            panel.set_xscale("log")
            plain_logarithm(panel.xaxis)
            panel.set_xlabel("time of an iteration (s)")
            panel.set_yticks(range(len(scenarios)), scenarios)
            panel.set_ylim(len(scenarios) - 0.5, -0.5)
        if not panels_of:
            panels[0].text(0.5, 0.5, "no cell that Rally loaded", ha="center")
            panels[0].set_axis_off()
        handles = [Patch(color=colour(name), label=name) for name in variants]
        if handles:
            figure.legend(handles=handles, loc="outside right upper")
    return figure


def rest_numbers(found: pd.DataFrame) -> Numbers:
    """Mean times by names such as ``nova-rest-vanilla-s3-d10-list-servers``."""
    numbers: Numbers = {}
    for row in found.to_dict("records"):
        size = f"s{row['sites']}-d{row['one_way_delay_ms']:g}"
        add(numbers, f"nova-rest-{row['variant']}-{size}-{row['scenario']}", "s", row)
    return numbers
