"""What ``discovery testbed …`` does, as functions that return the lines to show."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

from discovery.errors import TestbedError, WanError, shortened
from discovery.testbed import down as ledger_side
from discovery.testbed.access import Access, read_access
from discovery.testbed.config import Testbed
from discovery.testbed.down import HeldLease
from discovery.testbed.factory import keep
from discovery.testbed.home import lease_folder, ledger_path
from discovery.testbed.ledger import Ledger, Recorder
from discovery.testbed.wan.ailing import ailment
from discovery.testbed.wan.base import Wan

WORKERS = 8


def up(testbed: Testbed, sites: int) -> list[str]:
    """Lease ``sites`` sites and keep them until ``down``; one line per node."""
    started = time.monotonic()
    lease = keep(testbed, sites=sites, purpose="discovery testbed up")
    seconds = time.monotonic() - started
    return [
        *(f"{node.alias:<18} {node.address:<15} {node.site}" for node in lease.nodes),
        f"lease {lease.id}: {len(lease.nodes)} nodes in {seconds:.1f} s; "
        "`discovery testbed down` releases them",
    ]


def list_held() -> list[str]:
    """One line per lease that is held, and below it one per node, and one if its WAN is dead."""
    lines: list[str] = []
    for item in ledger_side.held(elsewhere=True):
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(item.since))
        whose = f" by process {item.pid}" if item.living else ""
        lines.append(
            f"{item.id}  {item.provider}  {item.state}{whose}  since {since}  {item.purpose}  "
            f"({item.things} things)"
        )
        if item.state != "stale":
            nodes = _nodes_if_whole(item)
            lines += [f"    {node.alias:<18} {node.address}" for node in nodes]
            ill = ailment(lease_folder(item.id)) if nodes else None
            if ill:
                lines.append(f"    its WAN is dead: {ill}")
    return lines or ["nothing is held"]


def ssh(alias: str) -> NoReturn:
    """Become an ssh to the node ``alias`` of the newest lease."""
    _, nodes = _current()
    (node,) = _choose(nodes, alias, exactly_one=True)
    os.execvp("ssh", node.command())


def run(command: str, on: str = "all") -> Iterator[str]:
    """Run ``command`` on a node, a site, a role or ``all``; each node's output, as it ends.

    Nodes are reached outside the WAN, so a dead one is told on standard error and hinders nothing.
    Raises a :class:`TestbedError` at the end if it failed anywhere.
    """
    folder, nodes = _current()
    failed: list[str] = []

    def on_node(node: Access) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*node.command(), command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    chosen = _choose(nodes, on)
    ill = ailment(folder)
    if ill:
        print(f"The WAN of lease {folder.name} is dead: {ill}", file=sys.stderr, flush=True)
    with ThreadPoolExecutor(WORKERS) as pool:
        for node, done in zip(chosen, pool.map(on_node, chosen), strict=True):
            yield from (f"{node.alias}: {line}" for line in done.stdout.splitlines())
            if done.returncode:
                failed.append(f"{node.alias} (exit code {done.returncode})")
    if failed:
        raise TestbedError(f"`{shortened(command)}` failed on {', '.join(failed)}.")


def cut(sites: Sequence[str]) -> str:
    """Part ``sites`` from all the others, in the newest lease, and say so."""
    wan = _wan()
    wan.cut(sites)
    left = [site for site in wan.sites if site not in sites]
    return f"cut {', '.join(sites)} off from {', '.join(left)}; `discovery testbed heal` undoes it"


def heal() -> str:
    """Undo every cut of the newest lease, and say so."""
    wan = _wan()
    wan.heal()
    return f"no cut is left between {', '.join(wan.sites)}"


def down(*, every: bool = False, stale: bool = False) -> list[str]:
    """Release what no living run uses; ``stale``: only what dead runs left; ``every``: all."""
    if every:
        released = ledger_side.release_all()
    elif stale:
        released = ledger_side.release_idle({"stale"})
    else:
        released = ledger_side.release_idle({"kept", "stale"})
    lines = [f"released {item.id}  {item.state}  {item.purpose}" for item in released]
    return lines or ["nothing to release"]


def _current() -> tuple[Path, list[Access]]:
    leases = [item for item in ledger_side.held() if item.state != "stale"]
    if not leases:
        raise TestbedError("No lease is held; lease nodes with `discovery testbed up`.")
    folder = lease_folder(leases[-1].id)
    return folder, read_access(folder)


def _choose(nodes: list[Access], on: str, *, exactly_one: bool = False) -> list[Access]:
    for chosen in (
        [node for node in nodes if node.alias == on],
        [node for node in nodes if not exactly_one and on in (node.site, node.role, "all")],
    ):
        if chosen:
            return chosen
    known = [node.alias for node in nodes]
    if not exactly_one:
        known += [*dict.fromkeys(node.site for node in nodes), "control", "client", "all"]
    raise TestbedError(
        f"There is no {shortened(repr(on))} in this lease; there are {', '.join(known)}."
    )


def _nodes_if_whole(item: HeldLease) -> list[Access]:
    try:
        return read_access(lease_folder(item.id))
    except TestbedError:
        return []


def _wan() -> Wan:
    from discovery.testbed.wan.attach import connect  # noqa: PLC0415 (loads EnOSlib: 1.5 s)

    folder, _ = _current()
    try:
        return connect(folder, Recorder(Ledger(ledger_path()), folder.name))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise WanError(
            f"What {folder} says of the lease's WAN cannot be read; release the lease with "
            "`discovery testbed down` and take a new one."
        ) from None
