"""What an experiment on either service has in common: its model, its cells, its factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from discovery.experiment import cells
from discovery.experiment.cells import Cell
from discovery.experiment.delays import delay_slug
from discovery.experiment.models import Experiment
from discovery.experiment.nova import NovaExperiment
from discovery.experiment.nova_cells import NovaCell, nova_parts, unfold_nova
from discovery.experiment.tiers import Tier

AnyExperiment = Experiment | NovaExperiment
AnyCell = Cell | NovaCell
Level = str | int | float

MODELS: Mapping[str, type[AnyExperiment]] = {"keystone": Experiment, "nova": NovaExperiment}
"""The model of an experiment, by the service that it is about."""


def unfold(experiment: AnyExperiment, tier: Tier) -> list[AnyCell]:
    """The cells of a tier in the order they are run; whole repetitions first."""
    if isinstance(experiment, NovaExperiment):
        return [*unfold_nova(experiment, tier)]
    return [*cells.unfold(experiment, tier)]


def parts(experiment: AnyExperiment, tier: Tier) -> dict[str, list[AnyCell]]:
    """The cells of a tier by the part of it that has them, named as it stands in the file."""
    found: Mapping[str, Sequence[AnyCell]]
    if isinstance(experiment, NovaExperiment):
        found = nova_parts(experiment, tier)
    else:
        found = cells.parts(experiment, tier)
    return {name: [*found[name]] for name in found}


def factors(cell: AnyCell) -> dict[str, Level]:
    """The levels of ``cell`` by the names that they have in its tables; scenarios are not among."""
    found: dict[str, Level] = {
        "experiment": cell.experiment,
        "tier": cell.tier,
        "backend": cell.backend,
        "variation": cell.differs_in,
        "sites": cell.sites,
        "one_way_delay_ms": cell.mean_one_way_delay_ms,
        "delay": delay_slug(cell.one_way_delay_ms),
        "repetition": cell.repetition,
    }
    if isinstance(cell, NovaCell):
        names = ("variant", "zones", "workload", "servers", "fault", "fake_nodes", "workers")
        return {**found, **{name: getattr(cell, name) for name in names}}
    return {**found, "load": cell.load}
