"""From what pydantic refuses to one sentence: where, what was found, and what is allowed there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from discovery.document import Location, Plain, dotted, in_quotes
from discovery.errors import ConfigError

# Tags of the members of a union, which pydantic writes into the location of an error: a sign, and
# the name of the member's model.
NUMBER_TAG, MATRIX_TAG, GROUPS_TAG = "#number", "#DelayMatrix", "#DelayGroups"

_BOUNDS = {
    "greater_than_equal": ("ge", "≥"),
    "greater_than": ("gt", ">"),
    "less_than_equal": ("le", "≤"),
    "less_than": ("lt", "<"),
}
_KINDS = {
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "path_type": "a path",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
}


def refuse(
    message: str,
    *,
    allowed: str | Iterable[str],
    key: Location = (),
    value: object = None,
) -> PydanticCustomError:
    """What a validator of a model raises to refuse a value.

    ``key`` leads from the validated value to the part of it that is wrong, and ``value`` is what
    stands there; without them it is the whole. ``allowed`` is a sentence, or the names allowed: a
    name nearly right is then answered with the one that was meant.
    """
    context = {
        "message": message,
        "allowed": allowed if isinstance(allowed, str) else list(allowed),
        "key": key,
        "value": value,
    }
    return PydanticCustomError("refused", "{message}", context)


def explain(
    error: ValidationError,
    model: type[BaseModel],
    path: Path,
    plain: Mapping[Location, Plain] = MappingProxyType({}),
) -> ConfigError:
    """The first thing wrong in ``path``; an unknown key before all others, as it explains them.

    ``plain`` says how what is no text is written in it.
    """
    details = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    kind, context = details["type"], details.get("ctx", {})
    tagged = tuple(details["loc"])
    location = tuple(part for part in tagged if not _is_tag(part))
    value = details["input"]
    message, allowed = "", _allowed(details, context)
    if kind == "extra_forbidden":
        fields = _fields_at(model, tagged[:-1])
        message, allowed = _nearest("unknown key", location[-1], fields), ", ".join(fields)
    elif kind == "missing":
        message, value = "this key is missing", None
    elif location[-1:] == ("[key]",):  # pydantic's way to say that a mapping's key is wrong
        location = location[:-1]
        message, value = _nearest("unknown key", value, _literals(allowed)), None
    elif kind == "literal_error":
        message = _nearest("unknown", value, _literals(allowed))
    elif kind == "refused":
        location += tuple(context["key"])
        value = context["value"] if context["value"] is not None else value
        names = context["allowed"]
        message, allowed = context["message"], names
        if not isinstance(names, str):
            message, allowed = _nearest(message, value, names), ", ".join(names)
    elif kind == "value_error":
        message, _, allowed = str(context["error"]).partition("; allowed: ")
    elif kind == "invalid_key":
        location, value = location[:-1], None
        message, allowed = f"the key {details['input']!r} is not text", "names of keys"
    elif kind == "string_type" and location in plain:
        found = plain[location]
        message = f"{found.text} at line {found.line} is not text to YAML"
        allowed = f"text; {in_quotes(found.text)}"
    elif not value and isinstance(value, list | tuple | Mapping | None):
        message = "is empty"
    elif kind == "too_long":
        message = f"has {len(value):,} entries"
    elif isinstance(value, list | tuple | Mapping):
        message = f"is {_KINDS['dict_type'] if isinstance(value, Mapping) else 'a list'}"
    return ConfigError(
        message,
        file=path,
        key=dotted(location) or None,
        value=None if isinstance(value, Mapping | list | tuple) else value,
        allowed=allowed or None,
    )


def _allowed(details: ErrorDetails, context: Mapping[str, Any]) -> str:
    """What pydantic asks for, in words."""
    kind = details["type"]
    if kind in _BOUNDS:
        name, sign = _BOUNDS[kind]
        bound = context[name]
        what = "a whole number" if isinstance(bound, int) else "a number"
        return f"{what} {sign} {bound:g}"
    if kind == "too_short":
        return "at least one" if context["min_length"] == 1 else f"at least {context['min_length']}"
    if kind == "too_long":
        return f"at most {context['max_length']}"
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    if kind == "missing":
        return ""
    said = details["msg"].removeprefix("Input should be ")
    return _KINDS.get(kind, said[0].lower() + said[1:])


def _nearest(message: str, value: object, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(value)[:200], names, n=1, cutoff=0.5)
    return f"{message}, did you mean {near[0]}?" if near else message


def _literals(expected: str) -> list[str]:
    """The names in pydantic's ``light or high``."""
    return expected.replace(" or ", ", ").split(", ")


def _is_tag(part: int | str) -> bool:
    """Whether a part of a location is the tag of a union's member, of which no user knows."""
    return part in (NUMBER_TAG, MATRIX_TAG, GROUPS_TAG)


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """The keys allowed at ``location``, walking from ``model`` through its nested models.

    Of the members of a union, it is the one whose tag stands in ``location``.
    """
    current, members = model, {model.__name__: model}
    for part in location:
        if isinstance(part, str) and part in current.model_fields:
            found = _models_in(current.model_fields[part].annotation)
            members = {candidate.__name__: candidate for candidate in found}
            current = found[-1] if found else current
        elif _is_tag(part):
            current = members.get(str(part).removeprefix("#"), current)
    return list(current.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _models_in(part)]
