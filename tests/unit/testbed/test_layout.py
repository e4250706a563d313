from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from discovery.testbed.leases import ROLES, alias, site_names
from discovery.testbed.local.layout import Layout, LocalNode


def layout(sites: int, lease: str = "a1b2c3") -> Layout:
    names = site_names(sites)
    nodes = tuple(
        LocalNode(alias(site, role), number, position)
        for number, site in enumerate(names, 1)
        for position, role in enumerate(ROLES)
    )
    return Layout(lease, "10.77", names, nodes, "0123abcd")


def test_addresses_and_names_of_a_site():
    plan = layout(3)
    control, client = plan.nodes_of(2)
    assert (control.alias, client.alias) == ("site-2-control", "site-2-client")
    assert plan.network(2) == "10.77.2.0/24"
    assert plan.gateway(2) == "10.77.2.1"
    assert [plan.address(node) for node in (control, client)] == ["10.77.2.11", "10.77.2.12"]
    assert plan.site_namespace(2) == "dw-a1b2c3-0123abcd-site-2"
    assert plan.node_namespace(client) == "dw-a1b2c3-0123abcd-site-2-client"
    assert "10.77.2.12 site-2-client" in plan.hosts_file().splitlines()


@given(st.integers(2, 99), st.text("0123456789abcdef", min_size=6, max_size=6))
def test_names_fit_and_nothing_is_given_twice(sites, lease):
    plan = layout(sites, lease)
    links = [plan.link(site) for site in plan.numbers]
    ports = [plan.port(node) for node in plan.nodes]
    assert all(len(name) <= 15 for name in links + ports)
    assert len(set(links)) == sites
    assert len(set(plan.namespaces)) == 3 * sites
    assert all(len(name) <= 64 for name in plan.namespaces)  # a machine's name
    addresses = [plan.address(node) for node in plan.nodes]
    addresses += [plan.gateway(site) for site in plan.numbers]
    addresses += [plan.control(site) for site in plan.numbers]
    assert len(set(addresses)) == 4 * sites
    for node in plan.nodes:
        network = ipaddress.ip_network(plan.network(node.site))
        assert ipaddress.ip_address(plan.address(node)) in network
