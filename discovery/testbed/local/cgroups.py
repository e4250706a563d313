"""A cgroup per lease with one below it per node, in each hierarchy that systemd uses.

Killing nspawn alone leaves its payload running; the cgroup holds both, and whatever they start.
On a hybrid machine the payload's systemd keeps processes in two hierarchies, so a lease has a
cgroup in both; elsewhere there is only version 2.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from discovery.errors import MachineError, TestbedError

ROOT = Path("/sys/fs/cgroup")


def hierarchies(root: Path = ROOT) -> list[Path]:
    """The mounted hierarchies in which nodes get a cgroup."""
    if (root / "cgroup.controllers").exists():
        return [root]
    found = [root / name for name in ("systemd", "unified") if (root / name).is_dir()]
    if not found:
        raise MachineError(
            f"No cgroup hierarchy is mounted at {root}; mount one with "
            f"`mount -t cgroup2 none {root}`."
        )
    return found


def lease_cgroups(tag: str) -> list[Path]:
    """Where the cgroups of a lease are, one per hierarchy."""
    return [hierarchy / tag for hierarchy in hierarchies()]


def kill(cgroup: Path, *, timeout: float = 10.0) -> None:
    """Kill all that runs in ``cgroup`` and below; return when it is gone."""
    deadline = time.monotonic() + timeout
    while pids := list(members(cgroup)):
        if (cgroup / "cgroup.kill").exists():
            (cgroup / "cgroup.kill").write_text("1")
        else:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        if time.monotonic() > deadline:
            raise TestbedError(
                f"Processes {', '.join(map(str, pids))} in {cgroup} do not die; "
                "look at them with `ps`."
            )
        time.sleep(0.005)


def remove(cgroup: Path, *, timeout: float = 5.0) -> None:
    """Remove ``cgroup`` and all below it, which must be empty of processes."""
    deadline = time.monotonic() + timeout
    for path in [*_below(cgroup), cgroup]:
        while path.exists():
            try:
                path.rmdir()
            except FileNotFoundError:
                break
            except OSError as error:  # the kernel needs a moment after the last process
                if time.monotonic() > deadline:
                    raise TestbedError(
                        f"The cgroup {path} cannot be removed ({error.strerror}); "
                        f"try `rmdir {path}`."
                    ) from None
                time.sleep(0.005)


def members(cgroup: Path) -> Iterator[int]:
    """The processes in ``cgroup`` and below."""
    for path in [*_below(cgroup), cgroup]:
        try:
            yield from map(int, (path / "cgroup.procs").read_text().split())
        except OSError:
            continue


def _below(cgroup: Path) -> list[Path]:
    """All cgroups below ``cgroup``, deepest first."""
    return [
        Path(folder) / name for folder, names, _ in os.walk(cgroup, topdown=False) for name in names
    ]
