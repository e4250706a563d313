"""One Nova over all sites, which boots many servers at once or is loaded by Rally."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from discovery.deploy.nova import NovaDeployment, deploy_nova, nova_memory_mb, roles_of
from discovery.deploy.nova.settings import PROBE_FOLDER
from discovery.experiment.nova_cells import NovaCell
from discovery.testbed import Lease
from discovery.testbed.leases import Role
from discovery.workload import calls, probes, traffic
from discovery.workload.nova_loads import Load, load_of
from discovery.workload.phases import PhaseClock
from discovery.workload.subject import Step, Tell


class NovaSubject:
    """The control plane of ``cell``; see :class:`Subject`.

    A server that fails is a row of the results, and breaks nothing.
    """

    held: Lease
    deployment: NovaDeployment
    load: Load

    def __init__(self, cell: NovaCell, tell: Tell) -> None:
        self.cell = cell
        self.tell = tell

    @property
    def memory_mb(self) -> int:
        """MB that all its nodes will use, under load."""
        cell = self.cell
        return nova_memory_mb(cell.deployed, cell.sites, cell.settings, cell.redis_nodes)

    @property
    def roles(self) -> Sequence[Sequence[Role]] | None:
        """A node for each kind of service, where the variant has one."""
        return roles_of(self.cell.deployed, self.cell.sites, self.cell.redis_nodes)

    def deploy(self, held: Lease, clock: PhaseClock) -> NovaDeployment:
        """Deploy the data stores, then all services."""
        cell = self.cell
        self.held = held
        self.deployment = deploy_nova(
            held,
            cell.deployed,
            cell.keystone,
            cell.database,
            cell.settings,
            clock,
            redis_nodes=cell.redis_nodes,
        )
        return self.deployment

    def prepare(self) -> None:
        """Start the clients, the sampling of nodes and servers, and the count of bytes."""
        deployment, store = self.deployment, self.cell.backend
        self.load = load_of(self.cell, deployment, self.tell)
        self.load.prepare()
        counters = deployment.query_counters(store)
        probes.start(self.held.nodes, counters, deployment.servers(store))
        traffic.start(self.held.nodes)

    def steps(self, folder: Path) -> list[tuple[str, Step]]:
        """Those of the load."""
        return self.load.steps(folder)

    def collect(self, folder: Path) -> None:
        """Bytes, samples, calls of the data-access layer, and what the clients saw."""
        traffic.collect(self.held.nodes, folder)
        probes.collect(self.held.nodes, folder)
        calls.collect(self.deployment.of("control"), PROBE_FOLDER, folder)
        self.load.report(folder)
