from __future__ import annotations

from discovery.testbed.leases import ROLES, places


def test_a_role_named_twice_is_two_nodes_with_names_of_their_own():
    wanted = places([("master", "database", "database"), ("database",)])
    assert [place.alias for place in wanted] == [
        "site-1-master",
        "site-1-database",
        "site-1-database-2",
        "site-2-database",
    ]
    assert [place.site for place in wanted] == ["site-1"] * 3 + ["site-2"]


def test_a_site_has_a_control_and_a_client_node_where_nothing_else_is_asked():
    assert [place.alias for place in places([ROLES])] == ["site-1-control", "site-1-client"]
