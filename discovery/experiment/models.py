"""The model of ``experiment.yaml``: factors, tiers and fixed settings.

Unknown keys are refused everywhere. Every delay is *one way* and in milliseconds; the round trip
between two sites is the sum of both directions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    WithJsonSchema,
    field_validator,
    model_serializer,
    model_validator,
)

from discovery.deploy.backends import BACKENDS
from discovery.deploy.cockroach import zones
from discovery.experiment.explain import MATRIX_TAG, NUMBER_TAG, refuse
from discovery.workload.scenarios import SCENARIOS

Load = Literal["light", "high"]
Tier = Literal["smoke", "laptop", "full"]
Cache = Literal["memcached", "dict", "none"]
RallyOn = Literal["client-node", "database-node"]

Milliseconds = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False, strict=True)]
Percent = Annotated[float, Field(ge=0, lt=100, allow_inf_nan=False, strict=True)]
MegabitPerSecond = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Count = Annotated[int, Field(strict=True)]
Matrix = tuple[tuple[float, ...], ...]


def _check_name(kind: str, names: Iterable[str]) -> AfterValidator:
    """A validator that refuses a name which a registry does not have."""
    known = list(names)

    def check(name: str) -> str:
        if name not in known:
            raise refuse(f"unknown {kind}", allowed=known)
        return name

    return AfterValidator(check)


def _enum(names: Iterable[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(names)})


BackendName = Annotated[str, _check_name("back end", BACKENDS), _enum(BACKENDS)]
PlacementName = Annotated[str, _check_name("placement", zones.PLACEMENTS), _enum(zones.PLACEMENTS)]
ScenarioName = Annotated[str, _check_name("scenario", SCENARIOS), _enum(SCENARIOS)]


def _slug(text: str) -> str:
    if not re.fullmatch(_SLUG, text):
        raise refuse("cannot be part of a file name", allowed="a-z, 0-9 and single hyphens between")
    return text


_SLUG = "[a-z0-9]+(-[a-z0-9]+)*"
Slug = Annotated[
    str, AfterValidator(_slug), WithJsonSchema({"type": "string", "pattern": f"^{_SLUG}$"})
]


class Model(BaseModel):
    """Base of every model of a file the user writes: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DelayMatrix(Model):
    """A named matrix of one-way delays in ms: row = from site, column = to site, diagonal 0."""

    name: Slug
    matrix: tuple[tuple[Milliseconds, ...], ...]

    @field_validator("matrix")
    @classmethod
    def _square(cls, matrix: Matrix) -> Matrix:
        size = len(matrix)
        if size < 2:
            raise refuse(
                f"is {size} x {size}", allowed="a row and a column for each of 2 sites or more"
            )
        for number, row in enumerate(matrix):
            if len(row) != size:
                found = f"has {len(row)} delays"
                raise refuse(found, key=(number,), allowed=f"{size} in every row, one per site")
            if row[number] != 0:
                raise refuse(
                    "delays a site from itself",
                    key=(number, number),
                    value=row[number],
                    allowed="0",
                )
        return matrix


def _kind_of_delay(value: object) -> str:
    return MATRIX_TAG if isinstance(value, dict | DelayMatrix) else NUMBER_TAG


# Tagged, so that an error is about the member the user meant, and not about both.
DelayLevel = Annotated[
    Annotated[Milliseconds, Tag(NUMBER_TAG)] | Annotated[DelayMatrix, Tag(MATRIX_TAG)],
    Discriminator(_kind_of_delay),
]


class ReplaySettings(Model):
    """How a Keystone runs a request again that lost a conflict or a connection.

    At most ``tries`` runs; before each but the first it waits up to ``base_ms``, twice that, four
    times that, … and never more than ``cap_ms``.
    """

    tries: Count = Field(default=20, ge=1, le=1000)
    base_ms: Milliseconds = 20.0
    cap_ms: Milliseconds = 1000.0

    @model_validator(mode="after")
    def _ordered(self) -> ReplaySettings:
        if self.cap_ms < self.base_ms:
            raise refuse(
                f"the longest wait is shorter than the first one (base_ms = {self.base_ms:g})",
                key=("cap_ms",),
                value=self.cap_ms,
                allowed=f"a number ≥ {self.base_ms:g}",
            )
        return self


