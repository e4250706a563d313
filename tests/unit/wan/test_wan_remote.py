"""What EnOSlib's NetemHTB is told, down to the tc commands it makes of it."""

import enoslib as en
import pytest
from enoslib.objects import DefaultNetwork, IPAddress, NetDevice

from discovery.errors import WanError
from discovery.experiment.models import WanSettings
from discovery.testbed.wan.remote import constraints, prove_cut, service

SITES = ["site-1", "site-2"]
ZERO = [[0.0, 0.0], [0.0, 0.0]]
PLAIN = WanSettings()


def host(name: str, address: str) -> en.Host:
    network = DefaultNetwork("10.82.0.0/16")
    made = en.Host(address, alias=name)
    made.net_devices = {NetDevice("eth0", {IPAddress(f"{address}/24", network)})}
    return made


def test_a_zero_matrix_leaves_nothing_to_shape():
    assert constraints(SITES, ZERO, PLAIN, ()) == {}


def test_each_direction_has_its_own_delay():
    assert constraints(SITES, [[0, 5], [0, 0]], PLAIN, ()) == {
        ("site-1", "site-2"): ("5ms", "100gbit", None)
    }


def test_settings_apply_to_pairs_without_delay():
    settings = WanSettings(jitter_ms=1.0, loss_percent=0.5, rate_mbit=10.0)
    wanted = constraints(SITES, ZERO, settings, ())
    assert wanted["site-2", "site-1"] == ("0ms 1ms rate 100gbit", "10mbit", "0.5%")


def test_a_cut_loses_everything_one_way():
    wanted = constraints(SITES, ZERO, PLAIN, [("site-2", "site-1")])
    assert wanted == {("site-2", "site-1"): ("0ms", "100gbit", "100%")}


def test_enoslib_makes_tc_commands_of_it_for_every_host_of_a_site():
    hosts = {
        "site-1": [host("a", "10.82.1.11"), host("b", "10.82.1.12")],
        "site-2": [host("c", "10.82.2.11")],
    }
    wanted = constraints(SITES, [[0, 5], [10, 0]], WanSettings(jitter_ms=2.0), ())
    htb = service(hosts, wanted)
    commands = {source.host.alias: source.commands() for source in htb.sources.values()}
    assert sorted(commands) == ["a", "b", "c"]
    assert commands["b"] == [
        "tc class add dev eth0 parent 1: classid 1:1 htb rate 100gbit",
        "tc qdisc add dev eth0 parent 1:1 handle 10: netem delay 5ms 2ms rate 100gbit",
        "tc filter add dev eth0 parent 1: protocol ip u32 match ip dst 10.82.2.11 flowid 1:1",
    ]
    assert sum("10ms" in line for line in commands["c"]) == 2


def test_a_cut_that_lets_pings_through_is_none():
    prove_cut({("site-1", "site-2"): [None, None]}, "netem-htb")
    with pytest.raises(WanError, match=r"site-1 still reaches site-2 .* sch_netem"):
        prove_cut({("site-1", "site-2"): [None, 0.3]}, "netem-htb")
