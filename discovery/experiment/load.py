"""Reading files that a user wrote, with errors that say where and what is allowed."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from discovery.errors import ConfigError
from discovery.experiment.explain import explain
from discovery.experiment.studies import MODELS, AnyCell, AnyExperiment, parts, unfold
from discovery.experiment.tiers import Tier

ModelT = TypeVar("ModelT", bound=BaseModel)


class _OnceEachLoader(yaml.SafeLoader):
    """YAML without its trap: a key that stands twice is refused instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                problem = f"the key {key.value} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """The YAML document in ``path``; a :class:`ConfigError` if there is none."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_OnceEachLoader)
    except FileNotFoundError:
        raise ConfigError("no such file", file=path) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "not text"
        raise ConfigError(f"not valid YAML{line}: {problem}", file=path) from None


def validate(model: type[ModelT], document: Any, path: Path) -> ModelT:
    """``document`` as a ``model``; the first thing wrong with it becomes a :class:`ConfigError`."""
    if not isinstance(document, dict):
        raise ConfigError("is not a mapping of keys to values", file=path)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise explain(error, model, path) from None


def load_experiment(folder: Path) -> AnyExperiment:
    """The experiment declared in ``folder/experiment.yaml``; its id must be the folder's name."""
    path = folder / "experiment.yaml"
    if not path.exists():
        beside = sorted(each.parent.name for each in folder.parent.glob("*/experiment.yaml"))
        raise ConfigError("no such file", file=path, allowed=beside or "the folder of one")
    document = read_yaml(path)
    experiment = validate(_model(document, path), document, path)
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
        raise ConfigError(
            "no such cell",
            file=folder / "experiment.yaml",
            key=f"tiers.{tier}",
            value=cell_id,
            allowed=cells,
        )
    return cells[cell_id]
