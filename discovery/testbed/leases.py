"""A lease: nodes held, grouped in sites, with a WAN between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from discovery.testbed.wan.base import Wan

if TYPE_CHECKING:  # forwarders and samplers import this package, and EnOSlib takes 1.5 s
    from enoslib import Host, Networks, Roles

Role = Literal["control", "client"]
ROLES: tuple[Role, ...] = ("control", "client")


@dataclass(frozen=True)
class Node:
    """A machine of a site. ``address`` is its IPv4 address on the testbed network.

    ``host`` is EnOSlib's, reached outside the WAN.
    """

    alias: str
    site: str
    role: Role
    address: str
    host: Host


@dataclass
class Lease:
    """Nodes held until :meth:`release`. ``folder`` is removed with it."""

    id: str
    provider: str
    purpose: str
    sites: tuple[str, ...]
    folder: Path
    roles: Roles
    networks: Networks
    nodes: list[Node]
    wan: Wan
    _release: Callable[[], None] = field(repr=False)
    _released: bool = field(default=False, init=False, repr=False)

    def release(self) -> None:
        """Give everything back; a second call does nothing."""
        if not self._released:
            self._release()
            self._released = True


def site_names(count: int) -> tuple[str, ...]:
    """``site-1`` … ``site-<count>``."""
    return tuple(f"site-{number}" for number in range(1, count + 1))


def alias(site: str, role: Role) -> str:
    """The name of a site's node: ``site-1-control``."""
    return f"{site}-{role}"
