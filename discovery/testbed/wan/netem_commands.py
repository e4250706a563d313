"""The ``ip`` and ``tc`` batches of the netem back end, as text.

Every site's router has a link ``wan0`` to a bridge, the backbone, in a namespace of its own. What
leaves a router is sorted by its destination's network into one HTB class per site, whose netem
delays it. netem keeps packets in order only if it has a rate, so it always has one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from discovery.testbed.wan.base import Delays
from discovery.testbed.wan.sites import Pair, SiteNetwork

if TYPE_CHECKING:
    from discovery.experiment.models import WanSettings

DEVICE = "wan0"
# Where no rate is asked: faster than any veth, so that it adds nothing.
UNCAPPED_MBIT = 100_000.0
# HTB only sorts. Its burst must be said: what it computes for so fast a class is nothing.
UNLIMITED = "htb rate 100gbit burst 1mb cburst 1mb quantum 60000"
# Packets netem holds: the product of delay and rate, with room for a queue of 100 ms; no more
# than what 10 Gbit/s fill.
QUEUE_S = 0.1
FASTEST_MBIT = 10_000.0
PACKET_BITS = 1500 * 8
# Addresses of the routers on the backbone, whose namespace nobody else sees.
BACKBONE = "169.254.82"


def class_of(site: int) -> int:
    """The minor number of the HTB class, and the handle of its netem, for traffic to a site."""
    return 16 + site


def netem_options(delay_ms: float, settings: WanSettings, *, up: bool) -> str:
    """What netem does on one way: with ``up`` false, lose everything."""
    if not up:
        return "netem loss 100%"
    rate = settings.rate_mbit or UNCAPPED_MBIT
    packets = min(rate, FASTEST_MBIT) * 1e6 * (delay_ms / 1e3 + QUEUE_S) / PACKET_BITS
    words = [f"netem limit {max(1000, round(packets))} delay {delay_ms:g}ms"]
    if settings.jitter_ms:
        words.append(f"{settings.jitter_ms:g}ms")
    if settings.loss_percent:
        words.append(f"loss {settings.loss_percent:g}%")
    words.append(f"rate {rate:g}mbit")
    return " ".join(words)


def sorting_commands(source: int, networks: Sequence[SiteNetwork]) -> list[str]:
    """The ``tc`` batch, run once, that gives every other site a class at router ``source``."""
    lines = [
        f"qdisc add dev {DEVICE} root handle 1: htb default 1",
        f"class add dev {DEVICE} parent 1: classid 1:1 {UNLIMITED}",
    ]
    for number, network in enumerate(networks):
        if number != source:
            handle = f"{class_of(number):x}"
            lines += [
                f"class add dev {DEVICE} parent 1: classid 1:{handle} {UNLIMITED}",
                f"filter add dev {DEVICE} parent 1: protocol ip prio 1 u32 "
                f"match ip dst {network.network_cidr} flowid 1:{handle}",
            ]
    return lines


def shape_commands(
    source: int,
    networks: Sequence[SiteNetwork],
    delays: Delays,
    settings: WanSettings,
    down: Collection[Pair],
) -> list[str]:
    """The ``tc`` batch that gives every way from router ``source`` its netem.

    What is under way keeps its time of arrival.
    """
    lines = []
    for number, network in enumerate(networks):
        if number != source:
            handle = f"{class_of(number):x}"
            up = (networks[source].name, network.name) not in down
            options = netem_options(delays[source][number], settings, up=up)
            lines.append(f"qdisc replace dev {DEVICE} parent 1:{handle} handle {handle}: {options}")
    return lines


def state_commands(
    source: int,
    networks: Sequence[SiteNetwork],
    delays: Delays,
    settings: WanSettings,
    changes: Mapping[Pair, bool],
) -> list[str]:
    """The ``tc`` batch that takes ways from ``source`` up (true) or down (false).

    The old netem goes with all that is in it, as a cut cable loses what is under way.
    """
    lines = []
    for number, network in enumerate(networks):
        up = changes.get((networks[source].name, network.name))
        if up is not None:
            handle = f"{class_of(number):x}"
            where = f"dev {DEVICE} parent 1:{handle}"
            options = netem_options(delays[source][number], settings, up=up)
            lines += [f"qdisc delete {where}", f"qdisc add {where} handle {handle}: {options}"]
    return lines


def link_commands(networks: Sequence[SiteNetwork]) -> list[str]:
    """The ``ip`` batch, run in the backbone's namespace, that joins the routers by a bridge."""
    lines = ["link add backbone type bridge", "link set backbone up"]
    for number, network in enumerate(networks, 1):
        lines += [
            f"link add to-{number} type veth peer name {DEVICE} netns {network.namespace_path}",
            f"link set to-{number} master backbone up",
        ]
    return lines


def unlink_commands(networks: Sequence[SiteNetwork]) -> list[str]:
    """The ``ip`` batch, run in the backbone's namespace, that takes every router's link away.

    The kernel takes its time to clear a namespace that is deleted; links go at once.
    """
    return [f"link delete to-{number}" for number in range(1, len(networks) + 1)]


def router_commands(source: int, networks: Sequence[SiteNetwork]) -> list[str]:
    """The ``ip`` batch of one router: its address on the backbone, and the ways to the others."""
    lines = [
        f"address add {BACKBONE}.{source + 1}/24 dev {DEVICE}",
        f"link set {DEVICE} txqueuelen 1000 up",
    ]
    for number, network in enumerate(networks):
        if number != source:
            lines.append(f"route replace {network.network_cidr} via {BACKBONE}.{number + 1}")
    return lines
