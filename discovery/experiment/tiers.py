"""The model of a tier: its own grid, the cells of variations, and further grids beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from discovery.deploy.backends import BACKENDS
from discovery.deploy.cockroach import zones
from discovery.experiment import grids
from discovery.experiment.base import (
    MOST_LEVELS,
    Count,
    Milliseconds,
    Model,
    Slug,
    check_name,
    check_number,
    enum,
    levels,
)
from discovery.experiment.delays import DelayLevel
from discovery.experiment.explain import refuse
from discovery.experiment.grids import Grid, Levels, Load
from discovery.workload.scenarios import SCENARIOS

Tier = Literal["smoke", "laptop", "full", "scale"]

BackendName = Annotated[str, check_name("back end", BACKENDS), enum(BACKENDS)]
PlacementName = Annotated[str, check_name("placement", zones.PLACEMENTS), enum(zones.PLACEMENTS)]
ScenarioName = Annotated[str, check_name("scenario", SCENARIOS), enum(SCENARIOS)]
Sites = Annotated[Count, Field(ge=2, le=99)]
Times = Annotated[Count, Field(ge=1, le=10_000)]
Concurrency = Annotated[Count, Field(ge=1, le=100)]
Processes = Annotated[Count, Field(ge=1, le=64)]


class VariedCells(Model):
    """The cells of one variation in a tier; each has a counterpart in the tier's own grid.

    Levels that are absent are the tier's.
    """

    variation: Slug
    backends: tuple[BackendName, ...] | None = levels(None)
    sites: tuple[Sites, ...] | None = levels(None)
    one_way_delay_ms: tuple[Milliseconds, ...] | None = levels(None)
    load: tuple[Load, ...] | None = levels(None)
    scenarios: tuple[ScenarioName, ...] | None = levels(None)


class FurtherGrid(Model):
    """A grid of a tier beside its own one; what is absent is the tier's.

    No cell of it is in another grid of the tier. Of a ``variation``, each has a counterpart in one.
    """

    backends: tuple[BackendName, ...] | None = levels(None)
    placement: tuple[PlacementName, ...] | None = levels(None)
    sites: tuple[Sites, ...] | None = levels(None)
    one_way_delay_ms: tuple[DelayLevel, ...] | None = levels(None)
    load: tuple[Load, ...] | None = levels(None)
    scenarios: tuple[ScenarioName, ...] | None = levels(None)
    times: Times | None = None
    concurrency: Concurrency | None = None
    variation: Slug | None = None


_LEVELS = tuple(key for key in FurtherGrid.model_fields if key != "variation")


class TierKeystone(Model):
    """What the Keystones of all cells of a tier have in place of the experiment's own setting.

    It is a tier's, and not a grid's, so that no two cells that are compared differ in it unsaid.
    """

    processes: Processes


class TierSettings(Model):
    """The levels of every factor in one tier, and how long each scenario is run.

    ``placement`` is of CockroachDB's replicas; other back ends have one cell whatever it says.
    ``times`` iterations per scenario and client, at most ``concurrency`` of them at once.
    ``keystone`` is what all the tier's Keystones have otherwise than the experiment's. ``varied``
    are cells beside the grid in which one fixed setting is another, and ``also`` further grids.
    """

    backends: tuple[BackendName, ...] = levels()
    placement: tuple[PlacementName, ...] = levels((zones.DEFAULT,))
    sites: tuple[Sites, ...] = levels()
    one_way_delay_ms: tuple[DelayLevel, ...] = levels()
    load: tuple[Load, ...] = levels()
    repetitions: Count = Field(ge=1, le=100)
    scenarios: tuple[ScenarioName, ...] = levels()
    times: Times
    concurrency: Concurrency
    keystone: TierKeystone | None = None
    varied: tuple[VariedCells, ...] = Field(default=(), max_length=MOST_LEVELS)
    also: tuple[FurtherGrid, ...] = Field(default=(), max_length=MOST_LEVELS)

    @property
    def grid(self) -> Grid:
        """The tier's own grid."""
        levels = {key: getattr(self, key) for key in _LEVELS}
        return Grid(**levels, named=frozenset(levels))

    def varied_grids(self) -> Iterator[tuple[Grid, str]]:
        """The part of the tier's grid that each entry of ``varied`` is of, and its variation."""
        for number, varied in enumerate(self.varied):
            yield self._changed(varied, ("varied", number)), varied.variation

    def further_grids(self) -> Iterator[tuple[Grid, str]]:
        """Those of ``also``, whole, and what each is a variation of."""
        for number, further in enumerate(self.also):
            yield self._changed(further, ("also", number)), further.variation or grids.STUDY

    def _changed(self, change: VariedCells | FurtherGrid, place: tuple[str, int]) -> Grid:
        """The tier's grid with the levels that ``change`` names in place of its own."""
        levels = {key: getattr(self, key) for key in _LEVELS}
        named = {
            key: getattr(change, key)
            for key in type(change).model_fields
            if key in levels and getattr(change, key) is not None
        }
        return Grid(**{**levels, **named}, place=place, named=frozenset(named))

    @model_validator(mode="after")
    def _consistent(self) -> TierSettings:
        beside = [*self.varied_grids(), *self.further_grids()]
        whole = self.grid.size + sum(grid.size for grid, _ in beside)
        check_number(whole * self.repetitions)
        grids.check(self.grid)
        self._check_counterparts()
        for further, _ in self.further_grids():
            grids.check(further)
        self._check_further_counterparts()
        grids.check_together(
            [
                (self.grid, grids.STUDY),
                *beside,
            ]
        )
        return self

    def _check_counterparts(self) -> None:
        """A varied cell is compared with one of the grid, so its levels are the grid's."""
        for grid, _ in self.varied_grids():
            for factor in grid.named:
                there = getattr(self, factor)
                for number, level in enumerate(getattr(grid, factor)):
                    if level not in there:
                        raise grid.refusal(
                            "has no counterpart in the tier",
                            factor,
                            number,
                            value=level,
                            allowed=", ".join(map(str, there)),
                        )

    def _check_further_counterparts(self) -> None:
        """A cell of a varied further grid is compared with one that asks for the same, unvaried."""
        further = list(self.further_grids())
        plain = [self.grid, *(grid for grid, varied in further if varied == grids.STUDY)]
        there = {(*one, *asked) for grid in plain for one, asked in _asked(grid)}
        for grid, variation in further:
            for one, asked in _asked(grid):
                if variation != grids.STUDY and (*one, *asked) not in there:
                    raise refuse(
                        "has no counterpart in the tier",
                        key=grid.place,
                        value=grids.name(one, variation),
                        allowed="cells that another of its grids has, with the same scenarios,"
                        " times and concurrency",
                    )


def _asked(grid: Grid) -> Iterator[tuple[Levels, tuple[object, ...]]]:
    """The levels of each cell of ``grid``, and what is asked of it."""
    for one in grid.levels():
        yield one, (grid.scenarios, grid.times, grid.concurrency)
