"""What happened, as JSON lines: a line for each request that met an error, and totals.

``replay-<pid>-<ns>.jsonl`` is only ever appended to, a line at a time. ``….totals.json`` holds the
number of requests so far; it has the same length always and is overwritten, so that a process which
is killed has told how many requests it saw.
"""

from __future__ import annotations

import collections
import json
import os
import re
import select
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LONGEST_PATH = 500
_ID = re.compile(
    r"(?<=/)(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+)(?=/|$)", re.IGNORECASE
)
_NAMES = ("requests", "replays", "recovered", "gave_up", "committed")
_WIDTH = 160


def template(path: str) -> str:
    """A path with its ids taken out, so that requests of one kind have one path."""
    return _ID.sub("{id}", path)[:_LONGEST_PATH]


class Counters:
    """Those of this process; ``folder`` None keeps totals in memory only."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.totals: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()
        self._files: tuple[int, int, int] | None = None

    def request(self, line: Mapping[str, Any] | None = None, **more: int) -> None:
        """A request is over; ``line`` if something happened to it; ``more`` adds to the totals."""
        with self._lock:
            self.totals.update({"requests": 1, **more})
            if self.folder is None:
                return
            lines, totals = self._opened(self.folder)
            os.pwrite(totals, self._line(), 0)
        if line is not None:
            os.write(lines, _whole(line))

    def _line(self) -> bytes:
        text = json.dumps({name: self.totals[name] for name in _NAMES})
        return text.ljust(_WIDTH - 1).encode() + b"\n"

    def _opened(self, folder: Path) -> tuple[int, int]:
        """The files of this process: a forked one has its own, and counts from nothing."""
        if self._files is None or self._files[0] != os.getpid():
            if self._files is not None:
                self.totals = collections.Counter(requests=1)
            name = f"replay-{os.getpid()}-{time.time_ns()}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            lines = os.open(folder / f"{name}.jsonl", flags | os.O_APPEND, 0o644)
            totals = os.open(folder / f"{name}.totals.json", flags, 0o644)
            self._files = os.getpid(), lines, totals
        return self._files[1], self._files[2]


def _whole(line: Mapping[str, Any]) -> bytes:
    """A line that reaches the file in one piece."""
    data = json.dumps(line).encode() + b"\n"
    assert len(data) <= select.PIPE_BUF, "a line has a path of limited length, and numbers"
    return data
