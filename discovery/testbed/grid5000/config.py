"""The model of a testbed file of provider ``grid5000``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from discovery.experiment.base import Count, Model, NamedPath, Switch
from discovery.testbed.config import Testbed

# A day is also the most that EnOSlib can handle when a start is given.
_WALLTIME = re.compile(r"([0-9]|[01][0-9]|2[0-3]):([0-5][0-9])(:[0-5][0-9])?")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]+[0-9]{2}:[0-9]{2}(:[0-9]{2})?(?P<zone>.*)")
_HOUR_S = 3600
PARIS = ZoneInfo("Europe/Paris")
# Grid'5000 takes no reservation a century off; whether one is past, its API says.
_EARLIEST, _LATEST = 2020, 2099


def _walltime(value: object) -> str:
    """``HH:MM:SS`` from it or from OAR's ``HH:MM``.

    A plain 10:00:00 is a number of seconds to a reader of YAML 1.1 other than ours, and so is a
    plain 2:00, which means hours: of numbers, only what is too large for the latter is taken.
    """
    if isinstance(value, int) and value >= _HOUR_S:
        value = f"{value // 3600:02}:{value // 60 % 60:02}:{value % 60:02}"
    found = _WALLTIME.fullmatch(value) if isinstance(value, str) else None
    if found is None or not isinstance(value, str):
        raise ValueError(
            'is no duration; allowed: HH:MM:SS below 24:00:00, in quotes, such as "02:00:00"'
        )
    hours, minutes, seconds = found[1].zfill(2), found[2], found[3] or ":00"
    if (hours, minutes, seconds) == ("00", "00", ":00"):
        raise ValueError("is no time at all; allowed: HH:MM:SS from 00:00:01 to 23:59:59")
    return f"{hours}:{minutes}{seconds}"


def _moment(value: object) -> object:
    """A date and a time as they are written; pydantic would take numbers, and dates alone."""
    if value is None or isinstance(value, datetime):
        return value
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("is no date with a time; allowed: such as 2026-12-01 19:00:00")
    if found["zone"]:
        raise ValueError("has a time zone; allowed: Paris time without one")
    return value


def _once(moment: datetime) -> None:
    """Refuse a time of day that Paris has not, or has twice, for its clocks are put forth or back.

    Nobody could tell which moment was meant: that of EnOSlib need not be that of OAR.
    """
    aware = [moment.replace(tzinfo=PARIS, fold=fold) for fold in (0, 1)]
    if aware[0].utcoffset() == aware[1].utcoffset():
        return
    there = aware[0].astimezone(UTC).astimezone(PARIS).replace(tzinfo=None) == moment
    raise ValueError(
        f"reservation is {moment:%Y-%m-%d %H:%M:%S}, which Paris has "
        + ("twice, as its clocks are put back" if there else "not, as its clocks are put forward")
        + "; allowed: a time an hour or more before or after"
    )


class ClusterShare(Model):
    """How many of the experiment's sites are put on ``cluster``; more than one is emulation."""

    cluster: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    count: Annotated[Count, Field(ge=1, le=99)] = 1


class Grid5000Testbed(Testbed):
    """A testbed file of provider ``grid5000``; site-1 is on the first cluster, and so on.

    ``walltime`` is ``HH:MM:SS`` or ``HH:MM``, below a day. ``reservation`` is when the jobs start,
    in Paris time as everywhere on Grid'5000; without it they start when the nodes are free, at the
    latest ``wait_hours`` from now. ``public_key`` is let in on the nodes, all those of ``~/.ssh``
    if not given. ``jump`` says whether SSH goes through access.grid5000.fr: false on its VPN, and
    found by this machine's name if not given.
    """

    provider: Literal["grid5000"]
    sites: Annotated[tuple[ClusterShare, ...], Field(min_length=1)]
    walltime: Annotated[str, BeforeValidator(_walltime)]
    env_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9@:._-]{0,99}$")] = "debian12-min"
    job_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")] = "discovery"
    queue: Literal["default", "production", "testing", "besteffort", "admin"] = "default"
    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None = None
    reservation: Annotated[datetime | None, BeforeValidator(_moment)] = None
    wait_hours: Annotated[float, Field(ge=0, le=168, allow_inf_nan=False, strict=True)] = 2.0
    public_key: NamedPath | None = None
    jump: Switch | None = None

    @model_validator(mode="after")
    def _paris_time(self) -> Grid5000Testbed:
        if self.reservation is not None and self.reservation.tzinfo is not None:
            raise ValueError("reservation has a time zone; allowed: Paris time without one")
        if self.reservation is not None and not _EARLIEST <= self.reservation.year <= _LATEST:
            raise ValueError(
                f"reservation is in the year {self.reservation.year}; allowed: a date from "
                f"{_EARLIEST} to {_LATEST}"
            )
        if self.reservation is not None:
            _once(self.reservation)
        return self

    @property
    def clusters(self) -> list[str]:
        """The cluster of site-1, site-2, …"""
        return [share.cluster for share in self.sites for _ in range(share.count)]

    @property
    def most_sites(self) -> int:
        """Those that a cluster is named for."""
        return sum(share.count for share in self.sites)
