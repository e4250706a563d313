"""Placements of replicas: which sites are a zone, what is said in SQL, and what cannot be had."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.deploy.cockroach import zones

NINE = ["zone-1"] * 3 + ["zone-2"] * 3 + ["zone-3"] * 3


def test_nine_sites_are_three_groups_of_three_as_in_the_study():
    assert [zones.zone_of(site, 9) for site in range(1, 10)] == NINE
    assert [zones.zone_of(site, 3) for site in (1, 2, 3)] == ["zone-1", "zone-2", "zone-3"]
    assert zones.locality(5, 9) == "zone=zone-2,site=site-5"


@given(st.integers(3, 99))
def test_any_number_of_sites_is_in_three_zones_in_order(sites):
    found = [zones.zone_of(site, sites) for site in range(1, sites + 1)]
    assert found == sorted(found)
    sizes = [found.count(f"zone-{number}") for number in (1, 2, 3)]
    assert sum(sizes) == sites
    assert max(sizes) - min(sizes) <= 1


def test_the_clients_zone_has_the_client_of_light_load():
    assert zones.zone_of(2, 9) == zones.zone_of(2, 4) == zones.HOME


ZONES = {
    "anywhere": ("[]", "[]"),
    "spread": ('{"+zone=zone-1": 1, "+zone=zone-2": 1, "+zone=zone-3": 1}', "[]"),
    "two-of-three": ('{"+zone=zone-1": 2, "+zone=zone-3": 1}', '[["+zone=zone-1"]]'),
    "one-zone": ('["+zone=zone-1"]', '[["+zone=zone-1"]]'),
    "follow-the-workload": (
        '{"+zone=zone-1": 1, "+zone=zone-2": 1, "+zone=zone-3": 1}',
        "[]",
    ),
}


@pytest.mark.parametrize("name", zones.PLACEMENTS)
def test_a_placement_is_one_statement(name):
    constraints, leases = ZONES[name]
    assert zones.zone(name, "keystone") == (
        "ALTER DATABASE keystone CONFIGURE ZONE USING num_replicas = 3,"
        f" constraints = '{constraints}', lease_preferences = '{leases}';"
    )


@pytest.mark.parametrize("name", zones.PLACEMENTS)
def test_constraints_ask_for_as_many_replicas_as_there_are(name):
    asked = json.loads(re.search("constraints = '(.*?)'", zones.zone(name, "x"))[1])
    if isinstance(asked, dict):
        assert sum(asked.values()) == zones.REPLICAS
    wanted = zones.expected(name, ["x"])["x"]
    assert (wanted["least"], wanted["most"]) == (3, 3)
    assert sum(wanted["zones"].values()) == (3 if asked else 0)


def test_leases_move_to_the_workload_where_that_is_the_placement_and_as_in_the_study():
    follows = [name for name in zones.PLACEMENTS if "= true;" in zones.settings(name)[0]]
    assert follows == ["anywhere", "follow-the-workload"]
    for name in zones.PLACEMENTS:
        (setting,) = zones.settings(name)
        assert setting.startswith(
            "SET CLUSTER SETTING kv.allocator.load_based_lease_rebalancing.enabled = "
        )


def test_a_database_has_its_zone_before_anything_can_be_put_into_it():
    first, second, third, fourth = zones.databases("spread", ["keystone", "nova"])
    assert first == "CREATE DATABASE IF NOT EXISTS keystone;"
    assert second == zones.zone("spread", "keystone")
    assert (third, fourth) == ("CREATE DATABASE IF NOT EXISTS nova;", zones.zone("spread", "nova"))


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("anywhere", 3),
        ("spread", 3),
        ("two-of-three", 4),
        ("one-zone", 7),
        ("follow-the-workload", 3),
    ],
)
def test_a_placement_needs_so_many_sites(name, least):
    assert zones.least_sites(name) == least
    assert zones.lacks(name, least) is None
    assert zones.lacks(name, least - 1) is not None
    assert zones.lacks(name, 9) is None
    assert zones.lacks(name, 45) is None


def test_what_is_lacking_is_said():
    assert zones.lacks("two-of-three", 3) == (
        "placement two-of-three needs 2 servers in zone-1, and 3 sites have 1 there"
    )
    assert zones.lacks("anywhere", 2) == "3 replicas need 3 sites or more"


@given(st.sampled_from(list(zones.PLACEMENTS)), st.integers(1, 99))
def test_more_sites_never_take_a_placement_away(name, sites):
    if zones.lacks(name, sites) is None:
        assert zones.lacks(name, sites + 1) is None
