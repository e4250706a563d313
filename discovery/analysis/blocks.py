"""Resampling of very many values, such as the calls of a burst, and of their quantiles.

What is drawn are blocks of consecutive values, cell by cell: calls of one moment share their fate,
and an interval that took each for a trial of its own would be too narrow. A block is kept as its
count, its sum and a histogram over logarithmic bins, which are finer than one percent of a value
for values that span five decades.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BLOCKS = 100
BINS = 2000
_SMALLEST = 1e-9


@dataclass(frozen=True)
class Blocks:
    """The blocks of all cells: ``counts`` and ``sums`` of each, and its ``histogram``.

    ``cells`` has for each cell the range of its blocks, ``centres`` the values of the bins.
    """

    counts: Floats
    sums: Floats
    histogram: Floats
    cells: tuple[tuple[int, int], ...]
    centres: Floats

    def means(self, resamples: int, rng: np.random.Generator) -> Floats:
        """Means of as many samples."""
        drawn = self._weights(resamples, rng)
        return np.asarray((drawn @ self.sums) / (drawn @ self.counts))

    def quantiles(
        self, shares: Sequence[float], resamples: int, rng: np.random.Generator
    ) -> Floats:
        """Quantiles of as many samples: a row per sample, a column per share."""
        reached = np.cumsum(self._weights(resamples, rng) @ self.histogram, axis=1)
        whole = reached[:, -1:]
        columns = [(reached < share * whole - 1e-6).sum(axis=1) for share in shares]
        return np.asarray(self.centres[np.stack(columns, axis=1)])

    def _weights(self, resamples: int, rng: np.random.Generator) -> Floats:
        """How often each block is in each sample; every cell keeps its number of blocks."""
        parts = [
            rng.multinomial(end - start, np.full(end - start, 1 / (end - start)), size=resamples)
            for start, end in self.cells
        ]
        return np.concatenate(parts, axis=1).astype(np.float64)


def blocks(strata: Sequence[Floats]) -> Blocks:
    """The blocks of ``strata``: the values of each cell, in the order they were measured in."""
    values = np.maximum(np.concatenate(strata), _SMALLEST)
    low, high = float(values.min()), float(values.max())
    edges = np.geomspace(low, max(high, low * (1 + 1e-9)), BINS + 1)
    parts: list[Floats] = []
    cells = []
    for stratum in strata:
        pieces = np.array_split(np.asarray(stratum), min(BLOCKS, len(stratum)))
        cells.append((len(parts), len(parts) + len(pieces)))
        parts += pieces
    inner = edges[1:-1]
    places = [np.searchsorted(inner, part, side="right") for part in parts]
    return Blocks(
        counts=np.array([len(part) for part in parts], dtype=float),
        sums=np.array([part.sum() for part in parts], dtype=float),
        histogram=np.array([np.bincount(place, minlength=BINS) for place in places], dtype=float),
        cells=tuple(cells),
        centres=np.sqrt(edges[:-1] * edges[1:]),
    )
