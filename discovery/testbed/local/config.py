"""The model of a testbed file with ``provider: local``."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import field_validator

from discovery.testbed.config import Testbed


class LocalTestbed(Testbed):
    """Nodes on this machine.

    ``image`` is the root file system they boot, the baked one if not given. ``prefix`` is the
    first half of their addresses; it must be free on this machine, and leases that stand side by
    side need one each.
    """

    on_this_machine: ClassVar[bool] = True
    provider: Literal["local"]
    image: Path | None = None
    prefix: str = "10.77"

    @field_validator("prefix")
    @classmethod
    def _private(cls, prefix: str) -> str:
        try:
            network = ipaddress.IPv4Network(f"{prefix}.0.0/16")
        except ValueError:
            network = None
        if network is None or not network.is_private or network.is_loopback:
            raise ValueError(
                "is no private range; allowed: two numbers of one, such as 10.77 or 192.168"
            )
        return prefix
