"""A lease: nodes held, grouped in sites, with a WAN between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from discovery.testbed.wan.base import Wan

if TYPE_CHECKING:  # forwarders and samplers import this package, and EnOSlib takes 1.5 s
    from enoslib import Host, Networks, Roles

Role = Literal["control", "client", "master", "compute", "database"]

# What every site has where a lease asks for nothing else: Keystone's two nodes.
ROLES: tuple[Role, ...] = ("control", "client")


@dataclass(frozen=True)
class Place:
    """A node that is asked for: its site, its role, its number among the site's of that role."""

    site: str
    role: Role
    number: int = 1

    @property
    def alias(self) -> str:
        """The node's name: ``site-1-control``, and of a second one ``site-1-control-2``."""
        return f"{self.site}-{self.role}" + (f"-{self.number}" if self.number > 1 else "")


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
    _look: Callable[[], None] = field(repr=False, default=lambda: None)
    _released: bool = field(default=False, init=False, repr=False)

    def look(self) -> None:
        """Raise a :class:`discovery.errors.TestbedError` if a node or the WAN has died.

        Cheap enough for once a second; it says nothing of what runs on the nodes.
        """
        self._look()
        self.wan.pulse()

    def release(self) -> None:
        """Give everything back; a second call does nothing."""
        if not self._released:
            self._release()
            self._released = True


def site_names(count: int) -> tuple[str, ...]:
    """``site-1`` … ``site-<count>``."""
    return tuple(f"site-{number}" for number in range(1, count + 1))


def places(roles: Sequence[Sequence[Role]]) -> tuple[Place, ...]:
    """The nodes of ``site-1`` … with the roles that each has; a role named twice is two nodes."""
    return tuple(
        Place(site, role, wanted[: position + 1].count(role))
        for site, wanted in zip(site_names(len(roles)), roles, strict=True)
        for position, role in enumerate(wanted)
    )


def alias(site: str, role: Role) -> str:
    """The name of a site's first node of ``role``: ``site-1-control``."""
    return Place(site, role).alias
