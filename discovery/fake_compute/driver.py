"""Nova's own fake driver, with several nodes, each of a size and a use of its own.

Nodes are called ``<host>-node-001`` and so on; a node's UUID is made of its name, so that a restart
finds its records again. Servers live in memory: after a restart nova-compute makes none of them
anew, and says so in its log, as with Nova's own fake driver.
"""

from __future__ import annotations

import uuid
from typing import Any

import nova.conf
from nova import exception
from nova.virt import fake

from discovery.fake_compute.settings import GROUP, OPTIONS

_NAMES = uuid.UUID("3f0a8a3e-0b3a-5c0e-9c53-1b6c1d7d3a51")
"""Any constant would do; another one would make other UUIDs."""

CONF = nova.conf.CONF


def node_names(host: str, count: int) -> list[str]:
    """The names of a host's nodes."""
    return [f"{host}-node-{number:03d}" for number in range(1, count + 1)]


def node_uuid(name: str) -> str:
    """Of the node called ``name``, always the same."""
    return str(uuid.uuid5(_NAMES, name))


class ManyNodes(fake.FakeDriver):  # type: ignore[misc] # Nova has no types
    """``compute_driver = discovery.ManyNodes``; options in ``[discovery_nodes]``."""

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        CONF.register_opts(OPTIONS, group=GROUP)
        given = CONF[GROUP]
        self.vcpus, self.memory_mb, self.local_gb = given.vcpus, given.memory_mb, given.disk_gb
        super().__init__(virtapi, read_only)
        self._used: dict[str, Any] = {}
        self._node_of: dict[str, str] = {}

    def init_host(self, host: str) -> None:
        """The nodes of ``host``, all of them free."""
        self._host = host
        self._set_nodes(node_names(host, CONF[GROUP].count))
        self._used = {name: self._resources() for name in self._nodes}

    def _resources(self) -> Any:
        return fake.Resources(self.vcpus, self.memory_mb, self.local_gb)

    def get_nodenames_by_uuid(self, refresh: bool = False) -> dict[str, str]:
        """Every node's name by its UUID."""
        return {node_uuid(name): name for name in self.get_available_nodes(refresh)}

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        """What the node has, and what of it is used; nothing where it is not ours."""
        status: dict[str, Any] = super().get_available_resource(nodename)
        if status:
            status.update(self._used[nodename].dump())
            status["uuid"] = node_uuid(nodename)
        return status

    def spawn(self, context: Any, instance: Any, *arguments: Any, **options: Any) -> None:
        """Run ``instance`` on the node that it was scheduled to.

        Raises:
            nova.exception.ComputeHostNotFound: this nova-compute has no such node.
        """
        used = self._used.get(instance.node)
        if used is None:
            raise exception.ComputeHostNotFound(host=instance.node)
        super().spawn(context, instance, *arguments, **options)
        if instance.uuid not in self._node_of:
            self._node_of[instance.uuid] = instance.node
            used.claim(*_size(instance))

    def destroy(self, context: Any, instance: Any, *arguments: Any, **options: Any) -> None:
        """End ``instance``; its node has its resources again, wherever Nova says it is now."""
        super().destroy(context, instance, *arguments, **options)
        node = self._node_of.pop(instance.uuid, None)
        if node is not None:
            self._used[node].release(*_size(instance))

    def servers_on(self, nodename: str) -> list[str]:
        """The UUIDs of the servers that run on a node."""
        return [server for server, node in self._node_of.items() if node == nodename]


def _size(instance: Any) -> tuple[int, int, int]:
    flavor = instance.flavor
    return flavor.vcpus, flavor.memory_mb, flavor.root_gb
