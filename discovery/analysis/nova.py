"""Nova on several data stores: calls, bursts and volumes per variant, with the published values.

Every table has a row per cell's levels (:data:`LEVELS`), over its repetitions: ``value`` with its
95 % interval where there is one, ``n`` and ``failures``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from discovery.analysis import statistics
from discovery.analysis.blocks import blocks
from discovery.deploy.backends import BACKENDS
from discovery.deploy.nova.layout import CLUSTER, homes
from discovery.results.derived import bursts, cells_of, spread, volumes

Tables = Mapping[str, pd.DataFrame]

LEVELS = ["variant", "sites", "one_way_delay_ms", "zones", "servers"]
SAME, AGAIN = "vanilla", "vanilla-again"
_ESTIMATE = ["value", "low", "high", "n", "failures"]


def mean_calls(tables: Tables) -> pd.DataFrame:
    """Mean time (s) of the calls that succeeded; intervals from blocks of consecutive ones."""
    rows = []
    for key, part in _with_levels(tables["calls"], tables).groupby(LEVELS):
        good = part[part["error"].isna()].sort_values("start", kind="stable")
        value = low = high = math.nan
        if len(good):
            strata = [cell["duration_s"].to_numpy() for _, cell in good.groupby("cell")]
            generator = np.random.default_rng(statistics.SEED)
            draws = blocks(strata).means(statistics.RESAMPLES, generator)
            value = float(good["duration_s"].mean())
            low, high = (float(end) for end in np.quantile(draws, [0.025, 0.975]))
        rows.append((*key, value, low, high, len(part), len(part) - len(good)))
    return pd.DataFrame(rows, columns=[*LEVELS, *_ESTIMATE])


def completion(tables: Tables) -> pd.DataFrame:
    """Mean time (s) of the bursts; a burst is one value, ``n`` and ``failures`` are servers."""
    found = _with_levels(bursts(tables), tables)
    return _means(found, "completion_s", found["asked"], found["failures"])


def volume(tables: Tables) -> pd.DataFrame:
    """Mean volume (MB) of a cell, over all pairs of nodes."""
    return _of_bursts(_per_cell(volumes(tables)), tables)


def volume_to(tables: Tables) -> pd.DataFrame:
    """Mean volume (MB) of a cell by kind of node that it went to, with ``destination``."""
    parts = []
    for destination, part in volumes(tables).groupby("destination"):
        parts.append(_of_bursts(_per_cell(part), tables).assign(destination=destination))
    return pd.concat(parts, ignore_index=True)


def shares(tables: Tables) -> pd.DataFrame:
    """The share of the servers that each site got: a row per levels and ``host_site``."""
    found = _with_levels(spread(tables), tables)
    return found.groupby([*LEVELS, "host_site"])["share"].mean().reset_index()


def with_published(
    ours: pd.DataFrame, published: pd.DataFrame, table: str, column: str
) -> pd.DataFrame:
    """``ours`` beside the study's means of ``table.column``; a row where either has a value.

    ``published``, its ``unit``, ``reading_error`` and ``figure`` are missing where the study has no
    such value. The study's delays are taken as one way, as they are in the claims.
    """
    keys = [name for name in (*LEVELS[:-1], "destination") if name in ours.columns]
    theirs = published[
        (published["table"] == table)
        & (published["column"] == column)
        & (published["statistic"] == "mean")
        & published["source"].isna()
        & (published["destination"].notna() == ("destination" in keys))
    ]
    kept = [*keys, "value", "unit", "reading_error", "figure"]
    return ours.merge(theirs[kept].rename(columns={"value": "published"}), on=keys, how="outer")


def operations(tables: Tables) -> pd.DataFrame:
    """What round trips predict of each operation of the data-access layer, and what is left over.

    A row per levels, ``site`` of the caller, ``database`` and ``function``: ``n`` calls that
    succeeded, their mean ``measured_s``, ``round_trips`` and ``rtt_ms``; ``predicted_s`` is round
    trips × RTT, and ``residual_s`` what was measured beyond it. Only databases that one server
    decides on are there: where every site has a server, a round trip crosses no WAN.
    """
    calls = tables["calls"]
    good = calls[calls["error"].isna() & calls["database"].notna()]
    joined = _with_levels(good, tables).merge(
        _home_rtt(tables), on=["cell", "site", "database"], how="inner"
    )
    grouped = joined.groupby([*LEVELS, "site", "database", "function"], as_index=False)
    found = grouped.agg(
        n=("duration_s", "size"),
        measured_s=("duration_s", "mean"),
        round_trips=("round_trips", "mean"),
        rtt_ms=("rtt_ms", "mean"),
    )
    found["predicted_s"] = found["round_trips"] * found["rtt_ms"] / 1e3
    found["residual_s"] = found["measured_s"] - found["predicted_s"]
    return found


def noise(tables: Tables) -> pd.DataFrame:
    """How far apart two deployments are that differ in nothing but their name.

    A row per measure and levels: ``ratio`` of ``vanilla-again`` to ``vanilla``. What is compared
    elsewhere and differs by less is not told from noise.
    """
    rows = []
    for name, found in (
        ("mean call", mean_calls(tables)),
        ("burst", completion(tables)),
        ("volume", volume(tables)),
    ):
        by_variant = {key: part.drop(columns="variant") for key, part in found.groupby("variant")}
        if SAME not in by_variant or AGAIN not in by_variant:
            continue
        both = by_variant[SAME].merge(by_variant[AGAIN], on=LEVELS[1:], suffixes=("", "_again"))
        rows.append(
            both[LEVELS[1:]].assign(measure=name, ratio=both["value_again"] / both["value"])
        )
    columns = ["measure", *LEVELS[1:], "ratio"]
    return pd.concat(rows, ignore_index=True)[columns] if rows else pd.DataFrame(columns=columns)


def _home_rtt(tables: Tables) -> pd.DataFrame:
    """The measured round trip (ms) of each site with the server that decides on each database."""
    shaped = tables["wan"][tables["wan"]["when"] == "shaped"]
    pairs = shaped.groupby(["cell", "source", "destination"])["measured_rtt_ms"].mean()
    sites = tables["cells"].set_index("cell")["sites"]
    rows = []
    for plane in tables["control_planes"].to_dict("records"):
        cell = str(plane["cell"])
        names = [f"site-{number}" for number in range(1, int(sites[cell]) + 1)]
        alone = not math.isnan(plane["redis_nodes"])
        for database, home in _homes(plane["backends"], names[:1] if alone else names).items():
            for site in names:
                rtt = 0.0 if site == home else pairs.get((cell, site, home), math.nan)
                rows.append((cell, site, database, rtt))
    return pd.DataFrame(rows, columns=["cell", "site", "database", "rtt_ms"]).dropna()


def _homes(backends_json: str, masters: list[str]) -> dict[str, str]:
    """The site whose server decides on each database; none for those of a replicated server.

    ``masters`` are the sites of a Redis Cluster's.
    """
    backends: dict[str, str] = json.loads(backends_json)
    clustered = [service for service, backend in backends.items() if backend == CLUSTER]
    found = homes(masters, clustered)
    for service, backend in backends.items():
        if backend != CLUSTER and BACKENDS[backend].decided_by == "first-site":
            found[service] = masters[0]
    return found


def _with_levels(table: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """``table`` with the levels of its cells, which may be among its columns already."""
    cells = cells_of(tables)[["cell", *LEVELS]]
    return table.drop(columns=[name for name in LEVELS if name in table.columns]).merge(
        cells, on="cell"
    )


def _per_cell(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.groupby("cell")["volume_mb"].sum(min_count=1).reset_index()


def _of_bursts(found: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    counts = bursts(tables)[["cell", "asked", "failures"]]
    joined = _with_levels(found.merge(counts, on="cell"), tables)
    return _means(joined, "volume_mb", joined["asked"], joined["failures"])


def _means(
    found: pd.DataFrame, column: str, asked: pd.Series[int], failures: pd.Series[int]
) -> pd.DataFrame:
    """The mean over the cells of the same levels; an interval where there are several."""
    rows = []
    for key, part in found.assign(asked=asked, failures=failures).groupby(LEVELS):
        mean = statistics.mean(part[column].dropna())
        counts = (int(part["asked"].sum()), int(part["failures"].sum()))
        rows.append((*key, mean.value, mean.low, mean.high, *counts))
    return pd.DataFrame(rows, columns=[*LEVELS, *_ESTIMATE])
