"""The WAN of a lease, by the back end that its machines can run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from enoslib import Networks, Roles

from discovery.errors import WanError
from discovery.testbed.leases import Node
from discovery.testbed.ledger import Recorder
from discovery.testbed.wan.base import Wan
from discovery.testbed.wan.local import CONFIG, ForwarderWan
from discovery.testbed.wan.lone import LoneWan
from discovery.testbed.wan.netem import STATE, NetemWan
from discovery.testbed.wan.nodes import NodePing
from discovery.testbed.wan.probe import local_backend
from discovery.testbed.wan.remote import RemoteWan
from discovery.testbed.wan.sites import SiteNetwork


def attach(
    networks: Sequence[SiteNetwork], folder: Path, recorder: Recorder, nodes: Sequence[Node]
) -> Wan:
    """Joins the sites of a local lease, in this order, with no delay between them; one is alone.

    What it runs is found by a probe of the kernel. Its files go into the lease's ``folder``; what
    it makes is told to ``recorder`` first. Round trips are measured between the control nodes
    among ``nodes``. Raises :class:`WanError`, or MachineError if a program is missing.
    """
    if len(networks) == 1:
        return LoneWan(networks[0].name)
    ping = NodePing(nodes)
    if local_backend() == "netem":
        return NetemWan.start(networks, folder, recorder, ping)
    return ForwarderWan.start(networks, folder, recorder, ping)


def connect(folder: Path, recorder: Recorder, nodes: Sequence[Node] = ()) -> Wan:
    """The WAN that the local lease of ``folder`` has, to tell it something from another process.

    Without ``nodes`` it can be cut, healed and closed, but not measured, hence not shaped.
    """
    ping = NodePing(nodes) if nodes else None
    if (folder / CONFIG).exists():
        return ForwarderWan(folder, ping, recorder)
    if (folder / STATE).exists():
        return NetemWan(folder, ping, recorder)
    raise WanError(f"The lease of {folder} has no WAN: release it and take a new one.")


def attach_remote(nodes: Sequence[Node], roles: Roles, networks: Networks) -> Wan:
    """The WAN between real machines, with EnOSlib's ``roles`` and ``networks`` of the lease."""
    return RemoteWan(nodes, roles, networks, NodePing(nodes))
