"""Nodes of a local testbed: systemd booted by systemd-nspawn on an overlay of one image.

What a node writes is in memory, on a disk of a bounded size: a tmpfs that holds the overlay's upper
half, ``/tmp`` and ``/dev/shm``, and one for ``/run``. Their mounts are in a namespace of the node's
own, which ends with it, so none is ever left behind.
"""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from discovery.errors import TestbedError
from discovery.testbed.ledger import Recorder, Thing
from discovery.testbed.local import cgroups
from discovery.testbed.local.layout import Layout, LocalNode
from discovery.testbed.local.limits import Disk
from discovery.testbed.local.network import NAMESPACES
from discovery.testbed.processes import marked

# nspawn makes a folder per machine here, and leaves it when it is killed.
PROPAGATE = Path("/run/systemd/nspawn/propagate")
BOOT_TIMEOUT = 90.0
RETRY = 0.03
# How long (s) a node may take to enter its cgroup, before an empty one means that it has ended.
GRACE = 3.0


# Mounts a node's disk and becomes nspawn. Paths are relative, so that none needs quoting in a
# mount's options. nspawn takes what is mounted already for its own /tmp and /run.
_ON_ITS_DISK = """set -e
umask 022
name=$1 image=$2 disk=$3 size=$4 inodes=$5 run=$6
shift 6
mount -t tmpfs -o "mode=0755,size=${size}m,nr_inodes=$inodes" "$name" "$disk"
cd "$disk"
mkdir -m 0755 lower upper work root
mkdir -m 1777 tmp shm
mount --bind "$image" lower
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work "$name" root
mkdir -p root/tmp root/run
mount --bind tmp root/tmp
mount -t tmpfs -o "mode=0755,nosuid,nodev,size=${run}m" "$name" root/run
cd /
exec "$@"
"""


def boot(
    layout: Layout, image: Path, folder: Path, recorder: Recorder, disks: Mapping[str, Disk]
) -> None:
    """Start every node of ``layout``; their consoles are written below ``folder``.

    ``disks`` is what each may write, by alias.

    One shell starts them all in the background and ends: they belong to no process of ours, so a
    lease can outlive its run. Each puts itself into its cgroup before nspawn starts.
    """
    groups = cgroups.lease_cgroups(layout.tag)
    recorder.hold(
        *(Thing("cgroup", str(group)) for group in groups),
        *(Thing("folder", str(PROPAGATE / layout.node_namespace(node))) for node in layout.nodes),
    )
    for group in groups:
        for node in layout.nodes:
            (group / node.alias).mkdir(parents=True, exist_ok=True)
    (folder / "consoles").mkdir(exist_ok=True)
    (folder / "disk").mkdir(exist_ok=True)
    script = "\n".join(
        _start(
            layout,
            node,
            [group / node.alias for group in groups],
            image,
            folder,
            disks[node.alias],
        )
        for node in layout.nodes
    )
    # What every node has its own of needs no lock.
    environment = {**marked(folder), "SYSTEMD_NSPAWN_LOCK": "0"}
    done = subprocess.run(
        ["sh"], input=script, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode or done.stderr:
        raise TestbedError(f"The nodes could not be started: {done.stderr.strip()}")


def _start(
    layout: Layout,
    node: LocalNode,
    groups: Sequence[Path],
    image: Path,
    folder: Path,
    size: Disk,
) -> str:
    machine = layout.node_namespace(node)
    disk = folder / "disk"  # the same for all: each mounts its own there, in its own namespace
    command = [
        *("unshare", "--mount", "--propagation", "slave", "sh", "-c", _ON_ITS_DISK, "disk"),
        *(machine, str(image), str(disk)),
        *map(str, (size.rest_mb, size.inodes, size.run_mb)),
        *("setsid", "systemd-nspawn", "--quiet", f"--directory={disk / 'root'}"),
        *("--boot", f"--machine={machine}", f"--hostname={node.alias}"),
        *("--register=no", "--keep-unit", f"--network-namespace-path={NAMESPACES / machine}"),
        *("--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe"),
        "--capability=CAP_NET_ADMIN",  # a machine's root may shape its interfaces
        f"--bind={_bound(disk / 'shm')}:/dev/shm",
        f"--bind-ro={_bound(folder / 'id_ed25519.pub')}:/root/.ssh/authorized_keys",
        f"--bind-ro={_bound(folder / 'hosts')}:/etc/hosts",
    ]
    enter = "; ".join(f"echo 0 > {shlex.quote(str(group / 'cgroup.procs'))}" for group in groups)
    console = shlex.quote(str(console_file(folder, node.alias)))
    return f"({enter}; exec {shlex.join(command)}) </dev/null >{console} 2>&1 &"


def _bound(path: Path) -> str:
    """``path`` as nspawn reads it in the middle of an option."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def console_file(folder: Path, alias: str) -> Path:
    """What a node printed while it booted."""
    return folder / "consoles" / f"{alias}.log"


def wait_for_ssh(
    layout: Layout, image: Path, folder: Path, *, timeout: float = BOOT_TIMEOUT
) -> None:
    """Return when every node greets on port 22.

    A node that has ended, or does not greet within ``timeout`` seconds, is a
    :class:`TestbedError` that quotes the end of its console.
    """
    group = cgroups.lease_cgroups(layout.tag)[0]
    started = time.monotonic()
    for node in layout.nodes:
        while not _greets(layout.address(node)):
            waited = time.monotonic() - started
            ended = waited > GRACE and not any(cgroups.members(group / node.alias))
            if ended or waited > timeout:
                what = "ended while it booted" if ended else f"gave no SSH in {timeout:.0f} s"
                console = _tail(console_file(folder, node.alias))
                raise TestbedError(
                    f"Node {node.alias} {what}; its console ends with: "
                    f"{console.replace(str(folder / 'disk' / 'root'), str(image))}"
                )
            time.sleep(RETRY)


def _greets(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1.0) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _tail(console: Path) -> str:
    try:
        lines = console.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return "(nothing)"
    return " / ".join(line.strip() for line in lines if line.strip())[-300:] or "(nothing)"
