"""Which nodes load a cell, and as whom: Rally's clients of a Keystone and of a Nova."""

from __future__ import annotations

from collections.abc import Sequence

from discovery.deploy import Deployment
from discovery.deploy.nova import NovaDeployment
from discovery.deploy.nova.deployment import FLAVORS, IMAGE
from discovery.experiment.cells import Cell
from discovery.experiment.nova_cells import NovaCell
from discovery.testbed import Node
from discovery.workload import rally_task
from discovery.workload.load import Clients
from discovery.workload.nova_scenarios import NOVA_SCENARIOS, POLLING, nova_tasks

# One user of each of two projects: Rally logs every one of them in before each scenario.
_EVERY = 3


def keystone_clients(cell: Cell, nodes: Sequence[Node], deployment: Deployment) -> Clients:
    """The clients of ``cell`` among ``nodes``: one under ``light`` load, all under ``high``.

    Under ``light`` load it is site 2's: site 1 has the server of the one-server back ends, and a
    client beside it would never see the WAN. A cell whose Rally is to run on the database's node,
    as the 2018 study's did, has its first client on site 1's control node instead.
    """
    clients = [node for node in nodes if node.role == "client"]
    if cell.rally_on == "database-node":
        beside = deployment.database_nodes[:1]
        chosen = [*beside, *clients[1:]] if cell.load == "high" else beside
    else:
        chosen = clients if cell.load == "high" else [clients[1]]
    admin = deployment.admin.as_rally()
    users = [user.as_rally() for user in deployment.users[::_EVERY]]
    environments = {
        node.alias: rally_task.environment(deployment.urls[node.site], admin, users)
        for node in chosen
    }
    return Clients(chosen, rally_task.tasks(cell), environments)


def nova_clients(cell: NovaCell, deployment: NovaDeployment) -> Clients:
    """The one client of ``cell``, on the last site, which asks that site's own APIs.

    It is far from site 1, where Keystone and the one server of some back ends are.
    """
    chosen = deployment.of("client")[-1:]
    tasks = nova_tasks(
        NOVA_SCENARIOS, IMAGE["name"], FLAVORS[0]["name"], times=cell.servers, concurrency=1
    )
    users = [user.as_rally() for user in deployment.users[::_EVERY]]
    environments = {
        node.alias: rally_task.environment(
            deployment.keystone_url, deployment.admin.as_rally(), users, region=node.site
        )
        for node in chosen
    }
    return Clients(chosen, tasks, environments, POLLING)
