"""What is held, and giving it back from outside of the run that leased it."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from discovery.errors import BusyError, TestbedError
from discovery.testbed import marks, processes
from discovery.testbed.home import LEDGER, home_path, ledger_path, lock_path
from discovery.testbed.ledger import Held, Ledger
from discovery.testbed.lock import lock
from discovery.testbed.ours import of_this_folder
from discovery.testbed.release import release_lease
from discovery.testbed.reservations import find_reservations

# How long (s) a run that is asked to end may take to release its lease itself.
PATIENCE = 20.0


@dataclass(frozen=True)
class HeldLease:
    """A lease as the ledger knows it. ``since`` is in seconds since the epoch.

    ``state``: ``kept`` until it is released by hand, ``running`` (its run lives), ``stale`` (its
    run died and left it), or ``unrecorded``: the ledger does not know it, its marks tell of it.
    ``living``: its run lives; ``meant_to_stay``: it was to outlive its run.
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
    living: bool = False
    meant_to_stay: bool = False
    elsewhere: tuple[Held, ...] = ()


def held(*, elsewhere: bool = False) -> list[HeldLease]:
    """Every lease of which something is still held, oldest first, in the ledger or not.

    ``elsewhere``: also look for reservations of ours beyond this machine.
    """
    things: dict[str, list[Held]] = {}
    home = home_path()
    ledger = Ledger(home / LEDGER)
    for thing in of_this_folder(ledger.held(), ledger.path):
        things.setdefault(thing.lease, []).append(thing)
    whole = {thing.lease for thing in itertools.chain(*things.values()) if thing.kind == "lease"}
    recorded = [_describe(lease, things[lease]) for lease in things if lease in whole]
    beyond = find_reservations() if elsewhere else []
    found = marks.find(home)
    others = dict.fromkeys([*things, *found, *(thing.lease for thing in beyond)])
    unrecorded = [
        _describe_unrecorded(
            lease,
            things.get(lease, []),
            found.get(lease, marks.Found((), marks.Run())),
            tuple(thing for thing in beyond if thing.lease == lease),
        )
        for lease in others
        if lease not in whole
    ]
    return sorted([*recorded, *unrecorded], key=lambda item: item.since)


def release(lease: str) -> None:
    """Release one lease; a run that lives is asked to end first."""
    found = next((item for item in held() if item.id == lease), None)
    if found is None:
        known = ", ".join(item.id for item in held()) or "none is held"
        raise TestbedError(f"No lease {lease} is held; held: {known}.")
    _release_these([found])


def release_all() -> list[HeldLease]:
    """Release every lease, also those of living runs, which are asked to end first."""
    return _release(held(elsewhere=True))


def release_idle(states: set[str]) -> list[HeldLease]:
    """Release the leases in one of ``states``, ``kept`` and ``stale``, and unrecorded ones.

    None of a living run is released.
    """
    chosen = states | {"unrecorded"}
    return _release(
        item for item in held(elsewhere=True) if item.state in chosen and not item.living
    )


def release_stale() -> list[HeldLease]:
    """Release what dead runs left, and forget what is long gone. The caller holds the lock.

    What was to outlive its run is left alone, though the ledger does not know it any more.
    """
    stale = [
        item
        for item in held()
        if item.state in ("stale", "unrecorded") and not (item.living or item.meant_to_stay)
    ]
    for item in stale:
        release_lease(item.id)
    Ledger(ledger_path()).forget_past()
    return stale


def _release(chosen: Iterable[HeldLease]) -> list[HeldLease]:
    chosen = list(chosen)
    _release_these(chosen)
    return chosen


def _release_these(chosen: list[HeldLease]) -> None:
    for item in chosen:
        if item.living:
            _end(item)
    with _lock_if_free():
        for item in chosen:
            release_lease(item.id, item.elsewhere)


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
        living=living and not details.get("kept", False),
        meant_to_stay=details.get("kept", False),
    )


def _describe_unrecorded(
    lease: str, left: list[Held], found: marks.Found, elsewhere: tuple[Held, ...]
) -> HeldLease:
    """A lease without its own entry: what the ledger has left of it, and what its marks show."""
    things = {(item.kind, item.name): item for item in (*left, *found.things, *elsewhere)}
    here = any(item.kind in ("namespace", "cgroup") for item in things.values())
    named = sorted({str(item.details.get("provider", "?")) for item in elsewhere})
    return HeldLease(
        id=lease,
        provider="local" if here else (named or ["?"])[0],
        purpose="not in the ledger, found by its marks",
        sites=(),
        since=min(item.since for item in things.values()),
        state="unrecorded",
        pid=found.run.pid,
        start=found.run.start,
        things=len(things),
        living=bool(found.run.pid),
        meant_to_stay=found.run.kept,
        elsewhere=elsewhere,
    )
