"""The phases of a cell: what took how long, told while it happens and kept for the manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LOAD = frozenset({"load", "boot", "look", "delete"})
"""The phases in which a cell is loaded; all others are the price of having a testbed."""


@dataclass(frozen=True)
class Phase:
    """A finished phase: ``start`` in seconds since the cell began, and how many it took."""

    phase: str
    start: float
    seconds: float


class PhaseClock:
    """Times phases; also those that an exception ends, since they took time too."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.finished: list[Phase] = []
        self._tell = tell
        self._began = time.monotonic()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the body as the phase ``name``."""
        start = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - start
            self.finished.append(Phase(name, round(start - self._began, 3), round(seconds, 3)))
            self._tell(f"{name} {seconds:.1f} s")
