"""What a process has done so far, for benchmarks and tests: `replica.counters` of a connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

listeners: list[Callable[[], None]] = []
"""Each is called before a round trip to Redis, in the thread and the context that waits for it."""


def sends() -> None:
    """A request is about to be sent."""
    for listener in listeners:
        listener()


@dataclass(slots=True)
class Counters:
    """Counts since the process began to use the database.

    ``conflicts``: certifications that were lost. ``replayed``: of those transactions, the ones that
    were run again and accepted without the caller knowing. ``deadlocks``: the ones that reached the
    caller. ``applied``: entries of the log that others wrote. ``published``: own commits whose
    pages became the state as they were. ``boots``: replicas built anew after the first, but for
    DDL of others. ``tails_lost``: callers who were told that Redis has lost commits.
    """

    transactions: int = 0
    commits: int = 0
    conflicts: int = 0
    replayed: int = 0
    deadlocks: int = 0
    applied: int = 0
    published: int = 0
    boots: int = 0
    tails_lost: int = 0
