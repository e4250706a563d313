"""Round trips between sites, as the nodes see them, and the judgement whether they are as asked."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from discovery.errors import WanError
from discovery.testbed.wan.sites import Pair

PINGS = 10
# With loss asked, so many pings are sent that all of them are lost by chance once in 10⁶ …
ALL_LOST_BY_CHANCE = 1e-6
# … but no more than this, however lossy.
MOST_PINGS = 200
# An echo request in bits, Ethernet and all: what a rate cap adds per direction.
PING_BITS = 98 * 8


@dataclass(frozen=True)
class Bounds:
    """How far a WAN may be off before it is not the one that was asked for.

    A round trip is off by no more than ``share`` of the asked one or ``ms``, whichever is more.
    Where no loss was asked, ``stray`` is the share of pings that may be lost. ``queue_ms`` is how
    long a ping may wait, each way, for a capped line that is not idle yet.
    """

    share: float
    ms: float
    stray: float
    queue_ms: float


# The goal of the testbed, before there is a load; a stray ping may be lost on a shared network.
AT_REST = Bounds(share=0.02, ms=1.0, stray=0.2, queue_ms=0.0)
# After a load, clients and servers may still be at work and a queue may not be empty: what is
# looked for is a WAN that broke. Busy cells of nine sites were off by 1.0 ms of 300 at most.
AFTER_LOAD = Bounds(share=0.05, ms=5.0, stray=0.5, queue_ms=100.0)


class Ping(Protocol):
    """Sends ``count`` pings from every site to every other, all sites at once.

    Returns, per (source, destination), a round trip (ms) for each, None where it was lost.
    ``timeout_ms`` is how long an answer is waited for.
    """

    def __call__(self, count: int, timeout_ms: int) -> Mapping[Pair, Sequence[float | None]]:
        """See the class."""


class Conditions(Protocol):
    """What a WAN has besides delay; see :class:`discovery.experiment.models.WanSettings`."""

    @property
    def jitter_ms(self) -> float:
        """Half-width of the one-way delay's uniform variation."""

    @property
    def loss_percent(self) -> float:
        """Packets dropped one way, 0 to 100."""

    @property
    def rate_mbit(self) -> float | None:
        """Cap per direction."""


@dataclass(frozen=True)
class Undisturbed:
    """The conditions of a WAN that was not shaped."""

    jitter_ms: float = 0.0
    loss_percent: float = 0.0
    rate_mbit: float | None = None


@dataclass(frozen=True)
class RoundTrip:
    """What was asked and measured of one pair; times in ms, None if every ping was lost."""

    source: str
    destination: str
    asked_rtt_ms: float
    measured_rtt_ms: float | None
    min_rtt_ms: float | None
    max_rtt_ms: float | None
    sent: int
    lost: int

    @classmethod
    def of(cls, pair: Pair, asked_rtt_ms: float, answers: Sequence[float | None]) -> RoundTrip:
        """Sums up ``answers``, the round trip of each ping; the measured one is their median."""
        came = [answer for answer in answers if answer is not None]
        return cls(
            source=pair[0],
            destination=pair[1],
            asked_rtt_ms=asked_rtt_ms,
            measured_rtt_ms=round(statistics.median(came), 3) if came else None,
            min_rtt_ms=min(came, default=None),
            max_rtt_ms=max(came, default=None),
            sent=len(answers),
            lost=len(answers) - len(came),
        )

    def as_record(self) -> dict[str, Any]:
        """The entry of ``wan.json``."""
        return dict(vars(self))


def pings_needed(loss_percent: float) -> int:
    """How many pings tell a lossy pair from a dead one."""
    survive = (1 - loss_percent / 100) ** 2
    if survive >= 1:
        return PINGS
    needed = math.log(ALL_LOST_BY_CHANCE) / math.log1p(-survive)
    return min(MOST_PINGS, max(PINGS, math.ceil(needed)))


