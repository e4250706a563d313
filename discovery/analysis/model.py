"""Time as round trips: time ≈ base + k · RTT, and how many queries that is.

``base`` is what an iteration takes where nothing is far, so the processors' part, and ``k`` is the
number of round trips that it waits for one after the other. A client of a one-server back end that
asks it ``q`` queries in sequence should have ``k ≈ q``; a Galera node answers reads itself and
should wait for its commits alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from discovery.analysis.statistics import CONFIDENCE, RESAMPLES, SEED
from discovery.analysis.summary import GROUP, in_order
from discovery.deploy.backends import BACKENDS

Tables = Mapping[str, pd.DataFrame]

FIT = ["sites", "load", "scenario", "backend"]
_MET_BY_ANY_LINE = 2


def path_rtt(tables: Tables) -> pd.DataFrame:
    """The round trip that a client site's Keystone waits for, as ``rtt_ms``, per cell and site.

    Measured after shaping. Where one server decides, it is that of the pair with site 1, and 0 on
    site 1 itself. Where all sites' servers have to answer a commit, it is the longest; where a
    majority of them does, the median, as that of which servers hold a row is not known here.
    """
    shaped = tables["wan"][tables["wan"]["when"] == "shaped"]
    rows = []
    for (cell, backend, site), pairs in shaped.groupby(["cell", "backend", "source"]):
        if BACKENDS[str(backend)].decided_by == "every-site":
            rtt = pairs["measured_rtt_ms"].max(skipna=False)
        elif BACKENDS[str(backend)].decided_by == "majority":
            rtt = pairs["measured_rtt_ms"].median(skipna=False)
        elif site == "site-1":
            rtt = 0.0
        else:
            rtt = pairs.loc[pairs["destination"] == "site-1", "measured_rtt_ms"].mean()
        rows.append((cell, site, rtt))
    return pd.DataFrame(rows, columns=["cell", "client_site", "rtt_ms"])


def with_rtt(iterations: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """The successful iterations whose round trip was measured, with ``rtt_ms``."""
    done = iterations[iterations["error"].isna()]
    joined = done.merge(path_rtt(tables), on=["cell", "client_site"], how="left")
    return joined[joined["rtt_ms"].notna()]


def fit(tables: Tables, *, column: str = "duration_s") -> pd.DataFrame:
    """Per back end, scenario, load and number of sites: ``round_trips`` (k) and ``base_s``.

    Least squares of ``column`` (s) of the successful iterations on the measured round trip (s).
    ``_low`` and ``_high`` of both hold 95 %: a percentile bootstrap within each cell and client
    site, since the scatter grows with the delay. ``residual_s`` is how far the means of these
    groups are from the line, as a root of their mean square; missing where there are two, which
    any line meets. ``levels`` distinct delays, ``n`` iterations; missing where there is one delay
    only.
    """
    samples = with_rtt(tables["iterations"], tables)
    rows = []
    for key, part in samples.groupby(FIT):
        levels = part["one_way_delay_ms"].nunique()
        found = _line(part, column) if levels > 1 else (math.nan,) * 7
        rows.append((*key, *found, levels, len(part)))
    names = ["round_trips", "round_trips_low", "round_trips_high"]
    names += ["base_s", "base_s_low", "base_s_high", "residual_s", "levels", "n"]
    return in_order(pd.DataFrame(rows, columns=[*FIT, *names]))


def _line(part: pd.DataFrame, column: str) -> tuple[float, ...]:
    groups = [group for _, group in part.groupby(["cell", "client_site"])]
    rtt = np.array([group["rtt_ms"].iloc[0] / 1e3 for group in groups])
    size = np.array([len(group) for group in groups], dtype=float)
    means = np.array([group[column].mean() for group in groups])
    rng = np.random.default_rng(SEED)
    drawn = np.empty((RESAMPLES, len(groups)))
    for number, group in enumerate(groups):
        values = group[column].to_numpy(dtype=float)
        index = rng.integers(len(values), size=(RESAMPLES, len(values)))
        drawn[:, number] = values[index].mean(axis=1)
    # The round trip is the same for all of a group, so that least squares needs its mean alone.
    centre = np.average(rtt, weights=size)
    weights = size * (rtt - centre) / (size * (rtt - centre) ** 2).sum()
    slopes = drawn @ weights
    bases = drawn @ (size / size.sum()) - slopes * centre
    k = float(means @ weights)
    base = float(np.average(means, weights=size) - k * centre)
    distance = means - base - k * rtt
    mean_square = float(np.average(distance**2, weights=size))
    residual = math.sqrt(mean_square) if len(groups) > _MET_BY_ANY_LINE else math.nan
    tail = (1 - CONFIDENCE) / 2
    k_low, k_high = np.quantile(slopes, [tail, 1 - tail])
    base_low, base_high = np.quantile(bases, [tail, 1 - tail])
    return k, float(k_low), float(k_high), base, float(base_low), float(base_high), residual


def residuals(tables: Tables, fitted: pd.DataFrame) -> pd.DataFrame:
    """How far every cell and client site is from the line that :func:`fit` found.

    ``measured_s`` and ``fitted_s`` of whole iterations, and ``share``, their difference as a share
    of the line, missing where the line has no residual. Groups without a line are absent.
    """
    measured = (
        with_rtt(tables["iterations"], tables)
        .groupby([*GROUP, "cell", "client_site"], as_index=False)
        .agg(measured_s=("duration_s", "mean"), rtt_ms=("rtt_ms", "first"), n=("iteration", "size"))
    )
    has_line = fitted["round_trips"].notna()
    lines = fitted.loc[has_line, [*FIT, "round_trips", "base_s", "residual_s"]]
    joined = measured.merge(lines, on=FIT)
    joined["fitted_s"] = joined["base_s"] + joined["round_trips"] * joined["rtt_ms"] / 1e3
    share = (joined["measured_s"] - joined["fitted_s"]) / joined["fitted_s"]
    joined["share"] = share.where(joined["residual_s"].notna())
    return in_order(joined.drop(columns="residual_s"))


def slopes_and_counts(fitted: pd.DataFrame, counted: pd.DataFrame) -> pd.DataFrame:
    """The lines of :func:`fit` with the requests that :func:`queries_per_iteration` counted.

    ``expected`` is the part of these that has to cross the WAN, one after the other: all queries
    where one server decides, and commits alone where every site has a server that answers reads.
    """
    joined = fitted.merge(counted, on=FIT, how="outer")
    alone = joined["backend"].map(lambda name: BACKENDS[str(name)].decided_by == "first-site")
    return in_order(joined.assign(expected=joined["queries"].where(alone, joined["commits"])))


def predict(tables: Tables) -> pd.DataFrame:
    """Per group and client site: ``predicted_s`` = queries per iteration · RTT, and ``measured_s``.

    ``measured_s`` is the mean of whole successful iterations, since the servers' counters cannot
    tell Rally's own login from the rest. ``commits_s`` = commits per iteration · RTT. Groups
    whose queries were not counted are absent.
    """
    measured = (
        with_rtt(tables["iterations"], tables)
        .groupby([*GROUP, "cell", "client_site"], as_index=False)
        .agg(measured_s=("duration_s", "mean"), rtt_ms=("rtt_ms", "first"), n=("iteration", "size"))
    )
    counts = tables["queries"][
        ["cell", "scenario", "queries_per_iteration", "commits_per_iteration"]
    ]
    joined = measured.merge(counts, on=["cell", "scenario"], how="inner")
    joined = joined[joined["queries_per_iteration"].notna()]
    joined["predicted_s"] = joined["queries_per_iteration"] * joined["rtt_ms"] / 1e3
    joined["commits_s"] = joined["commits_per_iteration"] * joined["rtt_ms"] / 1e3
    return in_order(joined)


def queries_per_iteration(tables: Tables) -> pd.DataFrame:
    """``queries`` and ``commits`` per iteration, over all cells of a back end, scenario and load.

    Means weighted by iterations, and so is ``read_share``, of those that counted it. Cells on a LAN
    are left out where there are others: a load that lasts for a few samples of the counters is
    known less well.
    """
    known = tables["queries"][tables["queries"]["queries_per_iteration"].notna()]
    wan = known[known["one_way_delay_ms"] > 0]
    rows = []
    for key, part in known.groupby(FIT):
        slow = wan[(wan[FIT] == pd.Series(key, index=FIT)).all(axis=1)]
        used = slow if len(slow) else part
        queries, commits, reads = (
            _weighted(used, column)
            for column in ("queries_per_iteration", "commits_per_iteration", "read_share")
        )
        rows.append((*key, queries, commits, reads, int(used["iterations"].sum())))
    names = ["queries", "commits", "read_share", "n_counted"]
    return in_order(pd.DataFrame(rows, columns=[*FIT, *names]))


def _weighted(rows: pd.DataFrame, column: str) -> float:
    """The mean of ``column`` weighted by iterations, where it is known; NaN if it never is."""
    known = rows[rows[column].notna() & (rows["iterations"] > 0)]
    return float(np.average(known[column], weights=known["iterations"])) if len(known) else math.nan
