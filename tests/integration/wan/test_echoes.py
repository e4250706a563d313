"""A ping around the ring of sites, through a forwarder, sees what forwarder and rules do not."""

import subprocess
import threading
import time
from pathlib import Path

import pytest

from discovery.errors import WanError
from discovery.experiment.models import WanSettings
from discovery.testbed.wan import echoes
from discovery.testbed.wan.echoes import Pinger, Station

pytestmark = pytest.mark.root


@pytest.fixture
def stations(sites):
    return [
        Station(name, Path(f"/run/netns/{sites.node(name)}"), sites.address(name))
        for name in sites.names
    ]


def namespace() -> str:
    return Path("/proc/thread-self/ns/net").readlink().name


def echo(station, address, seconds):
    with Pinger() as pinger:
        sent = {("here", "there"): [pinger.send(station, address)]}
        pinger.listen(seconds, sent)
        return not pinger.silent(sent)


def test_a_ping_takes_the_asked_round_trip(wan, stations):
    wan.shape([[0, 40, 40], [40, 0, 40], [40, 40, 0]], WanSettings())
    before, began = namespace(), time.monotonic()
    assert echo(stations[0], stations[1].address, 5)
    assert 0.08 <= time.monotonic() - began < 4
    assert namespace() == before
    assert not echo(stations[0], stations[1].address, 0.02)


def test_a_network_that_is_gone_is_told(stations):
    with pytest.raises(WanError, match="network of site-9 is gone"):
        echo(Station("site-9", Path("/run/netns/absent"), "10.0.0.1"), "10.0.0.2", 0.1)


@pytest.mark.parametrize("what", ["link set wan0 down", "link set lan down"])
def test_a_router_that_forwards_nothing_is_noticed(wan, sites, stations, monkeypatch, what):
    for name in ("PATIENCE_S", "SOON_S", "LATE_S"):
        monkeypatch.setattr(echoes, name, 0.3)
    wan.echo_between(stations)
    for _ in range(3):
        wan.pulse()
    router = sites.networks[1].namespace_path.name
    subprocess.run(["ip", "-n", router, *what.split()], check=True)
    try:
        with pytest.raises(WanError, match="does not reach site-"):
            for _ in range(3):
                wan.pulse()
    finally:
        up = what.replace("down", "up")
        subprocess.run(["ip", "-n", router, *up.split()], check=True)
        for number in (1, 3):
            route = f"route replace {sites.networks[number - 1].network_cidr} dev wan0"
            subprocess.run(["ip", "-n", router, *route.split()], check=True)


def test_a_cut_of_ones_own_is_no_death(wan, stations, monkeypatch):
    monkeypatch.setattr(echoes, "PATIENCE_S", 0.05)
    wan.echo_between(stations)
    wan.cut(["site-2"])
    for _ in range(5):
        wan.pulse()


def test_pulses_leave_no_descriptor(wan, stations):
    wan.echo_between(stations)
    wan.pulse()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        wan.pulse()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_route_that_is_lost_for_two_seconds_is_noticed(wan, sites, stations):
    wan.echo_between(stations)
    router = sites.networks[0].namespace_path.name
    network = sites.networks[2].network_cidr
    wan.pulse()
    subprocess.run(["ip", "-n", router, "route", "delete", network], check=True)
    back = ["ip", "-n", router, "route", "add", network, "dev", "wan0"]
    timer = threading.Timer(2.0, subprocess.run, [back], {"check": True})
    timer.start()
    try:
        with pytest.raises(WanError, match="2 pings in a row were lost"):
            for _ in range(10):
                wan.pulse()
    finally:
        timer.join()
    wan.pulse()
