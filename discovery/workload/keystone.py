"""A Keystone on every site, which Rally loads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from discovery.deploy import Deployment, deploy, memory_mb
from discovery.deploy.cockroach import zones
from discovery.experiment.cells import Cell
from discovery.testbed import Lease
from discovery.testbed.leases import Role
from discovery.workload import probes, replays
from discovery.workload.clients import keystone_clients
from discovery.workload.load import Clients
from discovery.workload.phases import PhaseClock
from discovery.workload.subject import Step, Tell


class KeystoneSubject:
    """The Keystones of ``cell`` and their database; see :class:`Subject`."""

    held: Lease
    deployment: Deployment
    clients: Clients

    def __init__(self, cell: Cell, tell: Tell) -> None:
        self.cell = cell
        self.tell = tell

    @property
    def memory_mb(self) -> int:
        """MB that all its nodes will use, under load."""
        cell = self.cell
        processes = cell.keystone.processes
        return memory_mb(cell.backend, cell.sites, load=cell.load, processes=processes)

    @property
    def roles(self) -> Sequence[Sequence[Role]] | None:
        """The usual ones: on every site a control node and a client."""
        return None

    def deploy(self, held: Lease, clock: PhaseClock) -> Deployment:
        """Deploy the back end and the Keystones."""
        cell = self.cell
        self.held = held
        self.deployment = deploy(
            held,
            cell.backend,
            cell.keystone,
            cell.database,
            clock,
            placement=cell.placement or zones.DEFAULT,
        )
        return self.deployment

    def prepare(self) -> None:
        """Start Rally, and the sampling of nodes and servers."""
        self.clients = keystone_clients(self.cell, self.held.nodes, self.deployment)
        self.clients.start()
        servers = self.deployment.database_nodes
        probes.start(self.held.nodes, self.deployment.query_counters, servers)

    def steps(self, folder: Path) -> list[tuple[str, Step]]:
        """Warm up, then every scenario."""
        return [("warm-up", self.clients.warm_up), ("load", lambda: self.clients.load(self.tell))]

    def collect(self, folder: Path) -> None:
        """Samples, Rally's reports, and what was replayed."""
        probes.collect(self.held.nodes, folder)
        self.clients.report(folder / "rally")
        replays.collect(self.deployment, folder)
