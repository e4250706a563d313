"""Leasing: one function for every provider, and release however the run ends."""

from __future__ import annotations

import secrets
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from discovery.errors import DiscoveryError, MachineError, TestbedError, shortened
from discovery.machine import readable
from discovery.storage import storing
from discovery.testbed import environment
from discovery.testbed.access import write_access
from discovery.testbed.config import Testbed
from discovery.testbed.down import release_stale
from discovery.testbed.home import lease_folder, ledger_path, lock_path, refuse_long_home
from discovery.testbed.leases import ROLES, Lease, Role, places, site_names
from discovery.testbed.ledger import Ledger, Recorder
from discovery.testbed.lock import lock
from discovery.testbed.processes import disown
from discovery.testbed.providers import PROVIDERS
from discovery.testbed.release import release_lease
from discovery.testbed.request import Request

# What a booted node takes before anything is deployed on it (measured: 24 MB).
NODE_MB = 25


@contextmanager
def lease(
    testbed: Testbed,
    *,
    sites: int,
    purpose: str,
    memory_mb: int | None = None,
    wait: bool = True,
    roles: Sequence[Sequence[Role]] | None = None,
) -> Iterator[Lease]:
    """Hold nodes of ``sites`` sites for ``purpose``, and release them however the body ends.

    ``roles`` are those of each site's nodes; every site has :data:`ROLES` if not given.

    That includes an interrupt and SIGTERM; what a run leaves that is killed outright, the next one
    removes before it leases. ``memory_mb`` is what all nodes will use. Another run on this machine
    is waited for, or a :class:`BusyError` if not ``wait``. :class:`MachineError` if this machine
    cannot hold the nodes, :class:`TestbedError` if they do not come up.
    """
    _refuse_sites(testbed, sites, roles)
    with lock(lock_path(), purpose, wait=wait), _signals_raise():
        release_stale()
        held = _acquire(testbed, sites, purpose, memory_mb, roles)
        try:
            yield held
        finally:
            held.release()


def keep(testbed: Testbed, *, sites: int, purpose: str) -> Lease:
    """Hold nodes until they are released from the ledger; this process may end before."""
    _refuse_sites(testbed, sites)
    with lock(lock_path(), purpose, wait=True), _signals_raise():
        release_stale()
        held = _acquire(testbed, sites, purpose, None, kept=True)
        recorder = Recorder(Ledger(ledger_path()), held.id)
        recorder.record_lease(testbed.provider, purpose, held.sites, kept=True)
        disown(held.folder)
        return held


def _refuse_sites(
    testbed: Testbed, sites: int, roles: Sequence[Sequence[Role]] | None = None
) -> None:
    """Refuse sites, or nodes of them, that cannot be, before anything is made or waited for."""
    if sites < (2 if roles is None else 1):
        least = "two sites" if roles is None else "one site"
        raise TestbedError(f"A testbed has at least {least}, not {shortened(str(sites), 20)}.")
    testbed.refuse_sites(sites)
    if roles is not None:
        testbed.refuse_nodes(roles)


def _acquire(
    testbed: Testbed,
    sites: int,
    purpose: str,
    memory_mb: int | None,
    roles: Sequence[Sequence[Role]] | None = None,
    *,
    kept: bool = False,
) -> Lease:
    wanted = places(roles or [ROLES] * sites)
    if testbed.on_this_machine:
        refuse_memory(sites, memory_mb or NODE_MB * len(wanted))
    refuse_long_home()
    lease_id = secrets.token_hex(3)
    names = site_names(sites)
    folder = lease_folder(lease_id)
    recorder = Recorder(Ledger(ledger_path()), lease_id)
    recorder.record_lease(testbed.provider, purpose, names, kept=False)
    safe = "what had been made of it is released"
    try:
        with readable(), storing(folder, "the files of a lease", safe=safe, alone=False):
            recorder.record_folder(folder)
            # Programs other than root's must reach the hosts file inside, but not list keys.
            folder.mkdir(mode=0o711)
            environment.configure(folder, kept=kept)
            request = Request(lease_id, purpose, wanted, folder, recorder)
            opened = PROVIDERS[testbed.provider].open(testbed, request)
            write_access(folder, opened.nodes)
    except BaseException:
        with _signals_wait():
            _give_back(lease_id, folder)
        raise

    def release() -> None:
        with _signals_wait():
            with suppress(DiscoveryError):  # what it leaves then, the ledger removes
                opened.wan.close()
            _give_back(lease_id, folder)

    return Lease(
        lease_id,
        testbed.provider,
        purpose,
        names,
        folder,
        opened.roles,
        opened.networks,
        opened.nodes,
        opened.wan,
        release,
        opened.look,
    )


def _give_back(lease_id: str, folder: Path) -> None:
    disown(folder)
    release_lease(lease_id)
    environment.restore()


def refuse_memory(sites: int, memory_mb: int) -> None:
    """A :class:`MachineError` if this machine has less than ``memory_mb`` free for its nodes."""
    free = psutil.virtual_memory().available // 2**20
    if memory_mb > free:
        fit = free * sites // memory_mb
        raise MachineError(
            f"{sites} sites need {memory_mb} MB of memory and this machine has {free} MB free: "
            f"{fit} of them would fit."
        )


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack, as an interrupt does."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handlers(leave, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Hold back interrupts and requests to end until everything is released."""
    late: list[int] = []
    with _handlers(
        lambda number, _: late.append(number), signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    ):
        yield
    if late:
        raise SystemExit(128 + late[0])


@contextmanager
def _handlers(handler: Any, *numbers: signal.Signals) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and only it is interrupted
        return
    before = {
        number: signal.signal(number, handler)
        for number in numbers
        if signal.getsignal(number) != signal.SIG_IGN  # `nohup` wants to outlive its terminal
    }
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
