"""What is asked of a provider, and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from discovery.testbed.leases import Node, Place
from discovery.testbed.ledger import Recorder
from discovery.testbed.wan.base import Wan

if TYPE_CHECKING:
    from enoslib import Networks, Roles


@dataclass(frozen=True)
class Request:
    """What is asked of a provider.

    ``folder`` exists and is removed with the lease; whatever else is made is told to ``recorder``
    before. ``places`` are the nodes, site by site.
    """

    lease: str
    purpose: str
    places: tuple[Place, ...]
    folder: Path
    recorder: Recorder

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites' names, in their order."""
        return tuple(dict.fromkeys(place.site for place in self.places))


@dataclass(frozen=True)
class Opened:
    """What a provider gives: EnOSlib's roles and networks, the nodes, and the WAN between sites.

    ``look`` raises a :class:`discovery.errors.TestbedError` if a node has died, where the provider
    can tell at once: it is asked every second. Elsewhere ssh notices, in half a minute.
    """

    roles: Roles
    networks: Networks
    nodes: list[Node]
    wan: Wan
    look: Callable[[], None] = lambda: None
