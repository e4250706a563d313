"""Statistics of samples: estimates with intervals, failure shares, effect sizes.

Intervals hold 95 %. The bootstrap (percentile, scipy) has a fixed seed, so that the same tables
give the same numbers. A sample too small for an interval has a missing one, never an empty one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 2018

Floats = npt.NDArray[np.float64]
Statistic = Callable[..., Any]


@dataclass(frozen=True)
class Estimate:
    """A number in its sample's unit, its 95 % interval, and how many values it rests on."""

    value: float
    low: float
    high: float
    n: int


NOTHING = Estimate(math.nan, math.nan, math.nan, 0)


def estimate(values: npt.ArrayLike, statistic: Statistic) -> Estimate:
    """``statistic`` (a function of an array and an axis) of ``values``, with its interval."""
    sample = np.asarray(values, dtype=float)
    if sample.size == 0:
        return NOTHING
    value = float(statistic(sample, axis=-1))
    if sample.size < 2:
        return Estimate(value, math.nan, math.nan, int(sample.size))
    draws = _draws(sample, statistic)
    low, high = _interval(draws)
    return Estimate(value, low, high, int(sample.size))


def mean(values: npt.ArrayLike) -> Estimate:
    """The mean of ``values``."""
    return estimate(values, np.mean)


def quantile(values: npt.ArrayLike, share: float) -> Estimate:
    """The smallest value that at least ``share`` of ``values`` do not exceed.

    The interval is exact and made of values too (Conover's, from order statistics), so that
    infinite ones are welcome; an end that so few values cannot give is missing.
    """
    sample = np.asarray(values, dtype=float)
    if sample.size == 0:
        return NOTHING
    value = float(np.quantile(sample, share, method="inverted_cdf"))
    interval = stats.quantile_test(sample, p=share).confidence_interval(CONFIDENCE)
    return Estimate(value, float(interval.low), float(interval.high), int(sample.size))


def failure_share(failures: int, n: int) -> Estimate:
    """The share of ``failures`` among ``n``, with Wilson's interval, which holds at 0 and 1 too."""
    if n == 0:
        return NOTHING
    interval = stats.binomtest(failures, n).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(failures / n, float(interval.low), float(interval.high), n)


def ratio(
    numerator: npt.ArrayLike, denominator: npt.ArrayLike, statistic: Statistic = np.mean
) -> Estimate:
    """``statistic`` of one sample over that of another, resampled independently; n is both's."""
    above = np.asarray(numerator, dtype=float)
    below = np.asarray(denominator, dtype=float)
    if above.size == 0 or below.size == 0:
        return NOTHING
    n = int(above.size + below.size)
    value = float(statistic(above, axis=-1) / statistic(below, axis=-1))
    if min(above.size, below.size) < 2:
        return Estimate(value, math.nan, math.nan, n)
    low, high = _interval(_draws(above, statistic) / _draws(below, statistic, seed=SEED + 1))
    return Estimate(value, low, high, n)


def cliffs_delta(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Cliff's delta, P(first > second) − P(first < second), in [−1, 1]: 2U/(nm) − 1."""
    above = np.asarray(first, dtype=float)
    below = np.asarray(second, dtype=float)
    if above.size == 0 or below.size == 0:
        return math.nan
    statistic = stats.mannwhitneyu(above, below, method="asymptotic").statistic
    return float(2 * statistic / (above.size * below.size) - 1)


def as_in_2018(iterations: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows that the 2018 Keystone study kept, of one scenario and one cell or several.

    It dropped iterations with an error, and then, for each Rally client, those whose time was not
    strictly below the client's 95th percentile (``filter_percentile(.95)`` of its notebook). The
    slowest iteration of each client is thus never counted.
    """
    kept = iterations[iterations["error"].isna()]
    if kept.empty:
        return kept
    limit = kept.groupby(["cell", "client_site"])[column].transform("quantile", 0.95)
    return kept[kept[column] < limit]


def with_failures(iterations: pd.DataFrame, column: str) -> Floats:
    """Times of all iterations, where one that failed never completed: it is infinite.

    Quantiles of it are those of "how long until it is done", without survivor bias.
    """
    times = iterations[column].where(iterations["error"].isna(), math.inf)
    return times.to_numpy(dtype=float)


def _draws(sample: Floats, statistic: Statistic, seed: int = SEED) -> Floats:
    result = stats.bootstrap(
        (sample,),
        statistic,
        n_resamples=RESAMPLES,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return np.asarray(result.bootstrap_distribution, dtype=float)


def _interval(draws: Floats) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)
