"""Cells: one combination of factor levels and one repetition, with all that it keeps fixed."""

from __future__ import annotations

from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from discovery.deploy.cockroach import zones
from discovery.experiment import grids
from discovery.experiment.base import Model
from discovery.experiment.delays import DelayLevel, Matrix, delay_matrix, mean_one_way_delay_ms
from discovery.experiment.grids import STUDY, Grid, Load
from discovery.experiment.models import (
    DatabaseSettings,
    Experiment,
    KeystoneSettings,
    RallyOn,
    WanSettings,
)
from discovery.experiment.tiers import Tier


class Cell(Model):
    """Everything that decides how one cell is run; written into its ``cell.json``.

    ``variation`` names what is otherwise than in the study; its settings are already in the others.
    ``placement`` is only there for a back end that is told where its replicas are.
    """

    experiment: str
    tier: Tier
    variation: str = STUDY
    backend: str
    placement: str | None = None
    sites: int
    one_way_delay_ms: DelayLevel
    load: Load
    repetition: int
    scenarios: tuple[str, ...]
    times: int
    concurrency: int
    warm_up_iterations: int
    keystone: KeystoneSettings
    database: DatabaseSettings = DatabaseSettings()
    rally_on: RallyOn = "client-node"
    wan: WanSettings

    @property
    def id(self) -> str:
        """Unique in its experiment and tier, and a file name.

        ``galera-s3-d50-high-r1``; of a variation ``galera-s3-d50-high-no-cache-r1``. A placement
        that is not the ordinary one stands after its back end.
        """
        levels = (self.sites, self.load, self.one_way_delay_ms, self.backend, self.placement)
        return f"{grids.name(levels, self.variation)}-r{self.repetition}"

    @property
    def differs_in(self) -> str:
        """What its results are compared under: its variation, or a placement that is not ordinary.

        ``study`` where it is one of the study's own cells.
        """
        if self.variation == STUDY and self.placement not in (None, zones.DEFAULT):
            return str(self.placement)
        return self.variation

    @model_serializer(mode="wrap")
    def _without_an_absent_placement(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A factor that a cell does not have is not written: its parameters are what they were."""
        written: dict[str, Any] = write(self)
        if self.placement is None:
            written.pop("placement", None)
        return written

    @property
    def delays(self) -> Matrix:
        """One-way delay in ms, row = from site, column = to site."""
        return delay_matrix(self.one_way_delay_ms, self.sites)

    @property
    def mean_one_way_delay_ms(self) -> float:
        """The delay level as one number: the mean over the ordered pairs of sites."""
        return mean_one_way_delay_ms(self.one_way_delay_ms, self.sites)


def unfold(experiment: Experiment, tier: Tier) -> list[Cell]:
    """The cells of a tier: of its own grid, then of its variations, then of its further grids.

    Repetitions are the outermost loop, so that a run that is stopped early has whole ones, and
    back ends the innermost, so that drift of the machine touches every back end alike.
    """
    cells = [cell for part in parts(experiment, tier).values() for cell in part]
    return sorted(cells, key=lambda cell: cell.repetition)


def parts(experiment: Experiment, tier: Tier) -> dict[str, list[Cell]]:
    """The cells of a tier by the part of it that has them, named as it stands in the file.

    ``grid`` is its own one, ``varied`` all its variations, and ``also[0]`` its first further grid.
    """
    settings = experiment.tiers[tier]
    found = {"grid": _cells(experiment, tier, settings.grid)}
    if settings.varied:
        found["varied"] = [
            cell
            for grid, variation in settings.varied_grids()
            for cell in _cells(experiment, tier, grid, variation)
        ]
    for number, (grid, variation) in enumerate(settings.further_grids()):
        found[f"also[{number}]"] = _cells(experiment, tier, grid, variation)
    return found


def _cells(experiment: Experiment, tier: Tier, grid: Grid, variation: str = STUDY) -> list[Cell]:
    """All repetitions of the cells of one grid, under one variation."""
    keystone, database = experiment.keystone, experiment.database
    rally_on = Cell.model_fields["rally_on"].default
    settings = experiment.tiers[tier]
    if settings.keystone is not None:
        keystone = keystone.model_copy(update=settings.keystone.model_dump())
    if variation != STUDY:
        change = experiment.variations[variation]
        rally_on = change.rally_on
        if change.cache is not None:
            keystone = keystone.model_copy(update={"cache": change.cache})
        if change.replay is not None:
            keystone = keystone.model_copy(update={"replay": change.replay})
        if change.wsrep_sync_wait is not None:
            database = database.model_copy(update={"wsrep_sync_wait": change.wsrep_sync_wait})
        if change.foreign_key_indexes is not None:
            left = {"foreign_key_indexes": change.foreign_key_indexes}
            database = database.model_copy(update=left)
    return [
        Cell(
            experiment=experiment.id,
            tier=tier,
            variation=variation,
            backend=backend,
            placement=placement,
            sites=sites,
            one_way_delay_ms=delay,
            load=load,
            repetition=repetition,
            scenarios=grid.scenarios,
            times=grid.times,
            concurrency=grid.concurrency,
            warm_up_iterations=experiment.warm_up_iterations,
            keystone=keystone,
            database=database,
            rally_on=rally_on,
            wan=experiment.wan,
        )
        for repetition in range(1, settings.repetitions + 1)
        for sites, load, delay, backend, placement in grid.levels()
    ]
