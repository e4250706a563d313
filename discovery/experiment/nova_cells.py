"""Cells of an experiment on Nova: one combination of levels and one repetition."""

from __future__ import annotations

from discovery.deploy.nova.settings import NovaSettings
from discovery.deploy.variants import Fresh, Variant
from discovery.experiment.base import Model
from discovery.experiment.delays import Matrix, delay_matrix, delay_slug
from discovery.experiment.grids import STUDY
from discovery.experiment.models import DatabaseSettings, KeystoneSettings, WanSettings
from discovery.experiment.nova import Fault, NovaExperiment, NovaGrid, Workload, Zones
from discovery.experiment.tiers import Tier


class NovaCell(Model):
    """Everything that decides how one cell is run; written into its ``cell.json``.

    ``backends`` is the back end of every service under ``variant``, ``replicas`` those of each
    Redis master, and ``redis_nodes`` the number of masters on site 1, ``None`` for one per site;
    ``fresh`` is how ROME reads.
    """

    experiment: str
    tier: Tier
    variant: str
    backends: dict[str, str]
    replicas: int
    redis_nodes: int | None
    fresh: Fresh = "sync"
    sites: int
    one_way_delay_ms: float
    zones: Zones
    workload: Workload
    servers: int
    fault: Fault = "none"
    fake_nodes: int
    workers: int
    repetition: int
    keystone: KeystoneSettings
    database: DatabaseSettings
    wan: WanSettings

    @property
    def id(self) -> str:
        """Unique in its experiment and tier, and a file name.

        ``redis-nova-s3-d10-burst60-f20-w2-r1``; with a zone per site ``…-d10-zoned-burst60-…``, and
        a fault stands behind the workload.
        """
        zoned = "-zoned" if self.zones == "per-site" else ""
        fault = "" if self.fault == "none" else f"-{self.fault}"
        return (
            f"{self.variant}-s{self.sites}-d{delay_slug(self.one_way_delay_ms)}{zoned}"
            f"-{self.workload}{self.servers}{fault}"
            f"-f{self.fake_nodes}-w{self.workers}-r{self.repetition}"
        )

    @property
    def backend(self) -> str:
        """The back end of Nova's own database, that of its cell."""
        return self.backends["nova_cell1"]

    @property
    def deployed(self) -> Variant:
        """The variant that it deploys."""
        return Variant(self.variant, self.variant, self.backends, self.replicas, self.fresh)

    @property
    def settings(self) -> NovaSettings:
        """The sizes of the services that it deploys, and that their calls are recorded."""
        return NovaSettings(
            workers=self.workers,
            fake_nodes=self.fake_nodes,
            zones=self.zones == "per-site",
            probe=True,
        )

    @property
    def differs_in(self) -> str:
        """What it has that the study's bursts have not: Rally for a load, or a fault."""
        if self.workload == "rally":
            return self.workload
        return STUDY if self.fault == "none" else self.fault

    @property
    def delays(self) -> Matrix:
        """One-way delay in ms, row = from site, column = to site."""
        return delay_matrix(self.one_way_delay_ms, self.sites)

    @property
    def mean_one_way_delay_ms(self) -> float:
        """The delay between any two sites."""
        return self.one_way_delay_ms


def unfold_nova(experiment: NovaExperiment, tier: Tier) -> list[NovaCell]:
    """The cells of a tier, grid by grid; repetitions are the outermost loop, variants the inner."""
    cells = [cell for part in nova_parts(experiment, tier).values() for cell in part]
    return sorted(cells, key=lambda cell: cell.repetition)


def nova_parts(experiment: NovaExperiment, tier: Tier) -> dict[str, list[NovaCell]]:
    """The cells of a tier by the grid that has them."""
    grids = experiment.tiers[tier]
    return {name: _cells(experiment, tier, grid) for name, grid in grids.items()}


def _cells(experiment: NovaExperiment, tier: Tier, grid: NovaGrid) -> list[NovaCell]:
    """All repetitions of the cells of one grid."""
    return [
        NovaCell(
            experiment=experiment.id,
            tier=tier,
            variant=name,
            backends=dict(experiment.variant(name).backends),
            replicas=experiment.variant(name).replicas,
            redis_nodes=experiment.redis_nodes(name),
            fresh=experiment.variant(name).fresh,
            sites=sites,
            one_way_delay_ms=delay,
            zones=zones,
            workload=workload,
            servers=servers,
            fault=fault,
            fake_nodes=fake_nodes,
            workers=workers,
            repetition=repetition,
            keystone=experiment.keystone,
            database=experiment.database,
            wan=experiment.wan,
        )
        for repetition in range(1, grid.repetitions + 1)
        for (
            sites,
            delay,
            zones,
            workload,
            servers,
            fault,
            fake_nodes,
            workers,
            name,
        ) in grid.levels()
    ]
