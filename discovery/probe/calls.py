"""One call: begun by the outermost function of the layer, ended with it.

It belongs to the context it was begun in. Threads and greenlets have contexts of their own, so that
what runs beside each other is not mixed; a call made there is a call of its own.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Protocol, TypeVar

from discovery.probe.lines import line

T = TypeVar("T")


class Sink(Protocol):
    """Where ended calls go, and statements of none."""

    def add(self, line: bytes) -> None:
        """A call's line."""

    def stray(self) -> None:
        """A statement outside of every call."""


class Call:
    """What a call has sent so far; see `discovery.probe.lines.Call` for the words."""

    __slots__ = (
        "_began", "_name", "_start", "_token", "connections", "database", "db_errors",
        "round_trips", "statements",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.statements = self.round_trips = self.connections = self.db_errors = 0
        self.database = ""
        self._name = name
        self._token: Token[Call | None] = _current.set(self)
        self._start = time.time()
        self._began = time.perf_counter()

    def end(self, sink: Sink, error: str) -> None:
        """It is over; ``error`` is the class of what it raised, or empty."""
        duration = time.perf_counter() - self._began
        _current.reset(self._token)
        sink.add(
            line(
                self._start, duration, self.statements, self.round_trips, self.connections,
                self.db_errors, self.database, error, self._name,
            )
        )  # fmt: skip


_current: ContextVar[Call | None] = ContextVar("discovery.probe", default=None)


def current() -> Call | None:
    """The call that this context is in."""
    return _current.get()


def watched(function: Callable[..., T], name: str, sink: Callable[[], Sink]) -> Callable[..., T]:
    """``function``, of which every outermost call is recorded as ``name``."""

    @functools.wraps(function)
    def watching(*args: Any, **kwargs: Any) -> T:
        if _current.get() is not None:
            return function(*args, **kwargs)
        call = Call(name)
        error = ""
        try:
            return function(*args, **kwargs)
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            call.end(sink(), error)

    return watching


class WatchedBlock:
    """A context manager, the time in which is a call."""

    __slots__ = ("_block", "_call", "_name", "_sink")

    def __init__(self, block: Any, name: str, sink: Callable[[], Sink]) -> None:
        self._block = block
        self._name = name
        self._sink = sink

    def __enter__(self) -> Any:  # noqa: D105
        self._call = Call(self._name)
        try:
            return self._block.__enter__()
        except BaseException as raised:
            self._call.end(self._sink(), type(raised).__name__)
            raise

    def __exit__(  # noqa: D105
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        error = kind.__name__ if kind else ""
        try:
            return self._block.__exit__(kind, raised, trace)
        except BaseException as other:  # a commit that was refused
            error = type(other).__name__
            raise
        finally:
            self._call.end(self._sink(), error)
