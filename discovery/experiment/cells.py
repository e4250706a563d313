"""Cells: one combination of factor levels and one repetition, with all that it keeps fixed."""

from __future__ import annotations

from itertools import product

from discovery.experiment.models import (
    DelayLevel,
    Experiment,
    KeystoneSettings,
    Load,
    Matrix,
    Model,
    Tier,
    WanSettings,
    delay_matrix,
    delay_slug,
    mean_one_way_delay_ms,
)


class Cell(Model):
    """Everything that decides how one cell is run; written into its ``cell.json``."""

    experiment: str
    tier: Tier
    backend: str
    sites: int
    one_way_delay_ms: DelayLevel
    load: Load
    repetition: int
    scenarios: tuple[str, ...]
    times: int
    concurrency: int
    warm_up_iterations: int
    keystone: KeystoneSettings
    wan: WanSettings

    @property
    def id(self) -> str:
        """Unique in its experiment and tier, and a file name: ``galera-s3-d50-high-r1``."""
        return (
            f"{self.backend}-s{self.sites}-d{delay_slug(self.one_way_delay_ms)}"
            f"-{self.load}-r{self.repetition}"
        )

    @property
    def delays(self) -> Matrix:
        """One-way delay in ms, row = from site, column = to site."""
        return delay_matrix(self.one_way_delay_ms, self.sites)

    @property
    def mean_one_way_delay_ms(self) -> float:
        """The delay level as one number; a matrix counts with its mean over ordered pairs."""
        return mean_one_way_delay_ms(self.one_way_delay_ms)


def unfold(experiment: Experiment, tier: Tier) -> list[Cell]:
    """The cells of a tier.

    Repetitions are the outermost loop, so that a run that is stopped early has whole ones, and
    back ends the innermost, so that drift of the machine touches every back end alike.
    """
    settings = experiment.tiers[tier]
    return [
        Cell(
            experiment=experiment.id,
            tier=tier,
            backend=backend,
            sites=sites,
            one_way_delay_ms=delay,
            load=load,
            repetition=repetition,
            scenarios=settings.scenarios,
            times=settings.times,
            concurrency=settings.concurrency,
            warm_up_iterations=experiment.warm_up_iterations,
            keystone=experiment.keystone,
            wan=experiment.wan,
        )
        for repetition, sites, load, delay, backend in product(
            range(1, settings.repetitions + 1),
            settings.sites,
            settings.load,
            settings.one_way_delay_ms,
            settings.backends,
        )
    ]
