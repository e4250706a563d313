"""Figures of the Nova study: distributions of calls, bursts, volumes, and what predicts calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from discovery.analysis.nova import completion, operations, volume_to, with_published
from discovery.analysis.panels import plain_logarithm
from discovery.analysis.style import COLUMN_IN, DOUBLE_IN, GREY, figure_style, tint
from discovery.results.derived import cells_of

Tables = Mapping[str, pd.DataFrame]
Colour = str | tuple[float, float, float]

# As the back ends that they are made of; what differs from another in its servers is lighter.
_BLUE, _VERMILION, _PINK, _SKY = "#0173b2", "#d55e00", "#cc78bc", "#56b4e9"
VARIANTS: dict[str, Colour] = {
    "vanilla": _BLUE,
    "vanilla-again": tint(_BLUE, 0.5),
    "vanilla-galera": _VERMILION,
    "redis-nova-one": _PINK,
    "redis-nova-4": tint(_PINK, 0.6),
    "redis-nova-4-replicas": tint(_PINK, 0.35),
    "redis-nova": _SKY,
    "redis-nova-push": "#ca9161",
    "redis-nova-replicas": tint(_SKY, 0.6),
    "redis-all": "#029e73",
}
STUDY_SERVERS = 500
"""In every burst of the study."""
KINDS = ("master", "control", "compute", "database", "client")


def colour(variant: str) -> Colour:
    """The colour of a variant; one that an experiment has of its own is grey."""
    return VARIANTS.get(variant, GREY)


def in_order(variants: Sequence[str]) -> list[str]:
    """Variants in the order they are shown in, an experiment's own ones last."""
    known = [name for name in VARIANTS if name in variants]
    return known + sorted(set(variants) - set(known))


def calls_figure(tables: Tables, published: pd.DataFrame, *, sites: int, delay: float) -> Figure:
    """Distribution of the time of calls (ms), as in Figure 7; hollow marks were read off that one.

    All calls of the flat cells of this size and delay; one with an error never ends.
    """
    planes = cells_of(tables)
    chosen = planes[
        (planes["sites"] == sites)
        & (planes["one_way_delay_ms"] == delay)
        & (planes["zones"] == "flat")
    ]
    calls = tables["calls"].merge(chosen[["cell", "variant"]], on="cell")
    variants = in_order(calls["variant"].unique().tolist())
    with figure_style():
        figure = Figure(figsize=(COLUMN_IN, 2.6))
        panel = figure.subplots()
        for name in variants:
            part = calls[calls["variant"] == name]
            times = np.sort(part.loc[part["error"].isna(), "duration_s"].to_numpy()) * 1e3
            share = np.arange(1, len(times) + 1) / len(part)
            panel.step(times, share, where="post", color=colour(name))
        points = _quantiles(published) if (sites, delay) == (1, 0.0) else published.iloc[:0]
        for name in points["variant"].unique():
            part = points[points["variant"] == name]
            panel.plot(part["value"], part["share"], "o", mfc="none", mec=colour(name), ms=3)
        panel.set_xscale("log")
        plain_logarithm(panel.xaxis)
        panel.set_ylim(0, 1)
        panel.set_xlabel("time of a call (ms)")
        panel.set_ylabel("share of the calls")
        shown = [*variants, *points["variant"].unique()]
        _legend(panel, shown, published=bool(len(points)), loc="lower right")
    return figure


def bursts_figure(tables: Tables, published: pd.DataFrame) -> Figure:
    """Time of the burst (s) against the number of sites, a panel per delay, as in Figure 9."""
    ours = completion(tables)
    both = with_published(ours[ours["zones"] == "flat"], published, "bursts", "completion_s")
    delays = sorted(ours["one_way_delay_ms"].unique())
    drawn = set(both.loc[both["one_way_delay_ms"].isin(delays), "variant"])
    with figure_style():
        figure = Figure(figsize=(DOUBLE_IN, 2.5))
        panels = figure.subplots(1, max(1, len(delays)), squeeze=False, sharey=True)[0]
        for panel, delay in zip(panels, delays, strict=False):
            shown = both[both["one_way_delay_ms"] == delay].sort_values("sites")
            variants = in_order(shown["variant"].unique().tolist())
            for name in variants:
                part = shown[shown["variant"] == name]
                _lines(panel, part, name)
            panel.set_title(f"{delay:g} ms one way", loc="left")
            panel.set_xlabel("sites")
            panel.set_xticks(sorted(shown["sites"].unique()))
            panel.set_yscale("log")
            plain_logarithm(panel.yaxis)
        panels[0].set_ylabel("time of the burst (s)")
        _legend(panels[-1], in_order(sorted(drawn)), published=True, figure=figure)
    return figure


