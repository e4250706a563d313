"""What a Nova control plane takes of memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discovery.deploy.backends import BACKENDS
from discovery.deploy.nova.layout import ours_on, roles_of
from discovery.deploy.nova.settings import NovaSettings
from discovery.deploy.variants import Variant

if TYPE_CHECKING:
    from discovery.testbed.leases import Role

# Proportional set sizes of whole nodes after a deployment and its health check, one worker each,
# with room for connections and for what a load leaves (seen: master 590, control 581, compute 133).
# A client is one with Rally at work, as in a Keystone deployment.
_MASTER_MB = 700
_CONTROL_MB = 750
_COMPUTE_MB = 180
_CLIENT_MB = 210
# A database node before its servers.
_NODE_MB = 25
# Fifty fake nodes were seen in a nova-compute of 157 MB, no larger than with a single one; so much
# is allowed for each all the same, since nova-scheduler and Placement know of every one.
FAKE_NODE_MB = 1
# One more process of nova-api, Placement, nova-conductor and nova-scheduler each.
_WORKER_MB = 450
# ROME's replicas in a control node's five processes (seen: 91 MB) or the master's four (seen: 112),
# room for their rows beside them.
_REPLICAS_MB = 150


def nova_memory_mb(
    variant: Variant, sites: int, settings: NovaSettings, redis_nodes: int | None = None
) -> int:
    """What a deployment of ``variant`` on ``sites`` sites takes, all nodes together."""
    kinds: dict[Role, int] = {
        "master": _MASTER_MB,
        "control": _CONTROL_MB + (settings.workers - 1) * _WORKER_MB,
        "compute": _COMPUTE_MB + settings.fake_nodes * FAKE_NODE_MB,
        "client": _CLIENT_MB,
        "database": _NODE_MB,
    }
    for role in kinds:
        if ours_on(variant, role):
            kinds[role] += _REPLICAS_MB
    roles = [role for site in roles_of(variant, sites, redis_nodes) for role in site]
    # The first database node has a server of every back end, the others of one that is everywhere.
    everywhere = [name for name in variant.stores if BACKENDS[name].placement == "every-site"]
    servers = sum(BACKENDS[name].memory_mb for name in variant.stores)
    servers += (roles.count("database") - 1) * sum(BACKENDS[name].memory_mb for name in everywhere)
    return sum(kinds[role] for role in roles) + servers
