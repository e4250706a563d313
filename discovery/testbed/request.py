"""What is asked of a provider, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from discovery.testbed.leases import Node
from discovery.testbed.ledger import Recorder
from discovery.testbed.wan.base import Wan

if TYPE_CHECKING:
    from enoslib import Networks, Roles


@dataclass(frozen=True)
class Request:
    """What is asked of a provider.

    ``folder`` exists and is removed with the lease; whatever else is made is told to ``recorder``
    before. ``sites`` are names; each gets a node for every role in
    :data:`discovery.testbed.leases.ROLES`.
    """

    lease: str
    purpose: str
    sites: tuple[str, ...]
    folder: Path
    recorder: Recorder


@dataclass(frozen=True)
class Opened:
    """What a provider gives: EnOSlib's roles and networks, the nodes, and the WAN between sites."""

    roles: Roles
    networks: Networks
    nodes: list[Node]
    wan: Wan
