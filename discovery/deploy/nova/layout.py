"""Which nodes a Nova control plane has, and which of them runs what.

The 2017 study counts the traffic between kinds of nodes (its Table III and Figure 8), so each kind
is nodes of its own: ``master`` (Keystone, Glance, Neutron, RabbitMQ; on site 1 alone), ``control``
(nova-api, nova-conductor, nova-scheduler, Placement), ``compute``, ``database`` and ``client`` (the
load). A node that idles costs 25 MB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from discovery.deploy.backends import BACKENDS
from discovery.deploy.drivers import serves
from discovery.deploy.variants import Variant

if TYPE_CHECKING:
    from discovery.testbed.leases import Node, Role

CLUSTER = "rome-cluster"

# The databases that are used on each kind of node.
_USED_ON: Mapping[str, tuple[str, ...]] = {
    "master": ("keystone", "glance", "neutron"),
    "control": ("placement", "nova_api", "nova_cell0", "nova_cell1"),
}

# A cluster's databases are dealt out to its masters in this order, that of how much each is asked.
_BUSIEST = ("nova_cell1", "nova_api", "placement", "nova_cell0", "keystone", "neutron", "glance")


def roles_of(
    variant: Variant, sites: int, redis_nodes: int | None = None
) -> list[tuple[Role, ...]]:
    """The roles of each site's nodes, as a lease wants them.

    ``redis_nodes`` is the number of a Redis Cluster's masters, all on site 1; one per site if not
    given. Each has ``variant.replicas`` beside it, on nodes of their own.
    """
    everywhere = any(BACKENDS[name].placement == "every-site" for name in variant.stores)
    found: list[tuple[Role, ...]] = []
    for number in range(sites):
        databases = 0
        if CLUSTER in variant.stores and redis_nodes is not None:
            databases = redis_nodes * (1 + variant.replicas) if number == 0 else 0
        elif everywhere:
            databases = 1 + variant.replicas
        elif number == 0:
            databases = 1
        master: tuple[Role, ...] = ("master",) if number == 0 else ()
        stores: list[Role] = ["database"] * databases
        found.append((*master, "control", "compute", *stores, "client"))
    return found


def ours_on(variant: Variant, role: Role) -> bool:
    """Whether a service on the nodes of ``role`` reaches its database by a driver of ours."""
    backends = (variant.backends[service] for service in _USED_ON.get(role, ()))
    return any(serves(BACKENDS[backend].url) for backend in backends)


def servers_of(
    backend: str, variant: Variant, nodes: Sequence[Node], redis_nodes: int | None = None
) -> tuple[list[Node], dict[str, str]]:
    """The nodes with a server of ``backend``, masters first, and each replica's master by alias.

    The first of them founds a cluster. A replica is at the site after its master's, where there
    is one.
    """
    by_site: dict[str, list[Node]] = {}
    for node in nodes:
        if node.role == "database":
            by_site.setdefault(node.site, []).append(node)
    first = next(iter(by_site.values()))
    if BACKENDS[backend].placement == "first-site":
        return first[:1], {}
    if backend != CLUSTER:
        return [own[0] for own in by_site.values()], {}
    if redis_nodes is not None:
        masters, others = first[:redis_nodes], first[redis_nodes:]
        pairs = {
            replica.alias: masters[number % redis_nodes].alias
            for number, replica in enumerate(others)
        }
        return [*masters, *others], pairs
    masters = [own[0] for own in by_site.values()]
    others = [node for own in by_site.values() for node in own[1:]]
    sites = list(by_site)
    pairs = {
        replica.alias: masters[(sites.index(replica.site) - number) % len(sites)].alias
        for replica in others
        for number in [by_site[replica.site].index(replica)]
    }
    return [*masters, *others], pairs


def homes(masters: Sequence[str], services: Sequence[str]) -> dict[str, str]:
    """The master of a Redis Cluster that each database is put on; a database is never split."""
    ordered = [service for service in _BUSIEST if service in services]
    return {service: masters[number % len(masters)] for number, service in enumerate(ordered)}
