"""The ledger: an append-only file of every thing a lease makes, written before it is made.

A line is a JSON object ``{"event": "held" | "released", "time": s since the epoch, "lease": id,
"kind": …, "name": …, "details": {…}}``. A thing is named by its lease, kind and name; the last line
about it counts. The file is all that is needed to release what a killed run has left.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from discovery.testbed.processes import boot_id, start_time

Kind = Literal[
    "lease", "process", "namespace", "link", "mount", "cgroup", "folder", "lockfile", "reservation"
]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Thing:
    """Something that a lease makes, as the ledger names it."""

    kind: Kind
    name: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Held:
    """A thing that has not been released yet. ``since`` is in seconds since the epoch."""

    lease: str
    kind: Kind
    name: str
    since: float
    details: Mapping[str, Any]


class Ledger:
    """The ledger in ``path``."""

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
        things: dict[tuple[str, str, str], Held] = {}
        for line in self._lines():
            key = (line["lease"], line["kind"], line["name"])
            if line["event"] == "released":
                things.pop(key, None)
            else:
                since = things[key].since if key in things else line["time"]
                things[key] = Held(*key, since, line["details"])
        return [thing for thing in things.values() if lease in (None, thing.lease)]

    def forget_past(self, *, over_bytes: int = 1_000_000) -> None:
        """Start anew if nothing is held and the file is long; the caller holds the lock."""
        if self.path.exists() and self.path.stat().st_size > over_bytes and not self.held():
            self.path.unlink()

    def _lines(self) -> Iterable[dict[str, Any]]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        for raw in content.split(b"\n"):
            try:
                yield json.loads(raw)
            except ValueError:
                # A write that was cut off. What it announced was never made: making waits for it.
                continue

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
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                lines = "\n" + lines  # the last writer was killed in the middle of its line
            data = lines.encode()
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)


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
        """Record the lease itself; a ``kept`` one stays when this process has ended."""
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


def process(pid: int, what: str) -> Thing:
    """The running process ``pid`` as a thing that stays itself when its pid is given away."""
    return Thing("process", str(pid), {"start": start_time(pid), "boot": boot_id(), "what": what})