def volumes_figure(tables: Tables, published: pd.DataFrame, *, sites: int, delay: float) -> Figure:
    """Volume per server (MB) by kind of node that it went to, as in Figure 8; hollow: published."""
    ours = volume_to(tables)
    ours = ours[
        (ours["sites"] == sites) & (ours["one_way_delay_ms"] == delay) & (ours["zones"] == "flat")
    ]
    both = with_published(ours, published, "volumes", "volume_mb")
    both = both[(both["sites"] == sites) & (both["one_way_delay_ms"] == delay)]
    variants = in_order(both["variant"].unique().tolist())
    kinds = [kind for kind in KINDS if kind in set(both["destination"])]
    with figure_style():
        figure = Figure(figsize=(COLUMN_IN, 2.6))
        panel = figure.subplots()
        width = 0.8 / max(1, len(variants))
        for place, name in enumerate(variants):
            part = both[both["variant"] == name].set_index("destination").reindex(kinds)
            x = np.arange(len(kinds)) - 0.4 + width * (place + 0.5)
            panel.bar(x, part["value"] / part["servers"], width, color=colour(name))
            theirs = part["published"] / STUDY_SERVERS
            panel.bar(x, theirs, width, fill=False, edgecolor=colour(name))
        panel.set_xticks(range(len(kinds)), kinds)
        panel.set_xlabel("volume to nodes of the kind")
        panel.set_ylabel("volume per server (MB)")
        panel.margins(y=0.3)  # room for the legend
        _legend(panel, variants, published=bool(both["published"].notna().any()))
    return figure


def operations_figure(tables: Tables, *, sites: int) -> Figure:
    """Mean time of each operation against round trips × RTT: on the line, it waits for no more."""
    points = operations(tables)
    points = points[(points["sites"] == sites) & (points["predicted_s"] > 0)]
    variants = in_order(points["variant"].unique().tolist())
    with figure_style():
        figure = Figure(figsize=(COLUMN_IN, 2.9))
        panel = figure.subplots()
        for name in variants:
            part = points[points["variant"] == name]
            panel.scatter(part["predicted_s"], part["measured_s"], s=9, color=[colour(name)])
        if len(points):
            panel.axline((1, 1), (10, 10), color="black", linewidth=0.7, zorder=0)
        else:
            panel.text(0.5, 0.5, "no call across a WAN", transform=panel.transAxes, ha="center")
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.autoscale_view()
        plain_logarithm(panel.xaxis)
        plain_logarithm(panel.yaxis)
        panel.set_xlabel("round trips × RTT (s)")
        panel.set_ylabel("mean time of an operation (s)")
        _legend(panel, variants, published=False)
    return figure


def _quantiles(published: pd.DataFrame) -> pd.DataFrame:
    """The published quantiles of the calls' times (ms), with the ``share`` of each."""
    calls = published[(published["table"] == "calls") & published["statistic"].str.startswith("p")]
    return calls.assign(share=calls["statistic"].str[1:].astype(float) / 100)


def _lines(panel: Axes, part: pd.DataFrame, name: str) -> None:
    """One variant against the number of sites: ours with intervals, the study's hollow."""
    ours = part.dropna(subset=["value"])
    theirs = part.dropna(subset=["published"])
    reach = np.nan_to_num([ours["value"] - ours["low"], ours["high"] - ours["value"]])
    panel.errorbar(ours["sites"], ours["value"], yerr=reach, marker="o", ms=3, color=colour(name))
    panel.plot(theirs["sites"], theirs["published"], "o--", mfc="none", ms=3, color=colour(name))


def _legend(
    panel: Axes,
    variants: Sequence[str],
    *,
    published: bool,
    figure: Figure | None = None,
    loc: Literal["upper left", "lower right"] = "upper left",
) -> None:
    handles: list[Patch | Line2D] = [
        Patch(color=colour(name), label=name) for name in dict.fromkeys(variants)
    ]
    if published:
        handles.append(Line2D([], [], marker="o", ls="", mfc="none", mec=GREY, label="published"))
    if figure is not None:
        figure.legend(handles=handles, loc="outside right upper")
    elif handles:
        panel.legend(handles=handles, loc=loc)
