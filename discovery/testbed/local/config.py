"""The model of a testbed file with ``provider: local``."""

from __future__ import annotations

import ipaddress
from typing import ClassVar, Literal

from pydantic import field_validator

from discovery.experiment.base import NamedPath
from discovery.testbed.config import Testbed
from discovery.testbed.leases import Role

# Of the ranges that are nobody's on the Internet, those that are large enough and for this use:
# RFC 1918's, and RFC 2544's for measurements.
_PRIVATE = [
    ipaddress.IPv4Network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15")
]


class LocalTestbed(Testbed):
    """Nodes on this machine.

    ``image`` is the root file system they boot, the baked one if not given. ``prefix`` is the
    first half of their addresses; it must be free on this machine, and leases that stand side by
    side need one each.
    """

    on_this_machine: ClassVar[bool] = True
    kinds: ClassVar[tuple[Role, ...] | None] = None
    provider: Literal["local"]
    image: NamedPath | None = None
    prefix: str = "10.77"

    @property
    def most_sites(self) -> int:
        """A site is the third number of its nodes' addresses."""
        return 254

    @field_validator("prefix")
    @classmethod
    def _private(cls, prefix: str) -> str:
        try:
            network = ipaddress.IPv4Network(f"{prefix}.0.0/16")
        except ValueError:
            network = None
        if network is None or not any(network.subnet_of(each) for each in _PRIVATE):
            raise ValueError(
                "is no private range; allowed: two numbers of one, such as 10.77 or 192.168"
            )
        return prefix
