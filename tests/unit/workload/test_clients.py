"""On which nodes Rally runs."""

from types import SimpleNamespace

import pytest

from discovery.workload.load import Clients
from tests.raw.cells import make_cell

NODES = [
    SimpleNamespace(site=f"site-{number}", role=role, alias=f"site-{number}-{role}")
    for number in (1, 2, 3)
    for role in ("control", "client")
]
DEPLOYMENT = SimpleNamespace(database_nodes=[NODES[0]])


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
    assert [node.alias for node in Clients(cell, NODES, DEPLOYMENT).nodes] == expected