def tolerance_ms(
    asked_rtt_ms: float, conditions: Conditions, answers: int, bounds: Bounds = AT_REST
) -> float:
    """How far the median of ``answers`` round trips may be off the asked one (ms).

    The sum of two uniform variations of half-width *j* is triangular, and the median of *n* of
    them has the standard error *j*/√*n*; four of those are what jitter explains.
    """
    goal = max(bounds.share * asked_rtt_ms, bounds.ms)
    jitter = 4 * conditions.jitter_ms / math.sqrt(max(answers, 1))
    line = 0.0
    if conditions.rate_mbit:
        line = 2 * (PING_BITS / (conditions.rate_mbit * 1e3) + bounds.queue_ms)
    return goal + jitter + line


def judge(
    trips: Sequence[RoundTrip],
    conditions: Conditions,
    backend: str,
    bounds: Bounds = AT_REST,
) -> None:
    """Raises a :class:`WanError` that names the worst pair if a round trip is not as asked."""
    for trip in trips:
        pair = f"from {trip.source} to {trip.destination}"
        asked = f"{trip.asked_rtt_ms:g} ms was asked of the {backend} back end"
        if trip.measured_rtt_ms is None:
            raise WanError(
                f"The round trip {pair} cannot be measured: all {trip.sent} pings were lost "
                f"({asked}); look at the nodes' network with `discovery testbed run`."
            )
        # A full queue of a capped line drops packets, too.
        lossless = conditions.loss_percent == 0 and not (bounds.queue_ms and conditions.rate_mbit)
        if lossless and trip.lost > bounds.stray * trip.sent:
            raise WanError(
                f"The WAN {pair} lost {trip.lost} of {trip.sent} pings though no loss was asked "
                f"of the {backend} back end; run the cell again on a quieter testbed."
            )
    off = [
        (excess, trip)
        for trip in trips
        if trip.measured_rtt_ms is not None
        and (
            excess := abs(trip.measured_rtt_ms - trip.asked_rtt_ms)
            - tolerance_ms(trip.asked_rtt_ms, conditions, trip.sent - trip.lost, bounds)
        )
        > 0
    ]
    if off:
        _, worst = max(off, key=lambda item: item[0])
        answers = worst.sent - worst.lost
        allowed = tolerance_ms(worst.asked_rtt_ms, conditions, answers, bounds)
        raise WanError(
            f"The round trip from {worst.source} to {worst.destination} is "
            f"{worst.measured_rtt_ms:g} ms, but {worst.asked_rtt_ms:g} ± {allowed:.3g} ms was "
            f"asked of the {backend} back end ({len(off)} of {len(trips)} pairs are off); "
            f"run the cell again, and see `discovery doctor` if it stays."
        )


def ping_command(addresses: Sequence[str], count: int, timeout_ms: int) -> str:
    """A shell command that pings all ``addresses`` at once; :func:`parse_pings` reads its output.

    One ping goes ahead unseen, for ARP. fping where the node has it, else a ping for each address.
    """
    targets = " ".join(addresses)
    seconds = max(1, math.ceil(timeout_ms / 1000))
    return (
        f"if command -v fping >/dev/null; then "
        f"fping -q -c 1 -t {timeout_ms} {targets} >/dev/null 2>&1; "
        f"fping -q -C {count} -p 100 -t {timeout_ms} {targets} 2>&1; "
        f"else for a in {targets}; do "
        f"(ping -n -q -c 1 -W {seconds} $a >/dev/null 2>&1; "
        f"ping -n -c {count} -i 0.2 -W {seconds} $a 2>&1 "
        f'| sed -n "s/^.*icmp_seq=\\([0-9]*\\) .*time=\\([0-9.]*\\) ms$/$a seq \\1 \\2/p"'
        f") & done; wait; fi; true"
    )


_FPING = re.compile(r"^(\S+) +:((?: +(?:-|[\d.]+))+)$")
_PING = re.compile(r"^(\S+) seq (\d+) ([\d.]+)$")


def parse_pings(output: str, count: int) -> dict[str, list[float | None]]:
    """The round trips (ms, None = lost) per address in the output of :func:`ping_command`."""
    answers: dict[str, list[float | None]] = {}
    for line in output.splitlines():
        if match := _FPING.match(line.strip()):
            values = match[2].split()
            answers[match[1]] = [None if value == "-" else float(value) for value in values]
        elif match := _PING.match(line.strip()):
            row = answers.setdefault(match[1], [None] * count)
            if 1 <= int(match[2]) <= count:
                row[int(match[2]) - 1] = float(match[3])
    return answers
