"""The lock of the run that has this machine's testbed.

It is an ``flock`` on ``$DISCOVERY_HOME/lock``: the kernel drops it when its process dies, however
it dies. No child inherits it: a program closes it on exec, a fork at once.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from discovery.errors import BusyError, StorageError
from discovery.outside import visible
from discovery.storage import storing
from discovery.testbed.entries import not_a_file
from discovery.testbed.processes import alive, start_time

# What a holder writes is far shorter; a foreign file is not read whole.
_LONGEST = 1 << 16

_open: set[int] = set()


def _close_in_child() -> None:
    for descriptor in _open:
        os.close(descriptor)
    _open.clear()


os.register_at_fork(after_in_child=_close_in_child)


@dataclass(frozen=True)
class Holder:
    """Who has the testbed: a process, and what for.

    ``since`` is in seconds since the epoch, ``start`` the process's start in ticks since boot.
    """

    pid: int
    start: int
    purpose: str
    since: float

    def __str__(self) -> str:
        """How an error names it: ``process 12 (galera-s3-d50-light-r1) since 17:20:00``."""
        clock = time.strftime("%H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} ({self.purpose}) since {clock}"


def holder(path: Path) -> Holder | None:
    """Who holds the lock in ``path`` now; None if nobody does (or has not signed yet)."""
    if not path.is_file():
        return None
    try:
        found = Holder(**json.loads(path.read_bytes()[:_LONGEST]))
        signed = (
            *(type(found.pid) is int, type(found.start) is int, isinstance(found.purpose, str)),
            isinstance(found.since, float) and 0 <= found.since < 1e11,
        )
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return found if all(signed) and alive(found.pid, found.start) else None


@contextmanager
def lock(
    path: Path, purpose: str, *, wait: bool, say: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the lock in ``path`` for ``purpose``.

    If another process holds it: wait for as long as it takes, after one sentence to ``say``
    (standard error if not given), or raise :class:`BusyError` if not ``wait``.
    """
    if what := not_a_file(path):
        raise StorageError(
            f"{path} cannot be used for the testbed's lock: it {what}; nothing was leased; move it "
            "away."
        )
    with storing(path, "the testbed's lock", safe="nothing was leased"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    _open.add(descriptor)
    try:
        if not _try(descriptor):
            other = holder(path) or "another process"
            if not wait:
                raise BusyError(f"The testbed is held by {other}; wait for it, or end it.")
            (say or _to_stderr)(f"Waiting for the testbed, which is held by {other} …")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        myself = os.getpid()
        sign = Holder(myself, start_time(myself) or 0, purpose, time.time())
        _write(descriptor, json.dumps(asdict(sign)))
        try:
            yield
        finally:
            _write(descriptor, "")
    finally:
        _open.discard(descriptor)
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(descriptor: int, text: str) -> None:
    """Sign the lock; it is held without a signature too, so a full disk must not end a release."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def _to_stderr(sentence: str) -> None:
    print(visible(sentence), file=sys.stderr, flush=True)
