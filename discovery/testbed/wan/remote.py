"""The WAN between real machines: EnOSlib's NetemHTB on every node, towards every other site's.

Machines without netem accept it and delay nothing; the measurement after shaping tells.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import enoslib as en

from discovery.errors import WanError
from discovery.experiment.models import WanSettings
from discovery.testbed.leases import Node
from discovery.testbed.wan.base import Delays, Wan
from discovery.testbed.wan.measure import Ping
from discovery.testbed.wan.sites import Pair, ordered_pairs

# NetemHTB always caps; more than any link has.
UNCAPPED = "100gbit"
# Sent to prove that a cut is one.
CUT_PINGS = 3


class RemoteWan(Wan):
    """Shapes between ``nodes``; ``roles`` and ``networks`` are EnOSlib's, of the same lease."""

    backend = "netem-htb"

    def __init__(
        self, nodes: Sequence[Node], roles: en.Roles, networks: en.Networks, ping: Ping
    ) -> None:
        super().__init__(list(dict.fromkeys(node.site for node in nodes)), ping)
        self._nodes = nodes
        self._roles = roles
        self._networks = networks
        self._hosts: dict[str, list[en.Host]] | None = None
        self._settings = WanSettings()
        self._down: set[Pair] = set()
        self._service: en.NetemHTB | None = None

    def close(self) -> None:
        """Removes what was shaped; the nodes may be used by somebody else next."""
        if self._service is not None:
            service, self._service = self._service, None
            with _one_sentence("unshaped"):
                service.destroy()

    def _shape(self, delays: Delays, settings: WanSettings) -> None:
        self._apply(delays, settings, self._down)
        self._settings = settings

    def _cut(self, pairs: Sequence[Pair]) -> float:
        down = self._down | set(pairs)
        self._apply(self._asked, self._settings, down)
        self._down = down
        when = time.time()
        prove_cut(self._answers(pairs), self.backend)
        return when

    def _heal(self) -> float:
        self._apply(self._asked, self._settings, ())
        self._down = set()
        return time.time()

    def _apply(self, delays: Delays, settings: WanSettings, down: Collection[Pair]) -> None:
        constrained = constraints(self.sites, delays, settings, down)
        self.close()
        if constrained:
            with _one_sentence("shaped"):
                self._service = service(self._site_hosts(), constrained)
                self._service.deploy()

    def _answers(self, pairs: Collection[Pair]) -> dict[Pair, Sequence[float | None]]:
        """A few pings between ``pairs``, of either direction: a round trip takes both."""
        if self._ping is None:
            return {}
        answers = self._ping(CUT_PINGS, 1000)
        return {pair: answers[pair] for pair in pairs}

    def _site_hosts(self) -> dict[str, list[en.Host]]:
        """The hosts of every site, with their interfaces: asked of the nodes once."""
        if self._hosts is None:
            known = en.sync_info(self._roles, self._networks)
            self._hosts = {
                site: [
                    host
                    for role in ("control", "client")
                    for host in known[role]
                    if host.alias in {n.host.alias for n in self._nodes if n.site == site}
                ]
                for site in self.sites
            }
        return self._hosts


@contextmanager
def _one_sentence(done: str) -> Iterator[None]:
    """Turns EnOSlib's records of every task on every node that failed into a :class:`WanError`."""
    try:
        yield
    except (en.errors.EnosFailedHostsError, en.errors.EnosUnreachableHostsError) as error:
        names = ", ".join(sorted({record.host for record in error.hosts}))
        raise WanError(
            f"The WAN could not be {done} on {names}; they must answer on SSH, as root, and have "
            "iproute2 and the kernel module sch_netem."
        ) from None


def prove_cut(answers: Mapping[Pair, Sequence[float | None]], backend: str) -> None:
    """Raises a :class:`WanError` if a ping still came through between sites that are cut."""
    for (source, destination), row in answers.items():
        if any(answer is not None for answer in row):
            raise WanError(
                f"{source} still reaches {destination} though the {backend} back end cut them: "
                f"the nodes need the kernel module sch_netem."
            )


def constraints(
    sites: Sequence[str], delays: Delays, settings: WanSettings, down: Collection[Pair]
) -> dict[Pair, tuple[str, str, str | None]]:
    """Delay, rate and loss, as NetemHTB wants them, of every pair that is not a plain LAN.

    A delay with jitter also gives netem a rate: without one it lets packets overtake each other.
    """
    number = {name: position for position, name in enumerate(sites)}
    rate = f"{settings.rate_mbit:g}mbit" if settings.rate_mbit else UNCAPPED
    wanted: dict[Pair, tuple[str, str, str | None]] = {}
    for source, destination in ordered_pairs(sites):
        delay = delays[number[source]][number[destination]]
        if (source, destination) in down:
            wanted[source, destination] = ("0ms", UNCAPPED, "100%")
        elif delay or settings != WanSettings():
            words = f"{delay:g}ms"
            if settings.jitter_ms:
                words += f" {settings.jitter_ms:g}ms rate {UNCAPPED}"
            loss = f"{settings.loss_percent:g}%" if settings.loss_percent else None
            wanted[source, destination] = (words, rate, loss)
    return wanted


def service(
    hosts: dict[str, list[en.Host]], constrained: dict[Pair, tuple[str, str, str | None]]
) -> en.NetemHTB:
    """The EnOSlib service with the constraints between the hosts of the sites."""
    htb = en.NetemHTB()
    for (source, destination), (delay, rate, loss) in constrained.items():
        htb.add_constraints(hosts[source], hosts[destination], delay, rate, loss)
    return htb
