"""On which nodes Rally runs, which cloud each sees, and what runs there."""

from types import SimpleNamespace

import pytest

from discovery.deploy.credentials import Secrets
from discovery.experiment.load import load_cells
from discovery.workload.clients import keystone_clients, nova_clients
from discovery.workload.nova_scenarios import NOVA_SCENARIOS
from tests.raw.cells import make_cell
from tests.raw.nova_cells import STUDY

SECRETS = Secrets.fresh()
NODES = [
    SimpleNamespace(site=f"site-{number}", role=role, alias=f"site-{number}-{role}")
    for number in (1, 2, 3)
    for role in ("control", "client")
]
DEPLOYMENT = SimpleNamespace(
    database_nodes=[NODES[0]],
    urls={f"site-{number}": f"http://10.0.{number}.1:5000/v3" for number in (1, 2, 3)},
    admin=SECRETS.admin,
    users=SECRETS.load_users,
)


@pytest.mark.parametrize(
    ("load", "rally_on", "expected"),
    [
        ("light", "client-node", ["site-2-client"]),
        ("light", "database-node", ["site-1-control"]),
        ("high", "client-node", ["site-1-client", "site-2-client", "site-3-client"]),
        ("high", "database-node", ["site-1-control", "site-2-client", "site-3-client"]),
    ],
)
def test_clients_are_where_the_cell_wants_them(load, rally_on, expected):
    cell = make_cell(load=load).model_copy(update={"rally_on": rally_on})
    clients = keystone_clients(cell, NODES, DEPLOYMENT)
    assert [node.alias for node in clients.nodes] == expected
    assert clients.scenarios == list(cell.scenarios)
    for node in clients.nodes:
        cloud = clients.configs[node.alias]["environment"]["existing@openstack"]
        assert cloud["auth_url"] == DEPLOYMENT.urls[node.site]
        assert cloud["region_name"] == "RegionOne"


def test_novas_client_asks_the_apis_of_the_last_site():
    cell = next(one for one in load_cells(STUDY, "full") if one.workload == "rally")
    clients = [node for node in NODES if node.role == "client"]
    deployment = SimpleNamespace(
        of=lambda role: clients,
        keystone_url="http://10.0.1.2:5000/v3",
        admin=SECRETS.admin,
        users=SECRETS.load_users,
    )
    loaded = nova_clients(cell, deployment)
    assert [node.alias for node in loaded.nodes] == ["site-3-client"]
    assert loaded.scenarios == list(NOVA_SCENARIOS)
    config = loaded.configs["site-3-client"]
    assert config["environment"]["existing@openstack"]["region_name"] == "site-3"
    assert config["options"]["nova_server_boot_poll_interval"] == 0.1
    for task in config["tasks"].values():
        (workload,) = task["task"]["subtasks"][0]["workloads"]
        assert workload["runner"] == {"constant": {"times": cell.servers, "concurrency": 1}}
