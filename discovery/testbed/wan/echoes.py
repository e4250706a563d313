"""Pings between the sites, every second: what lives may forward nothing all the same.

A router that lost a route or an interface that is down leaves forwarder and rules as they were. The
pings are sent by this machine from the network of one node of each site, so that no node is asked.
"""

from __future__ import annotations

import itertools
import math
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from discovery.errors import WanError
from discovery.testbed.wan.measure import Conditions
from discovery.testbed.wan.sites import Pair
from discovery.testbed.wan.tun import inside

# A ping is waited for so long (s), and its round trip on top. Where one lost ping is suspicious the
# next follows soon, so that a WAN that is silent for 1.5 s is noticed: a stall is from 1 s on.
PATIENCE_S, SOON_S = 1.0, 0.5
# Before pings are told to be lost they are waited for again: on a busy machine they may be late.
LATE_S = 5.0
# So many of a pair are lost one after the other by chance once in 10⁶ cells, of so many pings each
# (50 pairs for three hours), and no fewer …
LOST_BY_CHANCE, PINGS_OF_A_CELL, FEWEST = 1e-6, 5e5, 2
# … than this where a line is capped, whose full queue drops them.
FEWEST_CAPPED = 40
# Of more pairs some are pinged at once, and the others with the next pulses.
MOST_AT_ONCE = 50
_REQUEST, _REPLY = 8, 0
_HEADER = struct.Struct("!BBHHH")

Token = tuple[int, int]


@dataclass(frozen=True)
class Station:
    """A node of ``site``, in its network ``namespace`` of this machine, with its IPv4 address."""

    site: str
    namespace: Path
    address: str


class Echoes:
    """Pings between every two of ``stations``, one per site; the answer takes the way back."""

    def __init__(self, stations: Sequence[Station]) -> None:
        self._pairs = {(one.site, two.site): (one, two) for one, two in _all_pairs(stations)}
        self._turn = 0
        self._lost: dict[Pair, int] = {}

    def look(
        self,
        round_trip_s: Callable[[Pair], float],
        conditions: Conditions,
        cut: Collection[Pair],
    ) -> None:
        """Ping every pair of sites; of many, some, and those whose last ping was lost.

        ``cut`` is asked before and after: a pair that is cut may lose its pings. Raises a
        :class:`WanError` if so many of a pair are lost that ``conditions`` do not explain it.
        """
        pairs, parted = self._due(), {*cut}
        if not pairs:
            return
        most = most_lost(conditions)
        wait_s = max(map(round_trip_s, pairs)) + 2e-3 * conditions.jitter_ms
        with Pinger() as pinger:
            sent: dict[Pair, list[Token]] = {pair: [] for pair in pairs}
            for patience_s in (SOON_S, PATIENCE_S) if most == FEWEST else (PATIENCE_S,):
                for pair in pinger.silent(sent):
                    source, destination = self._pairs[pair]
                    sent[pair].append(pinger.send(source, destination.address))
                pinger.listen(patience_s + wait_s, sent)
            silent = set(pinger.silent(sent))
            parted |= {*cut}
            for pair in pairs:
                lost = self._lost.pop(pair, 0) + len(sent[pair])
                if pair in silent and not {pair, pair[::-1]} & parted:
                    self._lost[pair] = lost
            dead = {pair: sent[pair] for pair, lost in self._lost.items() if lost >= most}
            pinger.listen(LATE_S, dead)
            for pair in dead.keys() - set(pinger.silent(dead)):
                del self._lost[pair]
        for pair in dead.keys() & self._lost.keys():
            raise WanError(
                f"{pair[0]} does not reach {pair[1]} any more, {self._lost[pair]} pings in a row "
                "were lost: the WAN between them is dead, or was; release the lease and take a "
                "new one."
            )

    def _due(self) -> list[Pair]:
        """The pairs whose turn it is, after those that are suspected."""
        every = [*self._pairs]
        if len(every) <= MOST_AT_ONCE:
            return every
        following = itertools.islice(itertools.cycle(every), self._turn, self._turn + MOST_AT_ONCE)
        self._turn = (self._turn + MOST_AT_ONCE) % len(every)
        return list(dict.fromkeys((*self._lost, *following)))


def _all_pairs(stations: Sequence[Station]) -> list[tuple[Station, Station]]:
    """Every two, in such an order that those which follow each other are of different stations."""
    count = len(stations)
    return [
        (stations[number], stations[(number + apart) % count])
        for apart in range(1, count // 2 + 1)
        for number in range(count // 2 if 2 * apart == count else count)
    ]


def most_lost(conditions: Conditions) -> int:
    """How many pings in a row are lost on a pair before it is dead."""
    lost = 1 - (1 - conditions.loss_percent / 100) ** 2
    rare = LOST_BY_CHANCE / PINGS_OF_A_CELL
    by_chance = math.ceil(math.log(rare) / math.log(lost)) if lost else 0
    return max(by_chance, FEWEST_CAPPED if conditions.rate_mbit else FEWEST)


class Pinger:
    """A context in which pings are sent from the networks of stations, and their answers kept."""

    def __init__(self) -> None:
        self._sockets: dict[Path, socket.socket] = {}
        self._came: set[Token] = set()
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Pinger:
        """Nothing is open yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listen no more."""
        for opened in self._sockets.values():
            opened.close()
        self._selector.close()

    def send(self, station: Station, address: str) -> Token:
        """Send a ping; one that finds no route is a ping that gets no answer."""
        identity, sequence = struct.unpack("!HH", os.urandom(4))
        with suppress(OSError):
            self._socket(station).sendto(_request(identity, sequence), (address, 0))
        return identity, sequence

    def _socket(self, station: Station) -> socket.socket:
        opened = self._sockets.get(station.namespace)
        if opened is None:
            try:
                with inside(station.namespace):
                    opened = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            except OSError as error:
                raise WanError(f"The network of {station.site} is gone: {error}.") from None
            opened.setblocking(False)
            self._sockets[station.namespace] = opened
            self._selector.register(opened, selectors.EVENT_READ)
        return opened

    def silent(self, sent: Mapping[Pair, Sequence[Token]]) -> list[Pair]:
        """The pairs of which no ping came back."""
        return [pair for pair, tokens in sent.items() if not self._came & {*tokens}]

    def listen(self, seconds: float, sent: Mapping[Pair, Sequence[Token]]) -> None:
        """Wait for ``seconds``, or until a ping of every pair came back.

        What came while this process waited for the processor is there, and was not late.
        """
        deadline = time.monotonic() + seconds
        while self.silent(sent):
            left = deadline - time.monotonic()
            ready = self._selector.select(max(0.0, left))
            for key, _ in ready:
                self._receive(key.fileobj)
            if not ready and left <= 0:
                return

    def _receive(self, opened: Any) -> None:
        try:
            token = _answer(opened.recv(2048))
        except OSError:
            return
        if token is not None:
            self._came.add(token)


def _request(identity: int, sequence: int) -> bytes:
    unchecked = _HEADER.pack(_REQUEST, 0, 0, identity, sequence)
    total = sum(struct.unpack("!4H", unchecked))
    total = (total & 0xFFFF) + (total >> 16)
    return _HEADER.pack(_REQUEST, 0, ~(total + (total >> 16)) & 0xFFFF, identity, sequence)


def _answer(packet: bytes) -> Token | None:
    """Of which ping an IPv4 packet is the answer, if it is one."""
    message = packet[(packet[0] & 15) * 4 :]
    if len(message) < _HEADER.size:
        return None
    kind, _, _, identity, sequence = _HEADER.unpack_from(message)
    return (identity, sequence) if kind == _REPLY else None
