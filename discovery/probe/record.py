"""A process's record: a file that is written through a shared mapping.

A line is copied into the mapping, which costs no system call and lets no other thread in. From then
on it is the kernel's: whatever ends the process, SIGKILL among it, the line stays. Room is reserved
before it is written to, so that a full disk is counted as lost calls and not as a signal.
"""

from __future__ import annotations

import logging
import mmap
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from discovery.probe.lines import SUFFIX, Header

STEP = 1 << 18
"""Bytes by which a file grows."""

_LOG = logging.getLogger(__name__)


class Record:
    """One process's file."""

    def __init__(self, folder: Path, header: Header) -> None:
        self._header = header
        self._lock = threading.Lock()
        self._strays = self._lost = 0
        path = folder / f"{header.process}-{header.pid}-{time.time_ns()}{SUFFIX}"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        os.posix_fallocate(self._file, 0, STEP)
        self._size = STEP
        self._map = mmap.mmap(self._file, STEP)
        first = header.line()
        self._end = len(first)
        self._map[: self._end] = first

    def add(self, line: bytes) -> None:
        """Append a line."""
        with self._lock:
            end = self._end + len(line)
            if end > self._size and not self._grown():
                self._lost += 1
                self._tell()
                return
            self._map[self._end : end] = line
            self._end = end

    def stray(self) -> None:
        """A statement belongs to no call."""
        with self._lock:
            self._strays += 1
            self._tell()

    def _grown(self) -> bool:
        try:
            os.posix_fallocate(self._file, self._size, STEP)
        except OSError as error:
            if not self._lost:
                _LOG.error("the probe's record cannot grow, and is not whole: %s", error)
            return False
        self._size += STEP
        self._map.resize(self._size)
        return True

    def _tell(self) -> None:
        header = self._header
        line = Header(
            header.process, header.pid, header.host, header.site, self._strays, self._lost
        ).line()
        self._map[: len(line)] = line


class Records:
    """The record of whatever process asks: a forked one has its own.

    uWSGI forks without telling Python, so that the process's number is looked at every time.
    """

    def __init__(self, open_: Callable[[int], Record]) -> None:
        self._open = open_
        self._records: dict[int, Record] = {}
        self._locks: dict[int, threading.Lock] = {}

    def own(self) -> Record:
        """This process's."""
        pid = os.getpid()
        record = self._records.get(pid)
        if record is None:
            with self._locks.setdefault(pid, threading.Lock()):
                record = self._records.get(pid)
                if record is None:
                    record = self._records[pid] = self._open(pid)
        return record
