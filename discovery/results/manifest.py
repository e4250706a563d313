"""The models of a raw cell's JSON files, as ``docs/architecture.md`` describes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from discovery.experiment.studies import AnyCell
from discovery.results.files import Count, Epoch, Name, Recorded, Seconds, Site, Text, plain

RAW_SCHEMA_VERSION = 1

PhaseSeconds = Annotated[float, Field(ge=0, le=30 * 86_400)]
Milliseconds = Annotated[float, Field(ge=0, le=1e9)]


class Failure(Recorded):
    """Why a cell failed; ``class`` is ``measured``, since accidents leave no folder."""

    # ``class`` is a keyword of Python.
    failure_class: Literal["measured"] = Field(validation_alias="class")
    phase: Name
    message: Annotated[str, Field(min_length=1)]


class Phase(Recorded):
    """A phase: ``start`` in seconds since the cell's ``started``, and how many it took."""

    phase: Name
    start: PhaseSeconds
    seconds: PhaseSeconds


class Environment(Recorded):
    """Where a cell ran and with which software.

    ``memory_mb`` is the machine's; ``commit`` is ``None`` outside a checkout.
    """

    workbench: Name
    commit: Name | None
    dirty: bool
    image: Text
    provider: Name
    wan: Name
    kernel: Name
    cpu: Text
    cores: Annotated[int, Field(ge=1, le=1_000_000)]
    memory_mb: Annotated[float, Field(gt=0, le=1e12)]
    packages: dict[Name, Text]


class Manifest(Recorded):
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
            raise ValueError(
                f"cell_id is {plain(self.cell_id)}, but the cell in it is {plain(self.cell.id)}"
            )
        if (self.status == "failed") != (self.failure is not None):
            raise ValueError(f"status is {self.status}, but failure is {self.failure!r}")
        if self.started.tzinfo is None:
            raise ValueError("started has no time zone")
        return self


class Pair(Recorded):
    """Round trips (ms) of one ordered pair of sites; ``None`` measured when all were lost."""

    source: Site
    destination: Site
    asked_rtt_ms: Milliseconds
    measured_rtt_ms: Milliseconds | None
    min_rtt_ms: Milliseconds | None
    max_rtt_ms: Milliseconds | None
    sent: Count
    lost: Count


class Measurement(Recorded):
    """Round trips of every pair, measured once."""

    when: Literal["unshaped", "shaped", "after-load"]
    time: Epoch
    pairs: tuple[Pair, ...]


class Change(Recorded):
    """A cut, or its healing, at ``time`` (s, epoch)."""

    time: Epoch
    action: Literal["cut", "cut-one-way", "heal"]
    sites: Annotated[tuple[Site, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _two_ends(self) -> Change:
        if self.action == "cut-one-way" and len(self.sites) != 2:
            raise ValueError(f"sites are {len(self.sites)}, but a way has 2 ends")
        return self


class Stall(Recorded):
    """The WAN stood still from ``time`` (s, epoch) on, for so many seconds."""

    time: Epoch
    seconds: Seconds


class Wan(Recorded):
    """``wan.json``: the round trips asked for and those measured; early records have no stalls."""

    schema_version: Literal[1]
    backend: Name
    measurements: tuple[Measurement, ...]
    changes: tuple[Change, ...]
    stalls: tuple[Stall, ...] = ()


class ReplayedRequest(Recorded):
    """A request that met an error of the database, at ``time`` (s, epoch).

    It was run again ``replays`` times and lost ``lost_s`` seconds by it; ``errors`` of which kind.
    """

    time: Epoch
    method: str
    path: str
    outcome: str
    replays: Count
    lost_s: Seconds
    errors: dict[str, Count]


Total = Literal["requests", "replays", "recovered", "gave_up", "committed"]


class SiteReplays(Recorded):
    """What one site's Keystone counted since it was started; it has no totals before a request."""

    totals: dict[Total, Count]
    requests: tuple[ReplayedRequest, ...]


class Replays(Recorded):
    """``replays.json``: what became of requests that met a conflict or lost a connection."""

    schema_version: Literal[1]
    sites: dict[Site, SiteReplays]
