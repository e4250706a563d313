"""When a row of lost pings means that a WAN is dead."""

from pathlib import Path

import pytest

from discovery.errors import WanError
from discovery.experiment.models import WanSettings
from discovery.testbed.wan import echoes
from discovery.testbed.wan.echoes import FEWEST, FEWEST_CAPPED, Echoes, Station, most_lost

SITES = ("site-1", "site-2", "site-3")
STATIONS = [Station(site, Path(f"/run/netns/{site}"), f"10.0.{site[-1]}.11") for site in SITES]
PLAIN = WanSettings()


@pytest.fixture
def ring(monkeypatch):
    """The ring, the pairs whose pings are lost, and those that were pinged."""
    lost, sent = set(), []

    def echo(station, address, seconds):
        pair = station.site, f"site-{address.split('.')[2]}"
        sent.append(pair)
        return pair not in lost

    monkeypatch.setattr(echoes, "echo", echo)
    return Echoes(STATIONS), lost, sent


def test_every_site_is_reached_from_the_one_before(ring):
    around, _, sent = ring
    for _ in range(4):
        around.look(0.1, PLAIN, set())
    pairs = [("site-1", "site-2"), ("site-2", "site-3"), ("site-3", "site-1")]
    assert sent == [*pairs, pairs[0]]
    assert around.next == pairs[1]


def test_a_pair_that_is_dead_is_told(ring):
    around, lost, sent = ring
    lost.add(("site-2", "site-3"))
    for _ in range(FEWEST):
        around.look(0.1, PLAIN, set())
    with pytest.raises(WanError, match=f"site-2 does not reach site-3 .*, {FEWEST} pings"):
        around.look(0.1, PLAIN, set())
    assert sent.count(("site-2", "site-3")) == FEWEST


def test_a_few_lost_pings_are_nothing(ring):
    around, lost, _ = ring
    for _ in range(5):
        lost.update({("site-1", "site-2"), ("site-2", "site-3"), ("site-3", "site-1")})
        for _ in range(FEWEST - 1):
            around.look(0.1, PLAIN, set())
        lost.clear()
        around.look(0.1, PLAIN, set())


@pytest.mark.parametrize("cut", [("site-1", "site-2"), ("site-2", "site-1")])
def test_what_is_cut_may_be_lost(ring, cut):
    around, lost, _ = ring
    lost.add(("site-1", "site-2"))
    for _ in range(5 * FEWEST):
        around.look(0.1, PLAIN, {cut})


def test_loss_and_a_capped_line_take_more():
    assert most_lost(PLAIN) == FEWEST
    assert most_lost(WanSettings(rate_mbit=1.0)) == FEWEST_CAPPED
    assert most_lost(WanSettings(loss_percent=0.1)) == FEWEST
    assert most_lost(WanSettings(loss_percent=1.0)) == 6
    assert most_lost(WanSettings(loss_percent=50.0)) == 73
    assert most_lost(WanSettings(loss_percent=99.0)) > 100_000
