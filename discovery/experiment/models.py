"""The model of ``experiment.yaml``: factors, tiers and fixed settings.

Unknown keys are refused everywhere. Every delay is *one way* and in milliseconds; the round trip
between two sites is the sum of both directions.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from discovery.deploy.backends import BACKENDS
from discovery.workload.scenarios import SCENARIOS

Load = Literal["light", "high"]
Tier = Literal["smoke", "laptop", "full"]
Cache = Literal["dict", "none"]

Milliseconds = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False, strict=True)]
Percent = Annotated[float, Field(ge=0, lt=100, allow_inf_nan=False, strict=True)]
MegabitPerSecond = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Matrix = tuple[tuple[float, ...], ...]


class Model(BaseModel):
    """Base of every model of a file the user writes: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _known(kind: str, name: str, registry: dict[str, object]) -> str:
    if name not in registry:
        raise ValueError(f"unknown {kind}; allowed: {', '.join(registry)}")
    return name


class DelayMatrix(Model):
    """A named matrix of one-way delays in ms: row = from site, column = to site, diagonal 0."""

    name: Slug
    matrix: tuple[tuple[Milliseconds, ...], ...]

    @field_validator("matrix")
    @classmethod
    def _square(cls, matrix: Matrix) -> Matrix:
        for number, row in enumerate(matrix, 1):
            if len(row) != len(matrix):
                raise ValueError(
                    f"row {number} has {len(row)} delays; allowed: {len(matrix)}, one per site"
                )
            if row[number - 1] != 0:
                raise ValueError(f"row {number} delays a site from itself; allowed: 0 there")
        return matrix


DelayLevel = Milliseconds | DelayMatrix


class KeystoneSettings(Model):
    """What every cell's Keystones share.

    ``cache``: ``dict`` is oslo.cache's in-process cache, ``none`` the default null cache.
    ``bcrypt_rounds``: cost of a password hash, as its base-2 logarithm. ``processes`` and
    ``threads``: uWSGI's, per site.
    """

    cache: Cache
    bcrypt_rounds: int = Field(ge=4, le=16)
    processes: int = Field(ge=1, le=64)
    threads: int = Field(ge=1, le=64)


class WanSettings(Model):
    """What the WAN has besides its delay; the same for every pair of sites.

    ``jitter_ms`` is the half-width of a uniform variation of the one-way delay, ``loss_percent``
    the share of packets dropped one way, ``rate_mbit`` a cap per direction (none if absent).
    """

    jitter_ms: Milliseconds = 0.0
    loss_percent: Percent = 0.0
    rate_mbit: MegabitPerSecond | None = None


class TierSettings(Model):
    """The levels of every factor in one tier, and how long each scenario is run.

    ``times`` iterations per scenario and client, at most ``concurrency`` of them at once.
    """

    backends: tuple[str, ...] = Field(min_length=1)
    sites: tuple[Annotated[int, Field(ge=2, le=99)], ...] = Field(min_length=1)
    one_way_delay_ms: tuple[DelayLevel, ...] = Field(min_length=1)
    load: tuple[Load, ...] = Field(min_length=1)
    repetitions: int = Field(ge=1, le=100)
    scenarios: tuple[str, ...] = Field(min_length=1)
    times: int = Field(ge=1, le=10_000)
    concurrency: int = Field(ge=1, le=100)

    @field_validator("backends")
    @classmethod
    def _known_backends(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_known("back end", name, dict(BACKENDS)) for name in names)

    @field_validator("scenarios")
    @classmethod
    def _known_scenarios(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_known("scenario", name, dict(SCENARIOS)) for name in names)

    @model_validator(mode="after")
    def _consistent(self) -> TierSettings:
        for factor in ("backends", "sites", "one_way_delay_ms", "load", "scenarios"):
            levels = getattr(self, factor)
            if len(set(map(repr, levels))) != len(levels):
                raise ValueError(f"{factor} names a level twice; allowed: each level once")
        for delay in self.one_way_delay_ms:
            if isinstance(delay, DelayMatrix):
                for sites in self.sites:
                    if len(delay.matrix) != sites:
                        raise ValueError(
                            f"delay matrix {delay.name!r} is {len(delay.matrix)} x "
                            f"{len(delay.matrix)} but a cell has {sites} sites; "
                            f"allowed: {sites} x {sites}"
                        )
        if self.concurrency > self.times:
            raise ValueError(
                f"concurrency {self.concurrency} exceeds times {self.times}; "
                f"allowed: at most {self.times}"
            )
        return self


class Experiment(Model):
    """One study: what it keeps fixed, and its factors' levels for each tier."""

    id: Slug
    title: str
    service: Literal["keystone"]
    keystone: KeystoneSettings
    wan: WanSettings = WanSettings()
    warm_up_iterations: int = Field(ge=0, le=1000)
    tiers: dict[Tier, TierSettings] = Field(min_length=1)


def delay_slug(delay: float | DelayMatrix) -> str:
    """How a delay level is written in a cell's id: ``50``, ``0.5`` or the matrix's name."""
    if isinstance(delay, DelayMatrix):
        return delay.name
    return f"{delay:g}"


def delay_matrix(delay: float | DelayMatrix, sites: int) -> Matrix:
    """The one-way delays (ms) between every pair of ``sites`` sites."""
    if isinstance(delay, DelayMatrix):
        return delay.matrix
    return tuple(
        tuple(0.0 if source == destination else float(delay) for destination in range(sites))
        for source in range(sites)
    )


def mean_one_way_delay_ms(delay: float | DelayMatrix) -> float:
    """The delay as one number for axes and models: a matrix's mean over its ordered pairs."""
    if not isinstance(delay, DelayMatrix):
        return float(delay)
    size = len(delay.matrix)
    return math.fsum(map(math.fsum, delay.matrix)) / (size * (size - 1))
