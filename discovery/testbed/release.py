"""Releasing what the ledger says is held, whoever made it and however far it came."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from discovery.errors import DiscoveryError, TestbedError
from discovery.testbed import marks, processes
from discovery.testbed.home import LEDGER, home_path
from discovery.testbed.ledger import Held, Ledger, Thing
from discovery.testbed.local import cgroups, network
from discovery.testbed.ours import of_this_folder
from discovery.testbed.reservations import CANCEL

# Nothing may be made any more while things are removed, so what runs goes first: a program that
# was started a moment before its run was killed may still be at work.
ORDER = (
    *("process", "cgroup", "link", "namespace", "mount", "folder", "lockfile", "reservation"),
    "lease",
)


def release_lease(lease: str, elsewhere: Iterable[Held] = ()) -> None:
    """Remove everything that ``lease`` holds by the ledger or by its marks; nothing is no error.

    What the ledger names and the lease cannot have made is left alone. Goes on with the rest if a
    thing resists, which then stays in the ledger, and raises a :class:`TestbedError` at the end.
    ``elsewhere`` are reservations of it that are not in the ledger.
    """
    home = home_path()  # which may be gone, or on a disk that takes nothing any more
    ledger = Ledger(home / LEDGER)
    processes.kill_all_of(home / "leases" / lease)
    failures: list[str] = []
    held = of_this_folder(ledger.held(lease), ledger.path)
    known = {(thing.kind, thing.name) for thing in held}
    unknown = [*marks.things(home, lease), *elsewhere]
    held += [thing for thing in unknown if (thing.kind, thing.name) not in known]
    for kind in ORDER:
        if kind == "lease" and failures:
            break
        gone: list[Thing] = []
        for thing in held:
            if thing.kind != kind:
                continue
            try:
                _REMOVE[kind](thing)
            except (DiscoveryError, OSError) as error:
                failures.append(str(error))
            else:
                gone += [Thing(thing.kind, thing.name)] if thing.line else []
        try:
            ledger.release(lease, gone)
        except (DiscoveryError, OSError) as error:  # a full disk must not let nodes live on
            failures.append(str(error))
    if failures:
        raise TestbedError(
            f"Lease {lease} could not be released whole; `discovery testbed down` tries "
            f"again: {'; '.join(dict.fromkeys(failures))}"
        )


def _remove_process(thing: Held) -> None:
    if thing.details["boot"] == processes.boot_id():
        processes.kill(int(thing.name), thing.details["start"])


def _remove_cgroup(thing: Held) -> None:
    cgroups.kill(Path(thing.name))
    cgroups.remove(Path(thing.name))


def _remove_mount(thing: Held) -> None:
    if Path(thing.name).is_mount():
        done = subprocess.run(
            ["umount", "--lazy", thing.name], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise TestbedError(f"{thing.name} cannot be unmounted ({done.stderr.strip()})")


def _remove_folder(thing: Held) -> None:
    if Path(thing.name).is_symlink():
        Path(thing.name).unlink(missing_ok=True)  # and not what it leads to
        return
    try:
        shutil.rmtree(thing.name)
    except FileNotFoundError:
        if Path(thing.name).exists():  # something in it went while we looked: another `down`
            shutil.rmtree(thing.name)


def _remove_lockfile(thing: Held) -> None:
    """Remove a file of which the lock counts, unless another program has that lock."""
    try:
        descriptor = os.open(thing.name, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Path(thing.name).unlink(missing_ok=True)
    except (BlockingIOError, PermissionError):  # POSIX lets a system say either
        return  # another lease's, which will remove it
    finally:
        os.close(descriptor)


_REMOVE: dict[str, Callable[[Held], None]] = {
    "process": _remove_process,
    "cgroup": _remove_cgroup,
    "link": lambda thing: network.remove_link(thing.name),
    "namespace": lambda thing: network.remove_namespace(thing.name),
    "mount": _remove_mount,
    "folder": _remove_folder,
    "lockfile": _remove_lockfile,
    "reservation": lambda thing: CANCEL[thing.details["provider"]](thing),
    "lease": lambda thing: None,
}
