"""The system under test of a cell, as its run sees it: deployed, loaded, and looked at after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from discovery.testbed import Lease
from discovery.testbed.leases import Role
from discovery.workload.phases import PhaseClock

Step = Callable[[], None]
Tell = Callable[[str], None]


class Deployed(Protocol):
    """What every deployment can be asked."""

    @property
    def image(self) -> str:
        """The hash of what is installed."""

    def check_health(self) -> None:
        """Prove that it works; a :class:`DeployError` says what does not."""

    def versions(self) -> dict[str, str]:
        """The versions of the packages that matter."""

    def logs(self, folder: Path) -> None:
        """Write the journals of all nodes into ``folder``."""


class Subject(Protocol):
    """A service on its back end, and the load that a cell puts on it.

    Its methods are called once, in this order.
    """

    @property
    def memory_mb(self) -> int:
        """MB that all its nodes will use, under load."""

    @property
    def roles(self) -> Sequence[Sequence[Role]] | None:
        """The roles of each site's nodes; ``None`` for the usual ones."""

    def deploy(self, held: Lease, clock: PhaseClock) -> Deployed:
        """Deploy it on ``held``; a :class:`DeployError` if a step fails."""

    def prepare(self) -> None:
        """Start clients and probes, on a network that is not shaped yet."""

    def steps(self, folder: Path) -> list[tuple[str, Step]]:
        """The phases of the load, in their order; what they write goes to ``folder``."""

    def collect(self, folder: Path) -> None:
        """Write into ``folder`` what clients and probes saw, also of a load that broke off."""
