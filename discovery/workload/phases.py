"""The phases of a cell: what took how long, told while it happens and kept for the manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from discovery.workload.every import every, unforked

LOAD = frozenset({"load", "boot", "look", "delete"})
"""The phases in which a cell is loaded; all others are the price of having a testbed."""

SILENCE_S = 60.0
_LOOK_S = 1.0


@dataclass(frozen=True)
class Phase:
    """A finished phase: ``start`` in seconds since the cell began, and how many it took."""

    phase: str
    start: float
    seconds: float


class PhaseClock:
    """Times phases; also those that an exception ends, since they took time too."""

    def __init__(self, tell: Callable[[str], None], silence: float = SILENCE_S) -> None:
        self.finished: list[Phase] = []
        self._tell = tell
        self._silence = silence
        self._began = self._told = time.monotonic()
        self._running: list[tuple[str, float]] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the body as the phase ``name``."""
        start = time.monotonic()
        self._running.append((name, start))
        try:
            yield
        finally:
            self._running.pop()
            seconds = time.monotonic() - start
            self.finished.append(Phase(name, round(start - self._began, 3), round(seconds, 3)))
            self.tell(f"{name} {seconds:.1f} s")

    def tell(self, line: str) -> None:
        """Tell ``line`` to the user, who then has heard something."""
        self._told = time.monotonic()
        with unforked():
            self._tell(line)

    @contextmanager
    def reminding(self) -> Iterator[None]:
        """Tell of a phase in the body that was silent for so long that one wonders."""
        with every(min(_LOOK_S, self._silence), self._remind):
            yield

    def _remind(self) -> bool:
        now = time.monotonic()
        running = self._running[-1:]
        if running and now - self._told >= self._silence:
            name, start = running[0]
            try:
                self.tell(f"phase {name}: {now - start:.0f} s so far")
            except OSError:  # nobody reads it any more; who tells of the phase's end will meet it
                return False
        return True
