"""What is refused before anything is made, and what a cut parts."""

from pathlib import Path

import pytest

from discovery.errors import WanError
from discovery.testbed.wan import SiteNetwork
from discovery.testbed.wan.sites import check_delays, check_sites, crossing_pairs

NAMES = ["site-1", "site-2", "site-3"]


def site(name: str, cidr: str) -> SiteNetwork:
    return SiteNetwork(name, Path("/run/netns/none"), cidr, cidr.replace(".0/24", ".1"))


@pytest.mark.parametrize(
    ("delays", "said"),
    [
        ([[0, 1], [1, 0]], r"matrix is 2 x 2 but there are 3 sites"),
        ([[0, 1, 1], [1, 0], [1, 1, 0]], r"matrix is 3 x 2/3 but"),
        ([], "matrix is 0 x 0"),
        ([[0, 1, 1], [1, 0, -5], [1, 1, 0]], "from site-2 to site-3 is -5 ms"),
        ([[0, 1, 1], [1, 0, float("nan")], [1, 1, 0]], "from site-2 to site-3 is nan ms"),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused(delays, said):
    with pytest.raises(WanError, match=said):
        check_delays(delays, NAMES)


def test_a_fitting_matrix_passes():
    check_delays([[0, 1, 2], [3, 0, 4], [5, 6, 0]], NAMES)


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ([site("a", "10.0.1.0/24")], "at least two sites"),
        ([site("a", "10.0.1.0/24"), site("a", "10.0.2.0/24")], "one name"),
        ([site("a", "10.0.1.0/24"), site("b", "10.0.0.0/16")], "overlap"),
    ],
)
def test_sites_that_cannot_be_joined_are_refused(networks, said):
    with pytest.raises(WanError, match=said):
        check_sites(networks)


def test_a_cut_parts_its_sites_from_the_others_only():
    assert crossing_pairs(["site-3"], NAMES) == [
        ("site-1", "site-3"),
        ("site-2", "site-3"),
        ("site-3", "site-1"),
        ("site-3", "site-2"),
    ]
    assert ("site-1", "site-2") not in crossing_pairs(["site-1", "site-2"], NAMES)
    assert crossing_pairs(NAMES, NAMES) == []


def test_an_unknown_site_is_named():
    with pytest.raises(WanError, match=r"no site 'site-9' .* site-1, site-2, site-3"):
        crossing_pairs(["site-9"], NAMES)
