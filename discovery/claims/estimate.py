"""Estimates with intervals: resampling of a sample's statistic, and a binomial share.

Intervals hold 95 %. The bootstrap is stratified by cell, percentile, with a fixed seed, so that
the same tables give the same verdicts.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from discovery.claims.models import Statistic
from discovery.claims.select import Floats, Sample

CONFIDENCE = 0.95
RESAMPLES = 4000
SEED = 2018


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, and the draws the interval was taken from."""

    value: float
    low: float
    high: float
    draws: Floats


def estimate(sample: Sample, statistic: Statistic) -> Estimate:
    """The sample's ``statistic``, in the unit of its values."""
    strata = sample.strata
    if any(len(stratum) < 2 for stratum in strata):
        strata = (sample.values,)

    def pooled(*groups: Floats, axis: int = -1) -> Any:
        together = np.concatenate(groups, axis=axis)
        return together.mean(axis) if statistic == "mean" else np.median(together, axis)

    # The seed depends on the term, so that two terms of one size are not resampled in step, and
    # on nothing else, so that a term has the same interval in whatever claim it stands.
    rng = np.random.default_rng([SEED, zlib.crc32(sample.label.encode())])
    result = stats.bootstrap(
        strata,
        pooled,
        n_resamples=RESAMPLES,
        batch=500,
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=rng,
    )
    return from_draws(float(pooled(sample.values)), result.bootstrap_distribution)


def share(sample: Sample) -> Estimate:
    """The share of failed iterations, with Wilson's interval (none failed has no bootstrap)."""
    interval = stats.binomtest(sample.failures, sample.n).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(
        value=sample.failures / sample.n,
        low=float(interval.low),
        high=float(interval.high),
        draws=np.array([], dtype=float),
    )


def from_draws(value: float, draws: Floats) -> Estimate:
    """``value`` with the percentile interval of ``draws``."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), draws)
