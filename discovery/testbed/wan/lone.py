"""The WAN of a lease with one site: there is none, and nothing to shape, measure or cut."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from discovery.errors import WanError
from discovery.testbed.wan.base import Delays, Wan
from discovery.testbed.wan.measure import RoundTrip
from discovery.testbed.wan.sites import Pair

if TYPE_CHECKING:
    from discovery.experiment.models import WanSettings


class LoneWan(Wan):
    """No link; its measurements are of no pair. Cutting or healing it is a :class:`WanError`."""

    backend = "none"

    def __init__(self, site: str) -> None:
        super().__init__([site], None)

    def measure(self, when: str) -> list[RoundTrip]:
        """Records that there was no pair to measure."""
        self._measurements.append({"when": when, "time": time.time(), "pairs": []})
        return []

    def close(self) -> None:
        """Nothing was made."""

    def _shape(self, delays: Delays, settings: WanSettings) -> None:
        """There is no delay of a site to itself."""

    def _cut(self, pairs: Sequence[Pair]) -> NoReturn:
        raise WanError(f"{self.sites[0]} is alone, so no link can be cut: lease more sites.")

    def _heal(self) -> NoReturn:
        self._cut([])
