"""The netem back end's commands as text: what tc and ip are told."""

from pathlib import Path

from discovery.experiment.models import WanSettings
from discovery.testbed.wan import SiteNetwork
from discovery.testbed.wan.netem_commands import (
    link_commands,
    netem_options,
    router_commands,
    shape_commands,
    sorting_commands,
    state_commands,
)

SITES = [
    SiteNetwork(f"site-{n}", Path(f"/run/netns/s{n}"), f"10.82.{n}.0/24", f"10.82.{n}.1")
    for n in (1, 2, 3)
]
DELAYS = [[0, 5, 20], [10, 0, 50], [1.5, 2, 0]]
PLAIN = WanSettings()


def test_a_router_sorts_by_destination():
    assert sorting_commands(1, SITES) == [
        "qdisc add dev wan0 root handle 1: htb default 1",
        "class add dev wan0 parent 1: classid 1:1 "
        "htb rate 100gbit burst 1mb cburst 1mb quantum 60000",
        "class add dev wan0 parent 1: classid 1:10 "
        "htb rate 100gbit burst 1mb cburst 1mb quantum 60000",
        "filter add dev wan0 parent 1: protocol ip prio 1 u32 "
        "match ip dst 10.82.1.0/24 flowid 1:10",
        "class add dev wan0 parent 1: classid 1:12 "
        "htb rate 100gbit burst 1mb cburst 1mb quantum 60000",
        "filter add dev wan0 parent 1: protocol ip prio 1 u32 "
        "match ip dst 10.82.3.0/24 flowid 1:12",
    ]


def test_a_router_delays_each_way_by_its_own():
    assert shape_commands(1, SITES, DELAYS, PLAIN, set()) == [
        "qdisc replace dev wan0 parent 1:10 handle 10: "
        "netem limit 91667 delay 10ms rate 100000mbit",
        "qdisc replace dev wan0 parent 1:12 handle 12: "
        "netem limit 125000 delay 50ms rate 100000mbit",
    ]


def test_jitter_loss_and_rate_are_netems():
    settings = WanSettings(jitter_ms=2.0, loss_percent=0.5, rate_mbit=10.0)
    assert (
        netem_options(50.0, settings, up=True)
        == "netem limit 1000 delay 50ms 2ms loss 0.5% rate 10mbit"
    )


def test_netem_always_has_a_rate_so_that_it_keeps_order():
    assert "rate" in netem_options(50.0, WanSettings(jitter_ms=2.0), up=True)


def test_a_way_that_is_cut_stays_cut_when_shaped_anew():
    lines = shape_commands(0, SITES, DELAYS, PLAIN, {("site-1", "site-3")})
    assert "qdisc replace dev wan0 parent 1:12 handle 12: netem loss 100%" in lines


def test_a_cut_discards_what_netem_holds():
    changes = {("site-1", "site-3"): False, ("site-2", "site-3"): False}
    assert state_commands(0, SITES, DELAYS, PLAIN, changes) == [
        "qdisc delete dev wan0 parent 1:12",
        "qdisc add dev wan0 parent 1:12 handle 12: netem loss 100%",
    ]
    assert state_commands(2, SITES, DELAYS, PLAIN, changes) == []


def test_healing_brings_the_delay_back():
    assert state_commands(2, SITES, DELAYS, PLAIN, {("site-3", "site-1"): True}) == [
        "qdisc delete dev wan0 parent 1:10",
        "qdisc add dev wan0 parent 1:10 handle 10: netem limit 84583 delay 1.5ms rate 100000mbit",
    ]


def test_routers_meet_on_a_backbone_in_its_own_namespace():
    assert link_commands(SITES[:2]) == [
        "link add backbone type bridge",
        "link set backbone up",
        "link add to-1 type veth peer name wan0 netns /run/netns/s1",
        "link set to-1 master backbone up",
        "link add to-2 type veth peer name wan0 netns /run/netns/s2",
        "link set to-2 master backbone up",
    ]
    assert router_commands(1, SITES) == [
        "address add 169.254.82.2/24 dev wan0",
        "link set wan0 txqueuelen 1000 up",
        "route replace 10.82.1.0/24 via 169.254.82.1",
        "route replace 10.82.3.0/24 via 169.254.82.3",
    ]
