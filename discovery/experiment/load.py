"""Reading files that a user wrote, with errors that say where and what is allowed."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from discovery.errors import ConfigError
from discovery.experiment.cells import Cell, unfold
from discovery.experiment.models import Experiment, Tier

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_yaml(path: Path) -> Any:
    """The YAML document in ``path``; a :class:`ConfigError` if there is none."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("no such file", file=path) from None
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
        raise _explain(error, model, path) from None


def _explain(error: ValidationError, model: type[BaseModel], path: Path) -> ConfigError:
    details = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    location = [str(part) for part in details["loc"] if not _is_union_tag(part)]
    key = ".".join(location)
    context = details.get("ctx", {})
    value = details["input"] if not isinstance(details["input"], dict | list | tuple) else None
    if details["type"] == "extra_forbidden":
        fields = _fields_at(model, details["loc"][:-1])
        near = difflib.get_close_matches(location[-1], fields, n=1)
        hint = f"unknown key, did you mean {near[0]}?" if near else "unknown key"
        return ConfigError(hint, file=path, key=key, value=value, allowed=fields)
    if details["type"] == "missing":
        return ConfigError("this key is missing", file=path, key=key)
    if details["type"] == "literal_error":
        return ConfigError(
            _suggest(value, str(context["expected"])),
            file=path,
            key=key,
            value=value,
            allowed=str(context["expected"]),
        )
    message = details["msg"].removeprefix("Value error, ")
    allowed: str | None = None
    if "; allowed: " in message:
        message, allowed = message.split("; allowed: ", 1)
        message = _suggest(_last_unknown(details["input"], allowed), allowed) or message
        if value is None:
            value = _last_unknown(details["input"], allowed)
    else:
        message, allowed = "is not allowed", message[0].lower() + message[1:]
    return ConfigError(message, file=path, key=key, value=value, allowed=allowed)


def _is_union_tag(part: int | str) -> bool:
    """Pydantic names the union member it tried in the location; a user knows nothing of it."""
    return isinstance(part, str) and (part == "DelayMatrix" or part.startswith("constrained-"))


def _last_unknown(values: object, allowed: str) -> object:
    names = allowed.split(", ")
    if isinstance(values, list | tuple):
        return next((item for item in values if isinstance(item, str) and item not in names), None)
    return values if isinstance(values, str) else None


def _suggest(value: object, allowed: str) -> str:
    names = [name.strip(" '\"") for name in allowed.replace(" or ", ", ").split(",")]
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5) if value else []
    return f"unknown, did you mean {near[0]}?" if near else ""


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at ``location``, walking from ``model`` through its nested models."""
    current: type[BaseModel] = model
    for part in location:
        if isinstance(part, int):
            continue
        field = current.model_fields.get(part)
        for candidate in _models_in(field.annotation if field else None):
            current = candidate
    return list(current.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found: list[type[BaseModel]] = []
    for argument in getattr(annotation, "__args__", ()):
        found.extend(_models_in(argument))
    return found


def load_experiment(folder: Path) -> Experiment:
    """The experiment declared in ``folder/experiment.yaml``; its id must be the folder's name."""
    path = folder / "experiment.yaml"
    experiment = validate(Experiment, read_yaml(path), path)
    if experiment.id != folder.resolve().name:
        raise ConfigError(
            "differs from its folder's name",
            file=path,
            key="id",
            value=experiment.id,
            allowed=folder.resolve().name,
        )
    return experiment


def load_cells(folder: Path, tier: str) -> list[Cell]:
    """The cells of ``tier`` in the experiment of ``folder``; a wrong tier is a ConfigError."""
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
    return unfold(experiment, known)


def load_cell(folder: Path, tier: str, cell_id: str) -> Cell:
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
