"""Estimates with intervals: resampling of a sample's statistic, and a binomial share.

Intervals hold 95 %. The bootstrap is stratified by cell, percentile, with a fixed seed, so that
the same tables give the same verdicts. Quantiles, and whatever has very many values, are resampled
in blocks (:mod:`discovery.analysis.blocks`).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from discovery.analysis.blocks import blocks
from discovery.claims.models import Statistic
from discovery.claims.select import Floats, Sample

CONFIDENCE = 0.95
RESAMPLES = 4000
RESAMPLES_OF_QUANTILES = 1000
VERY_MANY = 20_000
QUANTILES = tuple(number / 100 for number in range(1, 100))
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
    values = sample.values
    if statistic.startswith("p") or (statistic == "median" and len(values) > VERY_MANY):
        percent = 50 if statistic == "median" else int(statistic[1:])
        value, draws = quantiles(sample, [percent / 100])
        return from_draws(float(value[0]), draws[:, 0])
    if len(values) > VERY_MANY:
        draws = blocks(sample.strata).means(RESAMPLES, _generator(sample))
        return from_draws(float(values.mean()), draws)
    return _resampled(sample, statistic)


def quantiles(sample: Sample, shares: Sequence[float]) -> tuple[Floats, Floats]:
    """The quantiles of the sample's values, and draws of them: a row per draw."""
    draws = blocks(sample.strata).quantiles(shares, RESAMPLES_OF_QUANTILES, _generator(sample))
    return np.quantile(sample.values, shares, method="inverted_cdf"), draws


def _generator(sample: Sample) -> np.random.Generator:
    """Seeded by the term, so that two terms of one size are not resampled in step.

    And by nothing else, so that a term has the same interval in whatever claim it stands.
    """
    return np.random.default_rng([SEED, zlib.crc32(sample.label.encode())])


def _resampled(sample: Sample, statistic: Statistic) -> Estimate:
    strata = sample.strata
    if any(len(stratum) < 2 for stratum in strata):
        strata = (sample.values,)

    def pooled(*groups: Floats, axis: int = -1) -> Any:
        together = np.concatenate(groups, axis=axis)
        return together.mean(axis) if statistic == "mean" else np.median(together, axis)

    result = stats.bootstrap(
        strata,
        pooled,
        n_resamples=RESAMPLES,
        batch=500,
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=_generator(sample),
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
