"""The watchdog of a cell: it asks the testbed every second whether it lives, and ends what goes on.

A phase waits for Ansible or Rally, some for minutes, and none of them knows that the WAN has died:
what they see is a system that does not answer. So a thread looks, and interrupts the main one.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from discovery.workload.every import every

PERIOD_S = 1.0
# Whoever is interrupted may be in the middle of cleaning up: it is not disturbed again so soon.
INSIST_S = 15.0
SIGNAL = signal.SIGUSR1


class _Interrupted(BaseException):
    """What unwinds the main thread; nobody takes it for an error of their own."""


class Watchdog:
    """A context in which ``look`` is called every ``period`` seconds (else :data:`PERIOD_S`).

    What ``look`` raises ends the body at once and is raised in its place, whatever the body made of
    it. Only the main thread can be interrupted; in another one it is raised when the body ends.
    """

    def __init__(self, look: Callable[[], None], period: float | None = None) -> None:
        self._look = look
        self._every = every(PERIOD_S if period is None else period, self._ask)
        self._trouble: Exception | None = None
        self._armed = False
        self._interrupted = 0.0
        self._former: Any = None
        self._main = 0

    def __enter__(self) -> Watchdog:
        """Start to look."""
        if threading.current_thread() is threading.main_thread():
            self._former = signal.signal(SIGNAL, self._leave)
            self._main = threading.get_ident()
            self._armed = True
        self._every.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Look no more; raise what was seen, but not in the place of a request to end."""
        self._armed = False
        self._every.__exit__(None, None, None)
        if self._main:
            signal.signal(SIGNAL, self._former)
        asked_to_end = error is not None and not isinstance(error, (Exception, _Interrupted))
        if self._trouble is not None and not asked_to_end:
            raise self._trouble from None

    def _ask(self) -> bool:
        if self._trouble is None:
            try:
                self._look()
            except Exception as trouble:  # whatever it is, the main thread raises it
                self._trouble = trouble
        if self._trouble is not None and self._armed:
            now = time.monotonic()
            if not self._interrupted or now - self._interrupted > INSIST_S:
                self._interrupted = now
                signal.pthread_kill(self._main, SIGNAL)
        return True

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        if self._armed:
            raise _Interrupted
