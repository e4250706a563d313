"""What one run of the workflow is asked for: which experiment, which tier, from where."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from discovery.errors import ConfigError
from discovery.experiment.base import Model, Slug
from discovery.experiment.load import experiments_in, validate
from discovery.experiment.tiers import Tier


class Run(Model):
    """The workflow's configuration (``workflow/config/config.yaml`` and ``--config``).

    ``source`` is ``measure`` (lease ``testbed`` and run every cell of ``tier``) or ``archive``
    (analyse the archived results of that tier; ``testbed`` is not used).
    """

    experiment: Slug
    tier: Tier
    source: Literal["measure", "archive"]
    testbed: Path

    @property
    def folder(self) -> Path:
        """The folder of the experiment, relative to the repository."""
        return Path("experiments") / self.experiment

    @property
    def notebooks(self) -> dict[str, Path]:
        """Notebooks by name, those of every experiment and this one's; paths in the repository."""
        folder = Path("notebooks")
        found = [*folder.glob("*.ipynb"), *(folder / self.experiment).glob("*.ipynb")]
        return {path.stem: path for path in sorted(found, key=lambda path: path.stem)}

    @property
    def archive(self) -> Path:
        """Where the tier's archived results are, if they were kept."""
        return self.folder / "archive" / self.tier

    @property
    def name(self) -> str:
        """The folder of this run under ``results/``: the experiment's, and in it the tier's.

        What is made from an archive lies apart, in ``archive/``.
        """
        return f"{self.experiment}/{'archive/' if self.source == 'archive' else ''}{self.tier}"


def read_run(document: dict[str, Any], path: Path) -> Run:
    """The run that ``document`` (read from ``path``) asks for, of an experiment that is there.

    Raises :class:`ConfigError`.
    """
    run = validate(Run, document, path)
    there = [folder.name for folder in experiments_in(Path("experiments"))]
    if run.experiment not in there:
        raise ConfigError(
            "no such experiment", file=path, key="experiment", value=run.experiment, allowed=there
        )
    return run
