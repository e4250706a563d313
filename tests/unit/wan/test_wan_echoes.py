"""When lost pings mean that a WAN is dead, and late ones that this machine is busy."""

from itertools import combinations
from pathlib import Path

import pytest

from discovery.errors import WanError
from discovery.experiment.models import WanSettings
from discovery.testbed.wan import echoes
from discovery.testbed.wan.echoes import (
    FEWEST,
    FEWEST_CAPPED,
    LATE_S,
    MOST_AT_ONCE,
    Echoes,
    Station,
    most_lost,
)

PLAIN = WanSettings()
BAD = ("site-1", "site-2")


def stations(count):
    sites = range(1, count + 1)
    return [Station(f"site-{n}", Path(f"/run/netns/site-{n}"), f"10.0.{n}.11") for n in sites]


class World:
    """A WAN in which ``lost`` pairs lose their pings, and ``late`` ones bring them late."""

    def __init__(self):
        self.lost, self.late, self.sent, self.waited = set(), set(), [], []

    def pinger(self):
        return FakePinger(self)

    def look(self, around, times=1, settings=PLAIN, cut=()):
        for _ in range(times):
            around.look(lambda _: 0.1, settings, cut)


class FakePinger:
    def __init__(self, world):
        self.world, self.came, self.under_way = world, set(), {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def send(self, station, address):
        pair = station.site, f"site-{address.split('.')[2]}"
        token = (len(self.world.sent), 0)
        self.world.sent.append(pair)
        if pair not in self.world.lost:
            self.under_way[token] = LATE_S if pair in self.world.late else 0.1
        return token

    def silent(self, sent):
        return [pair for pair, tokens in sent.items() if not self.came & {*tokens}]

    def listen(self, seconds, sent):
        if self.silent(sent):
            self.world.waited.append(seconds)
            self.came |= {token for token, takes in self.under_way.items() if takes <= seconds}


@pytest.fixture
def world(monkeypatch):
    made = World()
    monkeypatch.setattr(echoes, "Pinger", made.pinger)
    return made


@pytest.mark.parametrize("count", range(1, 12))
def test_every_two_sites_reach_each_other(world, count):
    around = Echoes(stations(count))
    world.look(around, 2 if count > 10 else 1)
    found = {tuple(sorted(pair)) for pair in world.sent}
    names = [station.site for station in stations(count)]
    assert found == {tuple(sorted(pair)) for pair in combinations(names, 2)}


def test_of_many_pairs_each_has_its_turn(world):
    around = Echoes(stations(45))
    world.look(around)
    assert len(world.sent) == len(set(world.sent)) == MOST_AT_ONCE
    world.look(around, 19)
    assert len(set(world.sent)) == 45 * 44 // 2


def test_two_lost_pings_in_a_row_are_a_dead_wan(world):
    around = Echoes(stations(3))
    world.look(around)
    world.lost.add(BAD)
    with pytest.raises(WanError, match=r"site-1 does not reach site-2 .*, 2 pings in a row"):
        world.look(around)
    assert world.waited[-3:] == [0.6, 1.1, LATE_S]


def test_a_late_ping_is_not_lost(world):
    around = Echoes(stations(3))
    world.late.add(BAD)
    world.look(around, 20)
    assert LATE_S in world.waited
    world.late.clear()
    world.lost.add(BAD)
    with pytest.raises(WanError, match="2 pings in a row"):
        world.look(around)


def test_a_single_lost_ping_is_nothing(world, monkeypatch):
    around = Echoes(stations(3))
    send = FakePinger.send

    def first_is_lost(pinger, station, address):
        world.lost = set() if pinger.under_way else {BAD}
        return send(pinger, station, address)

    monkeypatch.setattr(FakePinger, "send", first_is_lost)
    world.look(around, 20)
    assert LATE_S not in world.waited


@pytest.mark.parametrize("cut", [BAD, BAD[::-1]])
def test_what_is_cut_may_be_lost(world, cut):
    world.lost.add(BAD)
    world.look(Echoes(stations(3)), 5, cut={cut})


def test_with_loss_they_are_counted_over_the_pulses(world):
    around, lossy = Echoes(stations(11)), WanSettings(loss_percent=1.0)
    most = most_lost(lossy)
    world.lost.add(BAD)
    world.look(around, most - 1, lossy)
    assert world.sent.count(BAD) == most - 1
    with pytest.raises(WanError, match=f", {most} pings in a row"):
        world.look(around, 1, lossy)


def test_one_that_comes_begins_the_row_anew(world):
    around, lossy = Echoes(stations(3)), WanSettings(loss_percent=1.0)
    for _ in range(3):
        world.lost.add(BAD)
        world.look(around, most_lost(lossy) - 1, lossy)
        world.lost.clear()
        world.look(around, 1, lossy)


def test_loss_and_a_capped_line_take_more():
    assert most_lost(PLAIN) == FEWEST == 2
    assert most_lost(WanSettings(rate_mbit=1.0)) == FEWEST_CAPPED
    assert most_lost(WanSettings(loss_percent=0.1)) == 5
    assert most_lost(WanSettings(loss_percent=1.0)) == 7
    assert most_lost(WanSettings(loss_percent=50.0)) == 94
    assert most_lost(WanSettings(loss_percent=99.0)) > 100_000
    for percent in (0.001, 0.1, 1.0, 10.0, 50.0):
        lost = 1 - (1 - percent / 100) ** 2
        assert lost ** most_lost(WanSettings(loss_percent=percent)) * 5e5 <= 1e-6
