"""The sites that a WAN joins, and the checks of what is asked between them."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from discovery.errors import WanError, shortened

Pair = tuple[str, str]


@dataclass(frozen=True)
class SiteNetwork:
    """A site's LAN on this machine.

    ``namespace_path`` is the network namespace of the site's router, which forwards IPv4 (a file
    such as ``/run/netns/…``); ``network_cidr`` the LAN's IPv4 prefix; ``gateway`` the router's
    address in it, without prefix length.
    """

    name: str
    namespace_path: Path
    network_cidr: str
    gateway: str


def check_sites(networks: Sequence[SiteNetwork]) -> None:
    """Refuses, with a :class:`WanError`, fewer than two sites, equal names, overlapping LANs."""
    names = [network.name for network in networks]
    if len(names) < 2:
        raise WanError(f"A WAN joins at least two sites, not {len(names)}: lease more sites.")
    if len(set(names)) != len(names):
        raise WanError(f"Two sites have one name in {', '.join(names)}: give each its own.")
    lans = [ipaddress.IPv4Network(network.network_cidr) for network in networks]
    for number, lan in enumerate(lans):
        for other, earlier in enumerate(lans[:number]):
            if lan.overlaps(earlier):
                raise WanError(
                    f"The networks of {names[other]} ({earlier}) and {names[number]} ({lan}) "
                    f"overlap: give each site its own."
                )


def check_delays(delays: Sequence[Sequence[float]], names: Sequence[str]) -> None:
    """Refuses, with a :class:`WanError`, a matrix (one-way ms) that does not fit the sites."""
    size = len(names)
    if len(delays) != size or any(len(row) != size for row in delays):
        shape = f"{len(delays)} x {'/'.join(sorted({str(len(row)) for row in delays})) or 0}"
        raise WanError(
            f"The delay matrix is {shape} but there are {size} sites: give {size} rows of {size}."
        )
    for source, row in zip(names, delays, strict=True):
        for destination, delay in zip(names, row, strict=True):
            if not 0 <= delay < float("inf"):
                raise WanError(
                    f"The delay from {source} to {destination} is {delay} ms: "
                    f"give a number of milliseconds that is 0 or more."
                )


def ordered_pairs(names: Iterable[str]) -> list[Pair]:
    """Every (source, destination) of different sites, in site order."""
    known = list(names)
    return [(source, other) for source in known for other in known if source != other]


def crossing_pairs(cut: Collection[str], names: Sequence[str]) -> list[Pair]:
    """The pairs that are separated when the sites of ``cut`` are parted from all the others.

    Both directions of every link with one end in ``cut``. The sites of ``cut`` still reach each
    other: a cut makes two sides. A WanError says if a site is unknown.
    """
    for name in cut:
        if name not in names:
            asked = shortened(repr(name))
            raise WanError(f"There is no site {asked} to cut: the sites are {', '.join(names)}.")
    inside = set(cut)
    return [pair for pair in ordered_pairs(names) if (pair[0] in inside) != (pair[1] in inside)]
