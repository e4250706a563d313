"""A grid: the levels of every factor, of which each combination is a cell; and what makes it wrong.

A tier has one grid of its own and may have further ones, which take from it what they do not name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any, Literal

from pydantic_core import PydanticCustomError

from discovery.deploy.backends import BACKENDS
from discovery.deploy.cockroach import zones
from discovery.document import Location
from discovery.experiment.delays import (
    ISOLATING_RTT_MS,
    Delay,
    DelayGroups,
    DelayMatrix,
    delay_matrix,
    delay_slug,
    isolated,
    longest_ms,
    misfit,
)
from discovery.experiment.explain import refuse

FACTORS = ("backends", "placement", "sites", "one_way_delay_ms", "load", "scenarios")
STUDY = "study"
"""The variation of a cell in which nothing is varied."""

Load = Literal["light", "high"]
Levels = tuple[int, Load, Delay, str, str | None]
"""Sites, load, delay, back end and its placement, which is ``None`` where it is told none."""


@dataclass(frozen=True)
class Grid:
    """The levels of every factor, and how long each scenario is run.

    ``place`` is where it stands in its tier, and ``named`` the keys that stand there: what is wrong
    with the others has to be told as of the tier's.
    """

    backends: tuple[str, ...]
    placement: tuple[str, ...]
    sites: tuple[int, ...]
    one_way_delay_ms: tuple[Delay, ...]
    load: tuple[Load, ...]
    scenarios: tuple[str, ...]
    times: int
    concurrency: int
    place: Location = field(default=(), compare=False)
    named: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def size(self) -> int:
        """How many combinations there are at most, without making them."""
        factors = (self.backends, self.placement, self.sites, self.one_way_delay_ms, self.load)
        return prod(map(len, factors))

    def levels(self) -> Iterator[Levels]:
        """The combinations, back ends innermost; only some back ends are told a placement."""
        placed = [
            (backend, placement)
            for backend in self.backends
            for placement in (self.placement if BACKENDS[backend].places_replicas else (None,))
        ]
        for sites, load, delay, (backend, placement) in product(
            self.sites, self.load, self.one_way_delay_ms, placed
        ):
            yield sites, load, delay, backend, placement

    def refusal(
        self, message: str, factor: str, *rest: int, value: object, allowed: str
    ) -> PydanticCustomError:
        """What refuses ``value`` of ``factor``, where it stands; ``rest`` leads on from there."""
        if factor in self.named:
            return refuse(message, key=(*self.place, factor, *rest), value=value, allowed=allowed)
        inherited = f"with the tier's {factor} {value}: {message}"
        return refuse(inherited, key=self.place, allowed=allowed)


def name(levels: Levels, variation: str = STUDY) -> str:
    """The levels in a cell's id, ``galera-s3-d50-high``; a variation stands behind them.

    A placement that is not the ordinary one stands after its back end.
    """
    sites, load, delay, backend, placement = levels
    placed = "" if placement in (None, zones.DEFAULT) else f"-{placement}"
    varied = "" if variation == STUDY else f"-{variation}"
    return f"{backend}{placed}-s{sites}-d{delay_slug(delay)}-{load}{varied}"


def check(grid: Grid) -> None:
    """Refuse a grid of which some cell cannot be, or would be there twice."""
    for one in (
        _levels_differ, _sites_suffice, _delays_fit, _no_site_is_isolated, _placements_fit,
        _times_suffice,
    ):  # fmt: skip
        one(grid)


def check_together(grids: Iterable[tuple[Grid, str]]) -> None:
    """Refuse a cell that is in two of the grids, and one name for two delays.

    Each grid comes with its variation; ids are made of the levels and the variation alone.
    """
    seen: set[str] = set()
    meant: dict[str, Delay] = {}
    for grid, variation in grids:
        for number, delay in enumerate(grid.one_way_delay_ms):
            if meant.setdefault(delay_slug(delay), delay) != delay:
                raise grid.refusal(
                    "is another delay elsewhere in this tier",
                    "one_way_delay_ms",
                    number,
                    value=delay_slug(delay),
                    allowed="another name",
                )
        for levels in grid.levels():
            one = name(levels, variation)
            if one in seen:
                raise refuse(
                    "is in this tier already",
                    key=grid.place,
                    value=one,
                    allowed="each cell in one grid of a tier",
                )
            seen.add(one)


def _levels_differ(grid: Grid) -> None:
    """Two equal levels would be two cells of one id; ids write delays with ``delay_slug``."""
    for factor in FACTORS:
        name_of: Callable[[Any], object] = delay_slug if "delay" in factor else lambda level: level
        names = [name_of(level) for level in getattr(grid, factor)]
        for number, one in enumerate(names):
            if one in names[:number]:
                raise grid.refusal(
                    "is there twice", factor, number, value=one, allowed="each level once"
                )


def _sites_suffice(grid: Grid) -> None:
    """A cluster has a least number of nodes."""
    for backend in grid.backends:
        least = BACKENDS[backend].least_sites
        for number, sites in enumerate(grid.sites):
            if sites < least:
                raise grid.refusal(
                    f"too few for back end {backend}",
                    "sites",
                    number,
                    value=sites,
                    allowed=f"a whole number ≥ {least}",
                )


def _delays_fit(grid: Grid) -> None:
    for number, delay in enumerate(grid.one_way_delay_ms):
        for sites in grid.sites:
            found = misfit(delay, sites)
            if found is not None:
                message, allowed = found
                if "one_way_delay_ms" not in grid.named:
                    inherited = f"the tier's delay {delay_slug(delay)} {message}"
                    raise refuse(inherited, key=grid.place, allowed=allowed)
                kind = "groups" if isinstance(delay, DelayGroups) else "matrix"
                shown = delay.groups if isinstance(delay, DelayGroups) else None
                key = (*grid.place, "one_way_delay_ms", number, kind)
                raise refuse(message, key=key, value=shown, allowed=allowed)


def _no_site_is_isolated(grid: Grid) -> None:
    """A site that nobody reaches in time is cut off: a fault, and no delay."""
    for number, delay in enumerate(grid.one_way_delay_ms):
        if 2 * longest_ms(delay) < ISOLATING_RTT_MS:
            continue
        for sites in grid.sites:
            found = isolated(delay_matrix(delay, sites))
            if found is None:
                continue
            cut_off, nearest_ms = found
            names = ", ".join(f"site-{site + 1}" for site in cut_off)
            message = (
                f"isolates {names} of {sites} sites: the shortest round trip to another one would"
                f" take {nearest_ms:g} ms"
            )
            allowed = f"one of less than {ISOLATING_RTT_MS:g} ms"
            if "one_way_delay_ms" not in grid.named:
                inherited = f"the tier's delay {delay_slug(delay)} {message}"
                raise refuse(inherited, key=grid.place, allowed=allowed)
            rest, shown = _where_isolating(delay, cut_off[0])
            key = (*grid.place, "one_way_delay_ms", number, *rest)
            raise refuse(message, key=key, value=shown, allowed=allowed)


def _where_isolating(delay: Delay, site: int) -> tuple[Location, float | None]:
    """What of a delay isolates a site (from 0), and what stands there."""
    if isinstance(delay, DelayMatrix):
        return ("matrix", site), None
    if isinstance(delay, DelayGroups):
        return ("between_ms",), delay.between_ms
    return (), delay


def _placements_fit(grid: Grid) -> None:
    """Replicas can only be where servers are, and only CockroachDB is told where."""
    if not any(BACKENDS[backend].places_replicas for backend in grid.backends):
        if "placement" in grid.named and grid.placement != (zones.DEFAULT,):
            raise grid.refusal(
                "no back end of this tier is told where its replicas are",
                "placement",
                value=", ".join(grid.placement),
                allowed=zones.DEFAULT,
            )
        return
    for number, placement in enumerate(grid.placement):
        for sites in grid.sites:
            lack = zones.lacks(placement, sites)
            if lack is not None:
                raise grid.refusal(
                    f"cannot be had: {lack}",
                    "placement",
                    number,
                    value=placement,
                    allowed=f"this one on {zones.least_sites(placement)} sites or more",
                )
        for delay in grid.one_way_delay_ms:
            if not isinstance(delay, DelayGroups) or not zones.PLACEMENTS[placement].zones:
                continue
            if delay.groups != zones.ZONES:
                raise grid.refusal(
                    f"is of {zones.ZONES} zones, and {delay.name} has {delay.groups} groups",
                    "placement",
                    number,
                    value=placement,
                    allowed=f"this one with {zones.ZONES} groups",
                )


def _times_suffice(grid: Grid) -> None:
    if grid.concurrency > grid.times:
        raise grid.refusal(
            f"more at once than there are iterations (times = {grid.times})",
            "concurrency",
            value=grid.concurrency,
            allowed=f"a whole number ≤ {grid.times}",
        )
