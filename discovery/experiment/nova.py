"""The model of an ``experiment.yaml`` on Nova: its variants, and the grids of each tier.

Unknown keys are refused everywhere. Every delay is *one way* and in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from discovery.deploy.backends import BACKENDS
from discovery.deploy.variants import NOVA_VARIANTS, Fresh, Variant, variant
from discovery.errors import ConfigError
from discovery.experiment.base import (
    Count,
    Line,
    Milliseconds,
    Model,
    Slug,
    check_number,
    levels,
)
from discovery.experiment.explain import refuse
from discovery.experiment.models import DatabaseSettings, KeystoneSettings, WanSettings
from discovery.experiment.tiers import Tier

Zones = Literal["flat", "per-site"]
Workload = Literal["burst", "rally"]
Fault = Literal["none", "kill-redis-master"]

FACTORS = (
    "sites",
    "one_way_delay_ms",
    "zones",
    "workload",
    "servers",
    "fault",
    "fake_nodes",
    "workers",
    "variants",
)


class OwnVariant(Model):
    """A variant that an experiment has beside those of the registry.

    Either ``like`` another one, or with ``stores`` of its own: for each back end, the services
    that it holds. ``replicas`` are those of each Redis master. ``redis_nodes`` is the number of
    masters, all on site 1, where it is not one per site. ``fresh`` is how ROME reads: a transaction
    begins by asking for the newest state (``sync``), or with what it was told of (``push``).
    """

    title: Line
    like: str | None = None
    stores: dict[str, tuple[str, ...]] | None = None
    replicas: Count | None = Field(default=None, ge=0, le=9)
    redis_nodes: Count | None = Field(default=None, ge=3, le=99)
    fresh: Fresh | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> OwnVariant:
        if (self.like is None) == (self.stores is None):
            raise refuse(
                f"has {'neither like nor' if self.like is None else 'both like and'} stores",
                allowed="either the variant that it is like, or its stores",
            )
        return self


class NovaGrid(Model):
    """The levels of every factor, of which each combination is a cell.

    ``variants``: which back end holds which service. ``zones``: all hosts in one (``flat``), or a
    host aggregate and availability zone ``per-site``. ``workload``: ``servers`` asked for at once
    and spread over the sites' APIs (``burst``), or so many iterations of each of Rally's scenarios,
    one after the other and from one site (``rally``).
    ``fault``: what is broken while they boot; ``kill-redis-master`` ends the server that has Nova's
    cell, and one of its replicas takes over. ``fake_nodes``: hypervisors of the fake driver in each
    site's nova-compute. ``workers``: processes of each site's nova-api and placement, and of its
    nova-conductor.
    """

    variants: tuple[str, ...] = levels()
    sites: tuple[Annotated[Count, Field(ge=1, le=99)], ...] = levels()
    one_way_delay_ms: tuple[Milliseconds, ...] = levels()
    zones: tuple[Zones, ...] = levels(("flat",))
    workload: tuple[Workload, ...] = levels(("burst",))
    servers: tuple[Annotated[Count, Field(ge=1, le=100_000)], ...] = levels()
    fault: tuple[Fault, ...] = levels(("none",))
    fake_nodes: tuple[Annotated[Count, Field(ge=0, le=100_000)], ...] = levels()
    workers: tuple[Annotated[Count, Field(ge=1, le=64)], ...] = levels()
    repetitions: Count = Field(ge=1, le=100)

    @property
    def size(self) -> int:
        """How many cells there are, without making them."""
        return self.repetitions * prod(len(getattr(self, factor)) for factor in FACTORS)

    def levels(self) -> Iterator[tuple[Any, ...]]:
        """The combinations, each in the order of :data:`FACTORS`; variants innermost."""
        return product(*(getattr(self, factor) for factor in FACTORS))

    @model_validator(mode="after")
    def _consistent(self) -> NovaGrid:
        for factor in FACTORS:
            levels = getattr(self, factor)
            for number, level in enumerate(levels):
                if level in levels[:number]:
                    raise refuse(
                        "is there twice",
                        key=(factor, number),
                        value=level,
                        allowed="each level once",
                    )
        for number, nodes in enumerate(self.fake_nodes):
            if nodes == 0:
                zoned = "per-site" in self.zones
                raise refuse(
                    "leaves every zone without hosts" if zoned else "leaves no host to boot on",
                    key=("fake_nodes", number),
                    value=nodes,
                    allowed="a whole number ≥ 1",
                )
        if 1 in self.sites:
            self._check_alone()
        if "rally" in self.workload and self.fault != ("none",):
            raise refuse(
                "breaks something while a burst boots servers, and this grid has Rally's",
                key=("fault",),
                value=next(fault for fault in self.fault if fault != "none"),
                allowed="none, or a grid with the workload burst alone",
            )
        return self

    def _check_alone(self) -> None:
        """What needs a second site."""
        for number, delay in enumerate(self.one_way_delay_ms):
            if delay > 0:
                raise refuse(
                    "is between sites, and a cell of this grid has one",
                    key=("one_way_delay_ms", number),
                    value=delay,
                    allowed="0.0, or two sites or more",
                )
        if "per-site" in self.zones:
            raise refuse(
                "tells sites apart, and a cell of this grid has one",
                key=("zones",),
                value="per-site",
                allowed="flat, or two sites or more",
            )


class NovaExperiment(Model):
    """A study of Nova: what it keeps fixed, its variants, and the grids of each tier.

    A grid is named after the experiment of the study that it is. ``keystone`` are the one Keystone
    of the control plane, ``database`` its SQL servers.
    """

    id: Slug
    title: Line
    service: Literal["nova"]
    keystone: KeystoneSettings
    database: DatabaseSettings = DatabaseSettings()
    wan: WanSettings = WanSettings()
    variants: dict[Slug, OwnVariant] = Field(default_factory=dict)
    tiers: dict[Tier, Annotated[dict[Slug, NovaGrid], Field(min_length=1)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _variants_known(self) -> NovaExperiment:
        for name in self.variants:
            self.variant(name)
        for tier, grids in self.tiers.items():
            for title, grid in grids.items():
                for number, name in enumerate(grid.variants):
                    place = ("tiers", tier, title, "variants", number)
                    if name not in (*NOVA_VARIANTS, *self.variants):
                        raise refuse(
                            "unknown variant",
                            key=place,
                            value=name,
                            allowed=[*NOVA_VARIANTS, *self.variants],
                        )
                    self._check_sites(name, grid, place)
                    self._check_fault(name, grid, (*place[:3], "fault"))
        return self

    @model_validator(mode="after")
    def _cells_bounded(self) -> NovaExperiment:
        for tier, grids in self.tiers.items():
            check_number(sum(grid.size for grid in grids.values()), ("tiers", tier))
        return self

    @model_validator(mode="after")
    def _cells_once(self) -> NovaExperiment:
        """Ids are made of the levels alone, so that what is compared is found whatever its grid."""
        for tier, grids in self.tiers.items():
            seen: dict[tuple[Any, ...], str] = {}
            for title, grid in grids.items():
                for combined in grid.levels():
                    if combined in seen:
                        raise refuse(
                            f"has a cell that {seen[combined]} has already: "
                            f"{', '.join(map(str, combined))}",
                            key=("tiers", tier, title),
                            allowed="each cell in one grid of a tier",
                        )
                    seen[combined] = title
        return self

    def _check_sites(self, name: str, grid: NovaGrid, place: tuple[int | str, ...]) -> None:
        """A cluster has a least number of nodes, one per site unless it is said otherwise."""
        nodes = self.redis_nodes(name)
        for backend in self.variant(name).stores:
            least = BACKENDS[backend].least_sites
            for sites in grid.sites:
                if (nodes or sites) < least:
                    raise refuse(
                        f"needs {least} sites or more for {backend}, and a cell of this grid has "
                        f"{sites}",
                        key=place,
                        value=name,
                        allowed=f"this one on {least} sites or more",
                    )

    def _check_fault(self, name: str, grid: NovaGrid, place: tuple[int | str, ...]) -> None:
        """A master without a replica takes its databases with it."""
        if "kill-redis-master" in grid.fault and not self.variant(name).replicas:
            raise refuse(
                f"ends a server of {name} that no replica stands in for",
                key=place,
                value="kill-redis-master",
                allowed="variants with replicas, such as redis-nova-replicas",
            )

    def variant(self, name: str) -> Variant:
        """The variant called ``name``, of the experiment's own or of the registry."""
        own = self.variants.get(name)
        if own is None:
            return NOVA_VARIANTS[name]
        if own.like is not None:
            if own.like not in NOVA_VARIANTS:
                raise refuse(
                    "unknown variant",
                    key=("variants", name, "like"),
                    value=own.like,
                    allowed=list(NOVA_VARIANTS),
                )
            alike = NOVA_VARIANTS[own.like]
            replicas = alike.replicas if own.replicas is None else own.replicas
            fresh = own.fresh or alike.fresh
            return replace(alike, name=name, title=own.title, replicas=replicas, fresh=fresh)
        try:
            return variant(
                name,
                own.title,
                own.stores or {},
                replicas=own.replicas or 0,
                fresh=own.fresh or "sync",
            )
        except ConfigError as error:
            _, _, key = (error.key or "").partition(".")
            place = ("variants", name, *(() if key in ("replicas", "fresh") else ("stores",)), key)
            raise refuse(
                error.message, key=place, value=error.value, allowed=error.allowed or ""
            ) from None

    def redis_nodes(self, name: str) -> int | None:
        """How many Redis masters the variant has on site 1; ``None`` if it has one per site."""
        return self.variants[name].redis_nodes if name in self.variants else None
