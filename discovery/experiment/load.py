"""Reading files that a user wrote, with errors that say where and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from discovery.document import Document, Location, Plain, parse
from discovery.errors import ConfigError
from discovery.experiment.explain import explain
from discovery.experiment.studies import MODELS, AnyCell, AnyExperiment, parts, unfold
from discovery.experiment.tiers import Tier
from discovery.reading import MOST_CONFIGURATION, is_there, read_text

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_document(path: Path) -> Document:
    """The YAML document in ``path``; a :class:`ConfigError` if there is none that is clear."""
    try:
        text = read_text(path, MOST_CONFIGURATION)
    except FileNotFoundError:
        raise ConfigError("no such file", file=path) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from None
    except UnicodeDecodeError:
        raise ConfigError("not valid YAML: not text in UTF-8", file=path) from None
    return parse(text, path)


def read_yaml(path: Path) -> Any:
    """The value of :func:`read_document`."""
    return read_document(path).value


def validate(
    model: type[ModelT],
    document: Any,
    path: Path,
    plain: Mapping[Location, Plain] = MappingProxyType({}),
) -> ModelT:
    """``document`` as a ``model``; the first thing wrong with it becomes a :class:`ConfigError`.

    ``plain`` says how its numbers are written.
    """
    if not isinstance(document, dict):
        raise ConfigError("is not a mapping of keys to values", file=path)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise explain(error, model, path, plain) from None


_OF_AN_EXPERIMENT = ("experiment.yaml", "claims.yaml", "published", "archive", "times.csv")


def experiments_in(folder: Path) -> list[Path]:
    """The folders of experiments in ``folder``: one whose files are broken is one, too."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    return [
        each
        for each in entries
        if any(is_there(each / name) for name in _OF_AN_EXPERIMENT)
        or (each.is_symlink() and not each.exists())
    ]


def load_experiment(folder: Path) -> AnyExperiment:
    """The experiment declared in ``folder/experiment.yaml``; its id must be the folder's name."""
    path = folder / "experiment.yaml"
    if not is_there(path):
        beside = sorted(each.name for each in experiments_in(folder.parent))
        raise ConfigError("no such file", file=path, allowed=beside or "the folder of one")
    document = read_document(path)
    model = _model(document.value, path)
    experiment = validate(model, document.value, path, document.plain)
    if experiment.id != folder.resolve().name:
        raise ConfigError(
            "differs from its folder's name",
            file=path,
            key="id",
            value=experiment.id,
            allowed=folder.resolve().name,
        )
    return experiment


def _model(document: Any, path: Path) -> type[AnyExperiment]:
    """The model of the experiment's service; any if it names none, for that is what is missing."""
    service = document.get("service") if isinstance(document, dict) else None
    if service is None:
        return MODELS["keystone"]
    if not isinstance(service, str) or service not in MODELS:
        raise ConfigError(
            "unknown service", file=path, key="service", value=service, allowed=MODELS
        )
    return MODELS[service]


def load_cells(folder: Path, tier: str) -> list[AnyCell]:
    """The cells of ``tier`` in the experiment of ``folder``; a wrong tier is a ConfigError."""
    return unfold(*_load_tier(folder, tier))


def load_parts(folder: Path, tier: str) -> dict[str, list[AnyCell]]:
    """The cells of :func:`load_cells` by the part of the tier that has them."""
    return parts(*_load_tier(folder, tier))


def _load_tier(folder: Path, tier: str) -> tuple[AnyExperiment, Tier]:
    experiment = load_experiment(folder)
    known: Tier | None = next((name for name in experiment.tiers if name == tier), None)
    if known is None:
        raise ConfigError(
            "no such tier",
            file=folder / "experiment.yaml",
            key="tiers",
            value=tier,
            allowed=sorted(experiment.tiers),
        )
    return experiment, known


def load_cell(folder: Path, tier: str, cell_id: str) -> AnyCell:
    """One cell by its id; a wrong id is a :class:`ConfigError` that lists the cells there are."""
    cells = {cell.id: cell for cell in load_cells(folder, tier)}
    if cell_id not in cells:
        near = difflib.get_close_matches(cell_id[:200], cells, n=1)
        raise ConfigError(
            f"no such cell, did you mean {near[0]}?" if near else "no such cell",
            file=folder / "experiment.yaml",
            key=f"tiers.{tier}",
            value=cell_id,
            allowed=cells,
        )
    return cells[cell_id]
