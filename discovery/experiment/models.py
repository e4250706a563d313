"""The model of ``experiment.yaml``: what a study keeps fixed, its variations, and its tiers.

Unknown keys are refused everywhere. Every delay is *one way* and in milliseconds; the round trip
between two sites is the sum of both directions.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from discovery.deploy.backends import BACKENDS
from discovery.document import Location
from discovery.experiment.base import (
    Count,
    Line,
    MegabitPerSecond,
    Milliseconds,
    Model,
    Percent,
    Slug,
    Switch,
)
from discovery.experiment.explain import refuse
from discovery.experiment.grids import STUDY, Grid
from discovery.experiment.tiers import Processes, Tier, TierSettings

Cache = Literal["memcached", "dict", "none"]
RallyOn = Literal["client-node", "database-node"]


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
    processes: Processes
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
    REPLACE, 8 SHOW); 15, all of them, is what the 2018 study had. ``foreign_key_indexes``: where a
    driver can leave them, every foreign key has the index that MySQL makes for it.
    """

    wsrep_sync_wait: Count = Field(default=15, ge=0, le=15)
    foreign_key_indexes: Switch = True

    @model_serializer(mode="wrap")
    def _without_what_is_there(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only that they are left is written: the parameters of other cells are what they were."""
        written: dict[str, Any] = write(self)
        if self.foreign_key_indexes:
            written.pop("foreign_key_indexes")
        return written


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
    site 1 that has the database's server. ``foreign_key_indexes``: false leaves those that MySQL
    makes by itself, as PostgreSQL and CockroachDB do.
    """

    question: Line
    cache: Cache | None = None
    replay: Replay = None
    wsrep_sync_wait: Annotated[int, Field(strict=True, ge=0, le=15)] | None = None
    foreign_key_indexes: Switch | None = None
    rally_on: RallyOn = "client-node"


class Experiment(Model):
    """One study: what it keeps fixed, its factors' levels for each tier, and its variations."""

    id: Slug
    title: Line
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
            for grid, variation in [*settings.varied_grids(), *settings.further_grids()]:
                if variation == STUDY:
                    continue
                place = ("tiers", tier, *grid.place)
                if variation not in self.variations:
                    raise refuse(
                        "unknown variation",
                        key=(*place, "variation"),
                        value=variation,
                        allowed=list(self.variations),
                    )
                if self.variations[variation].foreign_key_indexes is False:
                    _check_indexes_can_be_left(grid, place)
        return self


def _check_indexes_can_be_left(grid: Grid, place: Location) -> None:
    """The indexes of foreign keys are a driver's of ours, or the server's own."""
    able = [name for name, backend in BACKENDS.items() if backend.optional_indexes]
    for number, backend in enumerate(grid.backends):
        if backend not in able:
            named = ("backends", number) if "backends" in grid.named else ()
            raise refuse(
                "its foreign keys' indexes are not for us to leave",
                key=(*place, *named),
                value=backend,
                allowed=f"a variation of {', '.join(able)}",
            )
