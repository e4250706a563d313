"""Validation of every file a user writes, before anything is leased."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from discovery.claims.load import load_claims
from discovery.claims.published_values import check_published
from discovery.deploy.backends import BACKENDS
from discovery.deploy.variants import VARIANTS
from discovery.errors import ConfigError
from discovery.experiment.load import experiments_in, load_cells, load_experiment
from discovery.experiment.studies import unfold


def check_everything(experiments: Path, tier: str | None) -> Iterator[str]:
    """Check every experiment with its claims and published numbers, every testbed and variant.

    Yields a line for each that is in order; the first that is not raises its
    :class:`~discovery.errors.ConfigError`. ``tier``, if given, must exist in some experiment.
    """
    folders = experiments_in(experiments)
    if not folders:
        raise ConfigError(
            "holds no experiment; run this at the top of a checkout", file=experiments
        )
    if tier is not None and not any(tier in load_experiment(folder).tiers for folder in folders):
        load_cells(folders[0], tier)
    for folder in folders:
        experiment = load_experiment(folder)
        cells = ", ".join(
            f"{name} {len(unfold(experiment, name))} cells" for name in experiment.tiers
        )
        claims = load_claims(folder)
        published = check_published(folder)
        yield f"{folder}: {cells}; {len(claims.claims)} claims; {published} published tables"
    yield from _check_testbeds(experiments / "testbeds")
    yield from _check_variants()


def _check_testbeds(folder: Path) -> Iterator[str]:
    from discovery.testbed import load_testbed  # noqa: PLC0415  (only this part needs EnOSlib)

    for file in sorted(folder.glob("*.yaml")):
        yield f"{file}: {load_testbed(file).provider}"


def _check_variants() -> Iterator[str]:
    for name, services in VARIANTS.items():
        for service, backend in services.items():
            if backend not in BACKENDS:
                raise ConfigError(
                    "unknown back end",
                    file=Path(__file__).parents[1] / "deploy" / "variants.py",
                    key=f"{name}.{service}",
                    value=backend,
                    allowed=BACKENDS,
                )
    yield f"variants: {', '.join(VARIANTS)}"
    for known in BACKENDS.values():
        why = known.missing()
        if why is not None:
            yield f"back end {known.name}: not run: {why}"
