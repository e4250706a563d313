"""What is held, and giving it back from outside of the run that leased it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from discovery.errors import BusyError, TestbedError
from discovery.testbed import processes
from discovery.testbed.home import LEDGER, home_path, ledger_path, lock_path
from discovery.testbed.ledger import Held, Ledger
from discovery.testbed.lock import lock
from discovery.testbed.ours import of_this_folder
from discovery.testbed.release import release_lease

# How long (s) a run that is asked to end may take to release its lease itself.
PATIENCE = 20.0


@dataclass(frozen=True)
class HeldLease:
    """A lease as the ledger knows it. ``since`` is in seconds since the epoch.

    ``state``: ``kept`` until it is released by hand, ``running`` (its run lives), or ``stale`` (its
    run died and left it).
    """

    id: str
    provider: str
    purpose: str
    sites: tuple[str, ...]
    since: float
    state: str
    pid: int
    start: int | None
    things: int


def held() -> list[HeldLease]:
    """Every lease of which something is still held, oldest first."""
    things: dict[str, list[Held]] = {}
    ledger = Ledger(home_path() / LEDGER)
    for thing in of_this_folder(ledger.held(), ledger.path):
        things.setdefault(thing.lease, []).append(thing)
    return [_describe(lease, held_things) for lease, held_things in things.items()]


def release(lease: str) -> None:
    """Release one lease; a run that lives is asked to end first."""
    found = next((item for item in held() if item.id == lease), None)
    if found is None:
        known = ", ".join(item.id for item in held()) or "none is held"
        raise TestbedError(f"No lease {lease} is held; held: {known}.")
    _release_these([found])


def release_all() -> list[HeldLease]:
    """Release every lease, also those of living runs, which are asked to end first."""
    return _release({"kept", "running", "stale"})


def release_idle(states: set[str]) -> list[HeldLease]:
    """Release the leases in one of ``states``, ``kept`` and ``stale``."""
    return _release(states - {"running"})


def release_stale() -> list[HeldLease]:
    """Release what dead runs left, and forget what is long gone. The caller holds the lock."""
    stale = [item for item in held() if item.state == "stale"]
    for item in stale:
        release_lease(item.id)
    Ledger(ledger_path()).forget_past()
    return stale


def _release(states: set[str]) -> list[HeldLease]:
    chosen = [item for item in held() if item.state in states]
    _release_these(chosen)
    return chosen


def _release_these(chosen: list[HeldLease]) -> None:
    for item in chosen:
        if item.state == "running":
            _end(item)
    with _lock_if_free():
        for item in chosen:
            release_lease(item.id)


@contextmanager
def _lock_if_free() -> Iterator[None]:
    """Keep runs from starting while we release, unless one is at work with a lease of its own."""
    with ExitStack() as stack:
        with suppress(BusyError):
            stack.enter_context(lock(lock_path(), "releasing leases", wait=False))
        yield


def _end(item: HeldLease) -> None:
    """Ask the run of a lease to end, which releases it; insist after :data:`PATIENCE` seconds."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(item.pid)
        try:
            if processes.alive(item.pid, item.start):
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        finally:
            os.close(descriptor)
    if not processes.wait_until(
        lambda: not processes.alive(item.pid, item.start), timeout=PATIENCE
    ):
        processes.kill(item.pid, item.start)


def _describe(lease: str, things: list[Held]) -> HeldLease:
    entry = next((thing for thing in things if thing.kind == "lease"), None)
    details = dict(entry.details) if entry else {}
    living = details.get("boot") == processes.boot_id() and processes.alive(
        details.get("pid", 0), details.get("start")
    )
    return HeldLease(
        id=lease,
        provider=details.get("provider", "?"),
        purpose=details.get("purpose", "?"),
        sites=tuple(details.get("sites", ())),
        since=things[0].since,
        state="kept" if details.get("kept") else "running" if living else "stale",
        pid=details.get("pid", 0),
        start=details.get("start"),
        things=len(things),
    )
