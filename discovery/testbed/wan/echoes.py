"""One ping a second around the ring of sites: what lives may forward nothing all the same.

A router that lost a route or an interface that is down leaves forwarder and rules as they were. The
pings are sent by this machine from the network of one node of each site, so that no node is asked.
"""

from __future__ import annotations

import math
import os
import socket
import struct
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from discovery.errors import WanError
from discovery.testbed.wan.measure import Conditions
from discovery.testbed.wan.sites import Pair
from discovery.testbed.wan.tun import inside

# A ping is waited for so long (s), and its round trip on top: a machine may be busy.
PATIENCE_S = 1.0
# So many of a pair are lost one after the other by chance once in 10⁹, and no fewer …
LOST_BY_CHANCE, FEWEST = 1e-9, 5
# … than this where a line is capped, whose full queue drops them.
FEWEST_CAPPED = 40
_REQUEST, _REPLY = 8, 0
_HEADER = struct.Struct("!BBHHH")


@dataclass(frozen=True)
class Station:
    """A node of ``site``, in its network ``namespace`` of this machine, with its IPv4 address."""

    site: str
    namespace: Path
    address: str


class Echoes:
    """Pings between ``stations``, one per site: each to the next, the last to the first."""

    def __init__(self, stations: Sequence[Station]) -> None:
        following = [*stations[1:], *stations[:1]]
        self._ring = [pair for pair in zip(stations, following, strict=True) if pair[0] != pair[1]]
        self._turn = 0
        self._lost = 0

    @property
    def next(self) -> Pair:
        """The sites between which the next ping goes."""
        source, destination = self._ring[self._turn % len(self._ring)]
        return source.site, destination.site

    def look(self, round_trip_s: float, conditions: Conditions, cut: Collection[Pair]) -> None:
        """Send one ping, to the next pair of sites if the last one came back.

        ``cut`` is asked after a ping was lost: a pair that is cut may lose it. Raises a
        :class:`WanError` if so many of a pair are lost that ``conditions`` do not explain it.
        """
        source, destination = self._ring[self._turn % len(self._ring)]
        came = echo(source, destination.address, PATIENCE_S + round_trip_s)
        if came or {(source.site, destination.site), (destination.site, source.site)} & set(cut):
            self._turn, self._lost = self._turn + 1, 0
            return
        self._lost += 1
        if self._lost >= most_lost(conditions):
            raise WanError(
                f"{source.site} does not reach {destination.site} any more, {self._lost} pings in "
                "a row were lost: the WAN between them is dead; release the lease and take a new "
                "one."
            )


def most_lost(conditions: Conditions) -> int:
    """How many pings in a row are lost on a pair before it is dead."""
    lost = 1 - (1 - conditions.loss_percent / 100) ** 2
    by_chance = math.ceil(math.log(LOST_BY_CHANCE) / math.log(lost)) if lost else 0
    return max(by_chance, FEWEST_CAPPED if conditions.rate_mbit else FEWEST)


def echo(station: Station, address: str, seconds: float) -> bool:
    """Whether ``address`` answers a ping from ``station`` within ``seconds``."""
    ours = struct.unpack("!HH", os.urandom(4))
    try:
        with inside(station.namespace):
            pinger = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except OSError as error:
        raise WanError(f"The network of {station.site} is gone: {error}.") from None
    with pinger:
        deadline = time.monotonic() + seconds
        try:
            pinger.sendto(_request(*ours), (address, 0))
            while (left := deadline - time.monotonic()) > 0:
                pinger.settimeout(left)
                if _answers(pinger.recv(2048), ours):
                    return True
        except OSError:  # no route, or the time is over
            time.sleep(max(0.0, deadline - time.monotonic()))
    return False


def _request(identity: int, sequence: int) -> bytes:
    unchecked = _HEADER.pack(_REQUEST, 0, 0, identity, sequence)
    total = sum(struct.unpack("!4H", unchecked))
    total = (total & 0xFFFF) + (total >> 16)
    return _HEADER.pack(_REQUEST, 0, ~(total + (total >> 16)) & 0xFFFF, identity, sequence)


def _answers(packet: bytes, ours: tuple[int, ...]) -> bool:
    """Whether an IPv4 packet is the answer to our request."""
    message = packet[(packet[0] & 15) * 4 :]
    if len(message) < _HEADER.size:
        return False
    kind, _, _, identity, sequence = _HEADER.unpack_from(message)
    return kind == _REPLY and (identity, sequence) == ours
