"""Cells: one combination of factor levels and one repetition, with all that it keeps fixed."""

from __future__ import annotations

from itertools import product
from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from discovery.deploy.backends import BACKENDS
from discovery.deploy.cockroach import zones
from discovery.experiment.models import (
    STUDY,
    VARIED_FACTORS,
    DatabaseSettings,
    DelayLevel,
    Experiment,
    KeystoneSettings,
    Load,
    Matrix,
    Model,
    RallyOn,
    Tier,
    TierSettings,
    VariedCells,
    WanSettings,
    delay_matrix,
    delay_slug,
    mean_one_way_delay_ms,
)


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
        placed = f"-{self.placement}" if self.placement not in (None, zones.DEFAULT) else ""
        varied = "" if self.variation == STUDY else f"-{self.variation}"
        return (
            f"{self.backend}{placed}-s{self.sites}-d{delay_slug(self.one_way_delay_ms)}"
            f"-{self.load}{varied}-r{self.repetition}"
        )

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
        """The delay level as one number; a matrix counts with its mean over ordered pairs."""
        return mean_one_way_delay_ms(self.one_way_delay_ms)


def unfold(experiment: Experiment, tier: Tier) -> list[Cell]:
    """The cells of a tier: those of its grid, then those of its variations.

    Repetitions are the outermost loop, so that a run that is stopped early has whole ones, and
    back ends the innermost, so that drift of the machine touches every back end alike.
    """
    settings = experiment.tiers[tier]
    return [
        cell
        for repetition in range(1, settings.repetitions + 1)
        for varied in (None, *settings.varied)
        for cell in _grid(experiment, tier, repetition, varied)
    ]


def _grid(
    experiment: Experiment, tier: Tier, repetition: int, varied: VariedCells | None
) -> list[Cell]:
    """One repetition of a tier's grid, or of the part of it that is ``varied``."""
    settings = _narrowed(experiment.tiers[tier], varied)
    keystone, database = experiment.keystone, experiment.database
    variation, rally_on = STUDY, Cell.model_fields["rally_on"].default
    if varied is not None:
        change = experiment.variations[varied.variation]
        variation, rally_on = varied.variation, change.rally_on
        if change.cache is not None:
            keystone = keystone.model_copy(update={"cache": change.cache})
        if change.replay is not None:
            keystone = keystone.model_copy(update={"replay": change.replay})
        if change.wsrep_sync_wait is not None:
            database = database.model_copy(update={"wsrep_sync_wait": change.wsrep_sync_wait})
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
            scenarios=settings.scenarios,
            times=settings.times,
            concurrency=settings.concurrency,
            warm_up_iterations=experiment.warm_up_iterations,
            keystone=keystone,
            database=database,
            rally_on=rally_on,
            wan=experiment.wan,
        )
        for sites, load, delay, (backend, placement) in product(
            settings.sites, settings.load, settings.one_way_delay_ms, _placed(settings)
        )
    ]


def _narrowed(settings: TierSettings, varied: VariedCells | None) -> TierSettings:
    """The tier with the levels that ``varied`` names in place of its own."""
    if varied is None:
        return settings
    levels = {factor: getattr(varied, factor) for factor in VARIED_FACTORS}
    return settings.model_copy(
        update={name: chosen for name, chosen in levels.items() if chosen is not None}
    )


def _placed(settings: TierSettings) -> list[tuple[str, str | None]]:
    """The back ends, each with its placements if it is told one."""
    return [
        (backend, placement)
        for backend in settings.backends
        for placement in (settings.placement if BACKENDS[backend].places_replicas else (None,))
    ]
