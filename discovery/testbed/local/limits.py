"""Limits that many booted nodes meet together: the kernel's for root, and the machine's memory."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from discovery.errors import MachineError

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
# A booted node has 7 (systemd 5, D-Bus, logind), measured; its services may want some more. The
# kernel's usual 128 are enough for 18 nodes: the next one's systemd stops without a word.
PER_NODE = 12
REST_OF_MACHINE = 128
# What every Linux gives a program, and the least with which a node's systemd and servers start.
OPEN_FILES = 1024


def refuse_few_files() -> None:
    """A :class:`MachineError` if what we start may not have :data:`OPEN_FILES` files open."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < OPEN_FILES:
        raise MachineError(
            f"The local testbed needs {OPEN_FILES} open files, and this program and its nodes may "
            f"have {allowed} (at most {most}); raise the limit with `ulimit -n`, or where it was "
            "set (a container's --ulimit, limits.conf, LimitNOFILE)."
        )


# Of the memory that is free when a lease begins, what the files of all its nodes may take together.
FILES_SHARE = 0.6
# A client writes its load's records alone; every other node may have databases.
CLIENT_WEIGHT, OTHER_WEIGHT = 1, 3
# Systemd reloads nothing where /run has less than 16 MB free.
RUN_MB = 32
# With less than this a node does not boot.
LEAST_MB = 24
# As many as a usual disk has: files without content take memory, too.
INODES_PER_MB = 128


@dataclass(frozen=True)
class Disk:
    """What a node's files may take in memory (MB): those of ``/run``, and all others."""

    rest_mb: int
    run_mb: int

    @property
    def inodes(self) -> int:
        """How many files it may have, not counting those of ``/run``."""
        return self.rest_mb * INODES_PER_MB


def disks(roles: Mapping[str, str], free_mb: int | None = None) -> dict[str, Disk]:
    """The disk of every node, by alias: ``roles`` is what each is for.

    Nodes' files are in memory. Together they get :data:`FILES_SHARE` of what is free (``free_mb``,
    asked of the machine if not given), so a node that fills its disk fills neither this machine's
    memory nor another node's disk. A :class:`MachineError` if that is too little to boot from.
    """
    if free_mb is None:
        free_mb = psutil.virtual_memory().available // 2**20
    weights = {
        alias: CLIENT_WEIGHT if role == "client" else OTHER_WEIGHT for alias, role in roles.items()
    }
    unit = free_mb * FILES_SHARE / sum(weights.values())
    if unit * min(weights.values()) < LEAST_MB:
        raise MachineError(
            f"The files of {len(roles)} nodes may take {free_mb * FILES_SHARE:.0f} of the "
            f"{free_mb} MB of memory that are free, and some would get less than {LEAST_MB} MB; "
            "lease fewer, or end other programs."
        )
    made = {}
    for alias, weight in weights.items():
        run = min(RUN_MB, int(unit * weight / 4))
        made[alias] = Disk(int(unit * weight) - run, run)
    return made


def raise_inotify(nodes: int, path: Path = INOTIFY) -> None:
    """Let root have enough inotify instances for ``nodes`` nodes, until the next boot.

    The limit is only raised, and not lowered after: other leases and programs count on it too. A
    :class:`MachineError` says what to do where it may not be changed.
    """
    needed = REST_OF_MACHINE + PER_NODE * nodes
    allowed = int(path.read_text())
    if allowed >= needed:
        return
    try:
        path.write_text(str(needed))
    except OSError as error:
        raise MachineError(
            f"{nodes} nodes need fs.inotify.max_user_instances={needed}, it is {allowed}, and it "
            f"cannot be changed here ({error.strerror}); set it with `sysctl -w` where it can."
        ) from None
    print(
        f"Raised fs.inotify.max_user_instances from {allowed} to {needed} until the next boot, "
        f"for {nodes} nodes.",
        file=sys.stderr,
        flush=True,
    )
