"""Limits of the kernel that many booted nodes meet together, because root runs all of them."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

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
