"""The models of a raw cell's JSON files, as ``docs/architecture.md`` describes them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from discovery.experiment.studies import AnyCell

RAW_SCHEMA_VERSION = 1


class _Recorded(BaseModel):
    """Base of what was recorded: frozen, and keys nobody described are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Failure(_Recorded):
    """Why a cell failed; ``class`` is ``measured``, since accidents leave no folder."""

    failure_class: Literal["measured"]
    phase: str
    message: str

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, values: dict[str, object]) -> dict[str, object]:
        """``class`` is a keyword of Python; the attribute is ``failure_class``."""
        return {"failure_class" if key == "class" else key: item for key, item in values.items()}


class Phase(_Recorded):
    """A phase: ``start`` in seconds since the cell's ``started``, and how many it took."""

    phase: str
    start: float
    seconds: float


class Environment(_Recorded):
    """Where a cell ran and with which software.

    ``memory_mb`` is the machine's; ``commit`` is ``None`` outside a checkout.
    """

    workbench: str
    commit: str | None
    dirty: bool
    image: str
    provider: str
    wan: str
    kernel: str
    cpu: str
    cores: int
    memory_mb: float
    packages: dict[str, str]


class Manifest(_Recorded):
    """``cell.json``: what was run, how it ended, and the SHA-256 of every file beside it."""

    schema_version: Literal[1]
    cell: AnyCell
    cell_id: str
    status: Literal["ok", "failed"]
    failure: Failure | None
    started: datetime
    phases: tuple[Phase, ...]
    environment: Environment
    files: dict[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if self.cell_id != self.cell.id:
            raise ValueError(f"cell_id is {self.cell_id}, but the cell in it is {self.cell.id}")
        if (self.status == "failed") != (self.failure is not None):
            raise ValueError(f"status is {self.status}, but failure is {self.failure}")
        if self.started.tzinfo is None:
            raise ValueError("started has no time zone")
        return self


class Pair(_Recorded):
    """Round trips (ms) of one ordered pair of sites; ``None`` measured when all were lost."""

    source: str
    destination: str
    asked_rtt_ms: float
    measured_rtt_ms: float | None
    min_rtt_ms: float | None
    max_rtt_ms: float | None
    sent: int
    lost: int


class Measurement(_Recorded):
    """Round trips of every pair, measured once."""

    when: Literal["unshaped", "shaped", "after-load"]
    time: float
    pairs: tuple[Pair, ...]


class Change(_Recorded):
    """A cut, or its healing, at ``time`` (s, epoch)."""

    time: float
    action: str
    sites: tuple[str, ...]


class Stall(_Recorded):
    """The WAN stood still from ``time`` (s, epoch) on, for so many seconds."""

    time: float
    seconds: float


class Wan(_Recorded):
    """``wan.json``: the round trips asked for and those measured; early records have no stalls."""

    schema_version: Literal[1]
    backend: str
    measurements: tuple[Measurement, ...]
    changes: tuple[Change, ...]
    stalls: tuple[Stall, ...] = ()


class ReplayedRequest(_Recorded):
    """A request that met an error of the database, at ``time`` (s, epoch).

    It was run again ``replays`` times and lost ``lost_s`` seconds by it; ``errors`` of which kind.
    """

    time: float
    method: str
    path: str
    outcome: str
    replays: int
    lost_s: float
    errors: dict[str, int]


class SiteReplays(_Recorded):
    """What one site's Keystone counted since it was started; it has no totals before a request."""

    totals: dict[str, int]
    requests: tuple[ReplayedRequest, ...]


class Replays(_Recorded):
    """``replays.json``: what became of requests that met a conflict or lost a connection."""

    schema_version: Literal[1]
    sites: dict[str, SiteReplays]
