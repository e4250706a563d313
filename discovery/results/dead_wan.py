"""A cell whose WAN died under it says nothing of the system: what it recorded is no result."""

from __future__ import annotations

from pathlib import Path

from discovery.errors import ResultError, WanError
from discovery.experiment.studies import AnyCell
from discovery.results.manifest import Wan
from discovery.testbed.wan.recorded import judge_record


def refuse_dead_wan(path: Path, wan: Wan, cell: AnyCell) -> None:
    """Raise a :class:`ResultError` if ``wan``, read from ``path``, was not as ``cell`` asked."""
    try:
        judge_record(wan.model_dump(), cell.wan)
    except WanError as error:
        raise ResultError(
            f"{path}: {error} That is an accident and no result of {cell.backend}: remove the "
            "cell's folder and run the cell again."
        ) from None
