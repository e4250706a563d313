"""The WAN of a lease as everything else sees it, whatever emulates it."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from discovery.errors import WanError
from discovery.testbed.wan.echoes import Echoes, Station
from discovery.testbed.wan.measure import (
    Conditions,
    Ping,
    RoundTrip,
    Undisturbed,
    judge,
    pings_needed,
)
from discovery.testbed.wan.sites import Pair, check_delays, crossing_pairs, ordered_pairs

if TYPE_CHECKING:
    from discovery.experiment.models import WanSettings

Delays = Sequence[Sequence[float]]


class Wan(ABC):
    """The links between the sites of a lease: shaped, measured, cut and healed.

    ``backend`` names what emulates it: ``forwarder``, ``netem`` or ``netem-htb``. A change that
    cannot be made, and a round trip that is not the one asked for, raise :class:`WanError`.
    """

    backend: str

    def __init__(self, sites: Sequence[str], ping: Ping | None) -> None:
        self.sites = list(sites)
        self._ping = ping
        self._asked: Delays = [[0.0] * len(self.sites) for _ in self.sites]
        self._conditions: Conditions = Undisturbed()
        self._echoes: Echoes | None = None
        self._measurements: list[dict[str, Any]] = []
        self._changes: list[dict[str, Any]] = []
        self._stalls: list[dict[str, float]] = []
        self._parted: set[Pair] = set()
        # A pulse must not fall between a change and the note of it.
        self._changing = threading.RLock()

    def shape(self, delays: Delays, settings: WanSettings) -> None:
        """Gives every link its one-way delay (ms, row = from site, column = to site).

        ``settings`` has what all links share. The whole matrix is in force at once, then every
        round trip is measured and recorded; a :class:`WanError` tells of the worst that is off.
        """
        check_delays(delays, self.sites)
        with self._changing:
            self._shape(delays, settings)
        self._asked, self._conditions = delays, settings
        judge(self.measure("shaped"), settings, self.backend)

    def measure(self, when: str) -> list[RoundTrip]:
        """Measures and records the round trip of every pair of sites; judges nothing.

        ``when`` is ``unshaped``, ``shaped`` or ``after-load``.
        """
        if self._ping is None:
            raise WanError("This lease was opened without its nodes, so nothing can be measured.")
        asked = {pair: self._asked_rtt_ms(pair) for pair in ordered_pairs(self.sites)}
        started = time.time()
        timeout_ms = round(1000 + 2 * max(asked.values()))
        answers = self._ping(pings_needed(self._conditions.loss_percent), timeout_ms)
        trips = [RoundTrip.of(pair, asked[pair], answers[pair]) for pair in asked]
        self._measurements.append(
            {"when": when, "time": started, "pairs": [trip.as_record() for trip in trips]}
        )
        return trips

    def cut(self, sites: Collection[str]) -> None:
        """Parts ``sites`` from all the others; among themselves they still reach each other."""
        with self._changing:
            self._changed(self._part(crossing_pairs(sites, self.sites)), "cut", sorted(sites))

    def cut_pairs(self, pairs: Collection[Pair]) -> None:
        """Cuts ways from a site to another, one direction each; recorded as ``cut-one-way``."""
        for pair in pairs:
            if pair not in ordered_pairs(self.sites):
                raise WanError(f"There is no link {' → '.join(pair)}: name two different sites.")
        with self._changing:
            when = self._part(list(pairs))
            for pair in pairs:
                self._changed(when, "cut-one-way", pair)

    def heal(self) -> None:
        """Undoes every cut; the delays are what they were."""
        with self._changing:
            self._changed(self._heal(), "heal", self.sites)
            self._parted.clear()

    def pulse(self) -> None:
        """Asks what emulates the WAN whether it lives; cheap enough for once a second.

        Raises a :class:`WanError` if it died, hangs, or was changed by somebody else. When it stood
        still is kept for the record.
        """
        with self._changing:
            self._pulse()
        if self._echoes:
            self._echoes.look(
                lambda pair: self._asked_rtt_ms(pair) / 1e3, self._conditions, self._parted
            )

    def echo_between(self, stations: Sequence[Station]) -> None:
        """Have every pulse send pings between ``stations``, one per site."""
        self._echoes = Echoes(stations)

    def _asked_rtt_ms(self, pair: Pair) -> float:
        there, back = (self.sites.index(site) for site in pair)
        return self._asked[there][back] + self._asked[back][there]

    def _part(self, pairs: Sequence[Pair]) -> float:
        when = self._cut(pairs)
        self._parted |= set(pairs)
        return when

    def _changed(self, when: float, action: str, sites: Sequence[str]) -> None:
        self._changes.append({"time": when, "action": action, "sites": list(sites)})

    @property
    def record(self) -> dict[str, Any]:
        """What ``wan.json`` holds: every measurement, every cut and its healing, every stall."""
        return {
            "schema_version": 1,
            "backend": self.backend,
            "measurements": list(self._measurements),
            "changes": list(self._changes),
            "stalls": list(self._stalls),
        }

    @abstractmethod
    def _shape(self, delays: Delays, settings: WanSettings) -> None:
        """Shapes; returns when it is in force."""

    @abstractmethod
    def _cut(self, pairs: Sequence[Pair]) -> float:
        """Takes ordered pairs down; returns when (s since the epoch) they were."""

    @abstractmethod
    def _heal(self) -> float:
        """Takes every pair up; returns when."""

    def _pulse(self) -> None:  # noqa: B027  (between real machines there is nobody to ask)
        """Raises a :class:`WanError` if what emulates the WAN is not well, where one can tell."""

    @abstractmethod
    def close(self) -> None:
        """Removes the WAN and whatever it made; done twice, it does nothing."""