def _switched(replay: object) -> object:
    """``on`` and ``off``, true and false in YAML, as the settings that they stand for."""
    if isinstance(replay, bool):
        return {} if replay else None
    return replay


Replay = Annotated[
    ReplaySettings | None,
    BeforeValidator(_switched, json_schema_input_type=ReplaySettings | bool),
]


class KeystoneSettings(Model):
    """What every cell's Keystones share.

    ``cache``: ``memcached`` is a server per site that its processes share, as in the 2018 study's
    devstack; ``dict`` is oslo.cache's in-process cache, ``none`` the default null cache.
    ``bcrypt_rounds``: cost of a password hash, as its base-2 logarithm. ``processes`` and
    ``threads``: uWSGI's, per site. ``replay``: requests are run again (``on``, or how), or not
    (``off``).
    """

    cache: Cache
    bcrypt_rounds: Count = Field(ge=4, le=16)
    processes: Count = Field(ge=1, le=64)
    threads: Count = Field(ge=1, le=64)
    replay: Replay = None

    @model_serializer(mode="wrap")
    def _without_an_absent_replay(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is off is not written: the parameters of a cell without it are what they were."""
        written: dict[str, Any] = write(self)
        if self.replay is None:
            written.pop("replay", None)
        return written


class DatabaseSettings(Model):
    """What every cell's servers share and a variation may change.

    ``wsrep_sync_wait``: for which statements a Galera node first waits until it has applied what
    the cluster had committed, as MariaDB's bit mask (1 READ, 2 UPDATE and DELETE, 4 INSERT and
    REPLACE, 8 SHOW); 15, all of them, is what the 2018 study had.
    """

    wsrep_sync_wait: Count = Field(default=15, ge=0, le=15)


class WanSettings(Model):
    """What the WAN has besides its delay; the same for every pair of sites.

    ``jitter_ms`` is the half-width of a uniform variation of the one-way delay, ``loss_percent``
    the share of packets dropped one way, ``rate_mbit`` a cap per direction (none if absent).
    """

    jitter_ms: Milliseconds = 0.0
    loss_percent: Percent = 0.0
    rate_mbit: MegabitPerSecond | None = None


class Variation(Model):
    """One thing that a study kept fixed, changed; what is absent stays as the experiment has it.

    ``question`` is what the comparison with the study's own cells answers, in a sentence.
    ``rally_on``: where the first client runs, on a node of its own or, as in 2018, on the node of
    site 1 that has the database's server.
    """

    question: str
    cache: Cache | None = None
    replay: Replay = None
    wsrep_sync_wait: Annotated[int, Field(strict=True, ge=0, le=15)] | None = None
    rally_on: RallyOn = "client-node"


class VariedCells(Model):
    """The cells of one variation in a tier; each has a counterpart among the tier's own cells.

    Levels that are absent are the tier's.
    """

    variation: Slug
    backends: tuple[BackendName, ...] | None = Field(default=None, min_length=1)
    sites: tuple[Count, ...] | None = Field(default=None, min_length=1)
    one_way_delay_ms: tuple[Milliseconds, ...] | None = Field(default=None, min_length=1)
    load: tuple[Load, ...] | None = Field(default=None, min_length=1)
    scenarios: tuple[ScenarioName, ...] | None = Field(default=None, min_length=1)


class TierSettings(Model):
    """The levels of every factor in one tier, and how long each scenario is run.

    ``placement`` is of CockroachDB's replicas; other back ends have one cell whatever it says.
    ``times`` iterations per scenario and client, at most ``concurrency`` of them at once.
    ``varied`` are cells beside the grid in which one fixed setting is another.
    """

    backends: tuple[BackendName, ...] = Field(min_length=1)
    placement: tuple[PlacementName, ...] = Field(default=(zones.DEFAULT,), min_length=1)
    sites: tuple[Annotated[Count, Field(ge=2, le=99)], ...] = Field(min_length=1)
    one_way_delay_ms: tuple[DelayLevel, ...] = Field(min_length=1)
    load: tuple[Load, ...] = Field(min_length=1)
    repetitions: Count = Field(ge=1, le=100)
    scenarios: tuple[ScenarioName, ...] = Field(min_length=1)
    times: Count = Field(ge=1, le=10_000)
    concurrency: Count = Field(ge=1, le=100)
    varied: tuple[VariedCells, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> TierSettings:
        self._check_levels_differ()
        self._check_counterparts()
        self._check_matrices_fit()
        self._check_sites_suffice()
        self._check_placements_fit()
        if self.concurrency > self.times:
            raise refuse(
                f"more at once than there are iterations (times = {self.times})",
                key=("concurrency",),
                value=self.concurrency,
                allowed=f"a whole number ≤ {self.times}",
            )
        return self

    def _check_levels_differ(self) -> None:
        """Two equal levels would be two cells of one id; ids write delays with ``delay_slug``."""
        for factor in ("backends", "placement", "sites", "one_way_delay_ms", "load", "scenarios"):
            levels = getattr(self, factor)
            names = [delay_slug(level) for level in levels] if "delay" in factor else levels
            for number, name in enumerate(names):
                if name in names[:number]:
                    raise refuse(
                        "is there twice",
                        key=(factor, number),
                        value=name,
                        allowed="each level once",
                    )

    def _check_counterparts(self) -> None:
        """A varied cell is compared with one of the grid, so its levels are the grid's."""
        for number, varied in enumerate(self.varied):
            for factor in VARIED_FACTORS:
                there = getattr(self, factor)
                for place, level in enumerate(getattr(varied, factor) or ()):
                    if level not in there:
                        raise refuse(
                            "has no counterpart in the tier",
                            key=("varied", number, factor, place),
                            value=level,
                            allowed=", ".join(map(str, there)),
                        )

    def _check_sites_suffice(self) -> None:
        """A cluster has a least number of nodes."""
        for name in self.backends:
            least = BACKENDS[name].least_sites
            for number, sites in enumerate(self.sites):
                if sites < least:
                    raise refuse(
                        f"too few for back end {name}",
                        key=("sites", number),
                        value=sites,
                        allowed=f"a whole number ≥ {least}",
                    )

    def _check_placements_fit(self) -> None:
        """Replicas can only be where servers are, and only CockroachDB is told where."""
        if not any(BACKENDS[name].places_replicas for name in self.backends):
            if self.placement != (zones.DEFAULT,):
                raise refuse(
                    "no back end of this tier is told where its replicas are",
                    key=("placement",),
                    value=", ".join(self.placement),
                    allowed=zones.DEFAULT,
                )
            return
        for number, name in enumerate(self.placement):
            for sites in self.sites:
                lack = zones.lacks(name, sites)
                if lack is not None:
                    raise refuse(
                        f"cannot be had: {lack}",
                        key=("placement", number),
                        value=name,
                        allowed=f"this one on {zones.least_sites(name)} sites or more",
                    )

    def _check_matrices_fit(self) -> None:
        for number, delay in enumerate(self.one_way_delay_ms):
            size = len(delay.matrix) if isinstance(delay, DelayMatrix) else None
            for sites in self.sites if size else ():
                if size != sites:
                    raise refuse(
                        f"is {size} x {size}, but a cell of this tier has {sites} sites",
                        key=("one_way_delay_ms", number, "matrix"),
                        allowed=f"{sites} rows of {sites} delays",
                    )


VARIED_FACTORS = ("backends", "sites", "one_way_delay_ms", "load", "scenarios")
STUDY = "study"
"""The variation of a cell in which nothing is varied."""


class Experiment(Model):
    """One study: what it keeps fixed, its factors' levels for each tier, and its variations."""

    id: Slug
    title: str
    service: Literal["keystone"]
    keystone: KeystoneSettings
    database: DatabaseSettings = DatabaseSettings()
    wan: WanSettings = WanSettings()
    warm_up_iterations: Count = Field(ge=0, le=1000)
    variations: dict[Slug, Variation] = Field(default_factory=dict)
    tiers: dict[Tier, TierSettings] = Field(min_length=1)

    @model_validator(mode="after")
    def _variations_known(self) -> Experiment:
        if STUDY in self.variations:
            raise refuse(
                "is what cells without a variation are called",
                key=("variations", STUDY),
                allowed="another name",
            )
        for tier, settings in self.tiers.items():
            for number, varied in enumerate(settings.varied):
                if varied.variation not in self.variations:
                    raise refuse(
                        "unknown variation",
                        key=("tiers", tier, "varied", number, "variation"),
                        value=varied.variation,
                        allowed=list(self.variations),
                    )
        return self


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
