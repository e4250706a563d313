"""The model of a testbed file of provider ``grid5000``."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from discovery.experiment.base import Model
from discovery.testbed.config import Testbed

# A day is also the most that EnOSlib can handle when a start is given.
_WALLTIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")


def _walltime(value: object) -> str:
    if isinstance(value, int):  # YAML 1.1 reads an unquoted 12:30:00 as a number of seconds
        value = f"{value // 3600:02}:{value // 60 % 60:02}:{value % 60:02}"
    if not isinstance(value, str) or not _WALLTIME.fullmatch(value) or value == "00:00:00":
        raise ValueError("is no duration; allowed: HH:MM:SS below 24:00:00")
    return value


class ClusterShare(Model):
    """How many of the experiment's sites are put on ``cluster``; more than one is emulation."""

    cluster: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    count: Annotated[int, Field(ge=1, le=99)] = 1


class Grid5000Testbed(Testbed):
    """A testbed file of provider ``grid5000``; site-1 is on the first cluster, and so on.

    ``walltime`` is ``HH:MM:SS``, below a day. ``reservation`` is when the jobs start, in Paris time
    as everywhere on Grid'5000; without it they start when the nodes are free, at the latest
    ``wait_hours`` from now. ``public_key`` is let in on the nodes, all those of ``~/.ssh`` if not
    given. ``jump`` says whether SSH goes through access.grid5000.fr: false on its VPN, and found by
    this machine's name if not given.
    """

    provider: Literal["grid5000"]
    sites: Annotated[tuple[ClusterShare, ...], Field(min_length=1)]
    walltime: Annotated[str, BeforeValidator(_walltime)]
    env_name: str = "debian12-min"
    job_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")] = "discovery"
    queue: Literal["default", "production", "testing", "besteffort", "admin"] = "default"
    project: str | None = None
    reservation: datetime | None = None
    wait_hours: Annotated[float, Field(ge=0, le=168)] = 2.0
    public_key: Path | None = None
    jump: bool | None = None

    @model_validator(mode="after")
    def _paris_time(self) -> Grid5000Testbed:
        if self.reservation is not None and self.reservation.tzinfo is not None:
            raise ValueError("reservation has a time zone; allowed: Paris time without one")
        return self

    @property
    def clusters(self) -> list[str]:
        """The cluster of site-1, site-2, …"""
        return [share.cluster for share in self.sites for _ in range(share.count)]
