"""Every name and address of a local testbed, from its lease's id and its prefix alone.

Site *i* is ``<prefix>.<i>.0/24``: ``.1`` its router, ``.11`` and up its nodes, ``.254`` this
machine, for control traffic. Names carry the lease's id and its state folder's mark, so that leases
of several state folders can stand side by side, and each finds its own; interfaces of the first
namespace have at most 15 characters, and therefore no mark.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_NODE = 11
CONTROL = 254


@dataclass(frozen=True)
class LocalNode:
    """A node: its alias, its site's number (from 1) and its own among the site's (from 0)."""

    alias: str
    site: int
    number: int


@dataclass(frozen=True)
class Layout:
    """The sites (by name) and nodes of lease ``lease`` under the address prefix ``prefix``.

    ``mark`` is the state folder's (see :func:`~discovery.testbed.home.home_mark`).
    """

    lease: str
    prefix: str
    sites: tuple[str, ...]
    nodes: tuple[LocalNode, ...]
    mark: str

    @property
    def tag(self) -> str:
        """What the name of every namespace, machine and cgroup of this lease starts with."""
        return f"dw-{self.lease}-{self.mark}"

    def network(self, site: int) -> str:
        """The site's LAN, in CIDR notation."""
        return f"{self.prefix}.{site}.0/24"

    def gateway(self, site: int) -> str:
        """The address of the site's router."""
        return f"{self.prefix}.{site}.1"

    def control(self, site: int) -> str:
        """This machine's own address in the site's LAN."""
        return f"{self.prefix}.{site}.{CONTROL}"

    def address(self, node: LocalNode) -> str:
        """The node's address."""
        return f"{self.prefix}.{node.site}.{FIRST_NODE + node.number}"

    def site_namespace(self, site: int) -> str:
        """The namespace of the site's router and bridge."""
        return f"{self.tag}-{self.sites[site - 1]}"

    def node_namespace(self, node: LocalNode) -> str:
        """The node's namespace; also the name of its machine."""
        return f"{self.tag}-{node.alias}"

    def link(self, site: int) -> str:
        """The interface through which this machine reaches the site."""
        return f"dw-{self.lease}-s{site}"

    @staticmethod
    def port(node: LocalNode) -> str:
        """The node's port of its site's bridge."""
        return f"n{FIRST_NODE + node.number}"

    @property
    def namespaces(self) -> list[str]:
        """All network namespaces."""
        sites = [self.site_namespace(site) for site in self.numbers]
        return sites + [self.node_namespace(node) for node in self.nodes]

    @property
    def numbers(self) -> range:
        """The sites' numbers, from 1."""
        return range(1, len(self.sites) + 1)

    def nodes_of(self, site: int) -> list[LocalNode]:
        """The site's nodes."""
        return [node for node in self.nodes if node.site == site]

    def hosts_file(self) -> str:
        """``/etc/hosts`` for every node: all nodes by alias."""
        lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"]
        lines += [f"{self.address(node)} {node.alias}" for node in self.nodes]
        return "\n".join(lines) + "\n"
