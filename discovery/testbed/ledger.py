"""The ledger: an append-only file of every thing a lease makes, written before it is made.

A line is a JSON object ``{"event": "held" | "released", "time": s since the epoch, "lease": id,
"kind": …, "name": …, "details": {…}}``. A thing is named by its lease, kind and name; the last line
about it counts. The file is all that is needed to release what a killed run has left.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from discovery.errors import StorageError
from discovery.outside import visible
from discovery.storage import storing
from discovery.testbed.entries import KINDS, Entry, Kind, Odd, not_a_file, read
from discovery.testbed.home import LEDGER, LOCK
from discovery.testbed.processes import boot_id, start_time, uses

__all__ = ["KINDS", "Held", "Kind", "Ledger", "Recorder", "Thing", "is_run", "process", "tell_once"]

# As many lines that are no entries are named; of more, their number is told.
_NAMED = 5


@dataclass(frozen=True)
class Thing:
    """Something that a lease makes, as the ledger names it."""

    kind: Kind
    name: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Held:
    """A thing that has not been released yet. ``since`` is in seconds since the epoch.

    ``line`` is where the ledger says so; 0 for what was found without it.
    """

    lease: str
    kind: Kind
    name: str
    since: float
    details: Mapping[str, Any]
    line: int = field(default=0, compare=False)


class Ledger:
    """The ledger in ``path``.

    What stands there and is no entry is told on standard error, once, and passed over.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def hold(self, lease: str, things: Iterable[Thing]) -> None:
        """Record that ``lease`` is about to make ``things``; told again, the details are new."""
        self._append("held", lease, things)

    def release(self, lease: str, things: Iterable[Thing]) -> None:
        """Record that ``things`` are gone."""
        self._append("released", lease, things)

    def held(self, lease: str | None = None) -> list[Held]:
        """What is still held (by ``lease``, if given), oldest first."""
        things: dict[tuple[str, Kind, str], Held] = {}
        for number, entry in self._entries():
            key = (entry.lease, entry.kind, entry.name)
            if entry.event == "released":
                things.pop(key, None)
            else:
                since = things[key].since if key in things else entry.time
                things[key] = Held(*key, since, entry.details, number)
        return [thing for thing in things.values() if lease in (None, thing.lease)]

    def forget_past(self, *, over_bytes: int = 1_000_000) -> None:
        """Start anew if nothing is held and the file is long; the caller holds the lock.

        A file with lines that are no entries of ours is kept beside, under another name.
        """
        if not self.path.is_file() or self.path.stat().st_size <= over_bytes or self.held():
            return
        with storing(self.path, "the ledger"):
            if any(isinstance(item, Odd) for item in read(self.path)):
                aside = self.path.with_name(f"{self.path.name}.{time.time_ns()}")
                self.path.rename(aside)
                tell_once(f"{self.path} has lines that are no entries: it is kept as {aside}")
            else:
                self.path.unlink()

    def _entries(self) -> Iterator[tuple[int, Entry]]:
        odd: list[Odd] = []
        with storing(self.path, "the ledger"):
            for item in read(self.path):
                if isinstance(item, Odd):
                    odd.append(item)
                else:
                    yield item
        if odd:
            tell_once(f"{self.path}: {_passed_over(odd)}")

    def _append(self, event: str, lease: str, things: Iterable[Thing]) -> None:
        now = time.time()
        lines = "".join(
            json.dumps(
                {
                    "event": event,
                    "time": now,
                    "lease": lease,
                    "kind": thing.kind,
                    "name": thing.name,
                    "details": dict(thing.details),
                }
            )
            + "\n"
            for thing in things
        )
        if not lines:
            return
        if what := not_a_file(self.path):
            raise StorageError(
                f"{self.path} cannot be used for the ledger: it {what}; nothing was made; "
                "move it away."
            )
        with storing(
            self.path, "the ledger", safe="what it says to be held is still released by `down`"
        ):
            self._write(lines)

    def _write(self, lines: str) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                lines = "\n" + lines  # the last writer was killed in the middle of its line
            data = lines.encode()
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)


def _passed_over(odd: list[Odd]) -> str:
    if odd[0].what:
        return f"it {odd[0].what} and no ledger, and was passed over"
    if len(odd) == 1:
        return f"line {odd[0].line} is no entry and was passed over"
    names = [str(item.line) for item in odd[:_NAMED]]
    if len(odd) > _NAMED:
        names.append(f"{len(odd) - _NAMED} more")
    return f"lines {', '.join(names[:-1])} and {names[-1]} are no entries and were passed over"


@cache
def tell_once(sentence: str) -> None:
    """Say ``sentence`` on standard error, if this process has not said it before."""
    print(visible(sentence), file=sys.stderr, flush=True)


class Recorder:
    """What the code that makes things for one lease tells the ledger."""

    def __init__(self, ledger: Ledger, lease: str) -> None:
        self.ledger = ledger
        self.lease = lease

    def hold(self, *things: Thing) -> None:
        """Record ``things`` before they are made."""
        self.ledger.hold(self.lease, things)

    def release(self, *things: Thing) -> None:
        """Record that ``things`` are gone."""
        self.ledger.release(self.lease, things)

    def record_lease(
        self, provider: str, purpose: str, sites: Iterable[str], *, kept: bool
    ) -> None:
        """Record the lease itself; a ``kept`` one stays when this process has ended.

        From then on this process has the ledger open: that tells it from any other process whose
        number may stand there.
        """
        details = {
            "provider": provider,
            "purpose": purpose,
            "sites": list(sites),
            "kept": kept,
            "pid": os.getpid(),
            "start": start_time(os.getpid()),
            "boot": boot_id(),
        }
        self.hold(Thing("lease", self.lease, details))
        _keep_open(self.ledger.path)

    def record_process(self, pid: int, what: str) -> None:
        """Record a running process; ``what`` tells a person what it does."""
        self.hold(process(pid, what))

    def record_namespace(self, name: str) -> None:
        """Record the network namespace ``/run/netns/<name>``."""
        self.hold(Thing("namespace", name))

    def record_link(self, name: str) -> None:
        """Record an interface of the root namespace."""
        self.hold(Thing("link", name))

    def record_folder(self, path: Path) -> None:
        """Record a folder that is removed with all that is in it."""
        self.hold(Thing("folder", str(path)))


def is_run(pid: int, home: Path) -> bool:
    """Whether ``pid`` has leased something in the state folder ``home``, or may have."""
    return pid > 1 and uses(pid, (home / LEDGER, home / LOCK)) is not False


@cache
def _keep_open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def process(pid: int, what: str) -> Thing:
    """The running process ``pid`` as a thing that stays itself when its pid is given away."""
    return Thing("process", str(pid), {"start": start_time(pid), "boot": boot_id(), "what": what})
