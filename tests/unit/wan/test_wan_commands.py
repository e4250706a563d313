"""What the forwarder does when told, on links without devices."""

from collections import deque
from random import Random
from types import SimpleNamespace

import pytest

from discovery.testbed.wan.commands import answer
from discovery.testbed.wan.link import Link

SHAPE = {"do": "shape", "delays_ms": [[0, 5], [10, 0]], "jitter_ms": 1, "loss_percent": 2}


@pytest.fixture
def emulation():
    pairs = [(0, 1), (1, 0)]
    return SimpleNamespace(
        names=["site-1", "site-2"],
        links={pair: Link(Random(1)) for pair in pairs},
        devices=[],
        scheduling="normal",
        stopping=False,
        not_ipv4=0,
        unknown_destination=0,
        refused=0,
        worst_lateness=0.1,
        stalls=deque([{"time": 1e9, "seconds": 3.0}]),
        changed=lambda: None,
    )


def test_shape_sets_every_pair_in_its_own_direction(emulation):
    reply = answer(emulation, {**SHAPE, "rate_mbit": 8})
    there, back = emulation.links[0, 1], emulation.links[1, 0]
    assert (there.delay, back.delay) == (0.005, 0.01)
    assert (there.jitter, there.loss, there.seconds_per_byte) == (0.001, 0.02, 1e-6)
    assert reply["time"] > 1e9


@pytest.mark.parametrize(
    "wrong",
    [
        {"delays_ms": [[0, 5, 1], [10, 0, 1]]},
        {"delays_ms": [[0, 5]]},
        {"delays_ms": [[0, -5], [10, 0]]},
        {"delays_ms": [[0, "x"], [10, 0]]},
        {"jitter_ms": -1},
        {"loss_percent": 101},
        {"rate_mbit": -1},
    ],
)
def test_a_wrong_shape_changes_nothing(emulation, wrong):
    answer(emulation, {**SHAPE, "rate_mbit": None})
    with pytest.raises((ValueError, TypeError)):
        answer(emulation, {**SHAPE, "rate_mbit": None, "delays_ms": [[0, 7], [7, 0]], **wrong})
    assert [link.delay for link in emulation.links.values()] == [0.005, 0.01]


def test_cut_takes_down_the_named_direction_and_heal_all(emulation):
    answer(emulation, {"do": "cut", "pairs": [["site-2", "site-1"]]})
    assert [link.up for link in emulation.links.values()] == [True, False]
    answer(emulation, {"do": "heal"})
    assert [link.up for link in emulation.links.values()] == [True, True]


def test_cut_of_an_unknown_site_changes_nothing(emulation):
    with pytest.raises(KeyError):
        answer(emulation, {"do": "cut", "pairs": [["site-1", "site-2"], ["site-1", "site-9"]]})
    assert [link.up for link in emulation.links.values()] == [True, True]


def test_status_counts_per_pair(emulation):
    emulation.links[0, 1].enter(0.0, b"x" * 100, 100, 1)
    status = answer(emulation, {"do": "status"})
    assert status["worst_lateness_ms"] == 100.0
    first = status["pairs"][0]
    assert (first["source"], first["destination"]) == ("site-1", "site-2")
    assert (first["packets"], first["bytes"], first["under_way"]) == (1, 100, 1)


def test_unknown_requests_are_refused_with_the_known_ones(emulation):
    with pytest.raises(ValueError, match=r"'fly': one of shape, cut, heal, status, stop"):
        answer(emulation, {"do": "fly"})


def test_stop_stops(emulation):
    answer(emulation, {"do": "stop"})
    assert emulation.stopping


def test_a_pulse_tells_what_is_down_and_when_it_stood_still(emulation):
    answer(emulation, {"do": "cut", "pairs": [["site-1", "site-2"]]})
    reply = answer(emulation, {"do": "pulse"})
    assert reply.pop("pid") > 0
    assert reply == {"down": 1, "stalls": [{"time": 1e9, "seconds": 3.0}]}
