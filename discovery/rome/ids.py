"""Primary keys, leased in blocks: a number is asked for once per block, not once per row.

The dialect writes ``rome_id('table', 'column')`` where a row needs a new key. Numbers go up within
a process; between processes they interleave by block, and some are never used, as with Galera's
auto_increment_increment.
"""

from __future__ import annotations

import threading
from collections import deque

from discovery.rome.store import mapping

BLOCK = 32
LARGEST_BLOCK = 1024

NO_NUMBER = -1
MOST_DIGITS = 20


def numbers_given(reply: object) -> dict[str, int]:
    """HGETALL's answer about the counters: by table the last number, or that it is none."""
    return {
        name.decode(errors="replace"): (
            int(last) if last.isdigit() and len(last) <= MOST_DIGITS else NO_NUMBER
        )
        for name, last in mapping(reply).items()
    }


class Ids:
    """The blocks that this process holds, by table."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[str, deque[int]] = {}
        self._size: dict[str, int] = {}

    def take(self, table: str) -> int | None:
        """The next number, or None where none is held."""
        with self._lock:
            free = self._free.get(table)
            return free.popleft() if free else None

    def empty(self, table: str) -> bool:
        """Whether no number is held."""
        with self._lock:
            return not self._free.get(table)

    def block(self, table: str, urgent: bool = False) -> int:
        """How many numbers to ask for next; twice as many each time that they ran out."""
        with self._lock:
            size = self._size.get(table, BLOCK // 2 if urgent else BLOCK)
            if urgent:
                size = min(size * 2, LARGEST_BLOCK)
            self._size[table] = size
            return size

    def wanted(self, table: str) -> bool:
        """Whether this process has ever asked for numbers of this table."""
        return table in self._size

    def low(self, table: str) -> bool:
        """Whether a commit should bring a new block along."""
        with self._lock:
            return len(self._free.get(table, ())) < self._size.get(table, BLOCK) // 2

    def add(self, table: str, first: int, count: int) -> None:
        """A block that Redis has leased."""
        with self._lock:
            self._free.setdefault(table, deque()).extend(range(first, first + count))

    def clear(self) -> None:
        """Drop every block: the counters that they came from may have begun anew."""
        with self._lock:
            self._free.clear()

    def new_process(self) -> None:
        """After a fork: the parent goes on with these numbers."""
        self._lock = threading.Lock()
        self._free = {}
