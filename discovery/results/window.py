"""The time of a cell: nothing that was recorded in it can be from before it or after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd

from discovery.errors import ResultError
from discovery.results.manifest import Manifest
from discovery.testbed.here import are_here

SLACK_S = 600.0
"""How far the clocks of nodes may be off; a cell of which one is off by more says nothing."""
SLACK_HERE_S = 5.0
"""How far off are those of nodes that share the clock of the machine that timed the cell."""

# A node is sampled once a second, and one that is busy may miss many, but not nearly all of them.
_SPARSEST, _SHORT_S = 100, 3600


@dataclass(frozen=True)
class Window:
    """From ``begin`` to ``end`` (s, epoch), with the slack of the nodes' clocks."""

    begin: float
    end: float
    closer_s: float = 0.0
    """By so much the samples of nodes are held closer."""

    @classmethod
    def of(cls, manifest: Manifest) -> Window:
        """That of the cell whose manifest this is."""
        started = manifest.started.timestamp()
        took = max((phase.start + phase.seconds for phase in manifest.phases), default=0.0)
        here = are_here(manifest.environment.provider)
        closer_s = SLACK_S - SLACK_HERE_S if here else 0.0
        return cls(started - SLACK_S, started + took + SLACK_S, closer_s)

    def check(self, path: Path, key: str, *times: float | None) -> None:
        """Raise a :class:`ResultError` unless ``times``, of ``key`` in ``path``, are of the cell.

        Those that are there must not go back, either.
        """
        known = [time for time in times if time is not None]
        for time in known:
            if not self.begin <= time <= self.end:
                raise ResultError(f"{path}: {key}: {self._why(time)}")
        if any(after < before for before, after in pairwise(known)):
            raise ResultError(
                f"{path}: {key}: its times are not in their order: "
                f"{', '.join(f'{time:.3f}' for time in known)}; run the cell again."
            )

    def check_samples(self, path: Path, frame: pd.DataFrame, keys: Iterable[str] = ()) -> None:
        """The same of a table's times; for each of ``keys`` every one is later than the one before.

        Where there are keys a row is a sample, and there are enough of them for the time they span.
        """
        column = "time" if "time" in frame else "start"
        wrong = ~frame[column].between(self.begin + self.closer_s, self.end - self.closer_s)
        if wrong.any():
            first = frame[wrong].iloc[0]
            raise ResultError(
                f"{path}: its column {column} on {first['node']}: {self._why(first[column])}"
            )
        by = [*keys]
        if not by or frame.empty:
            return
        groups = frame.groupby(by, sort=False, dropna=False)["time"]
        if (groups.diff() <= 0).any():
            node = frame[groups.diff() <= 0].iloc[0]["node"]
            raise ResultError(
                f"{path}: its column time goes back, or stands still, on {node}; run the cell "
                "again."
            )

    def _why(self, time: float) -> str:
        return (
            f"{time:.3f} s since 1970 is not of this cell, which was measured from "
            f"{self.begin + SLACK_S:.0f} to {self.end - SLACK_S:.0f}; run the cell again."
        )


def check_density(path: Path, frame: pd.DataFrame, keys: Iterable[str]) -> None:
    """Raise a :class:`ResultError` where samples are so few that a second of them says nothing."""
    if frame.empty:
        return
    found = frame.groupby([*keys], sort=False)["time"].agg(["min", "max", "size"])
    span = found["max"] - found["min"]
    sparse = span > _SPARSEST * found["size"] + _SHORT_S
    if sparse.any():
        key = found.index[sparse.to_numpy()][0]
        raise ResultError(
            f"{path}: has {found['size'][sparse].iloc[0]} samples of {key} in "
            f"{span[sparse].iloc[0]:.0f} s, and about one a second is asked for; run the cell "
            "again."
        )
