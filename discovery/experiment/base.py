"""What every model of a file the user writes is made of: its base, and its kinds of values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from discovery.document import Location
from discovery.experiment.explain import refuse
from discovery.outside import visible


class Model(BaseModel):
    """Base of every model of a file the user writes: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _measurable(milliseconds: float) -> float:
    if 0 < milliseconds < FINEST_MS:
        raise refuse("is too short to be had", allowed=f"0, or a number ≥ {FINEST_MS:g}")
    return milliseconds


FINEST_MS = 0.001
"""What emulates a WAN counts in microseconds."""
Milliseconds = Annotated[
    float,
    Field(ge=0, le=10_000, allow_inf_nan=False, strict=True),
    AfterValidator(_measurable),
]
Percent = Annotated[float, Field(ge=0, lt=100, allow_inf_nan=False, strict=True)]
# netem counts bytes per second in whole numbers; nobody has links beyond a terabit.
MegabitPerSecond = Annotated[float, Field(ge=0.001, le=1_000_000, allow_inf_nan=False, strict=True)]
Count = Annotated[int, Field(strict=True)]
Switch = Annotated[bool, Field(strict=True)]


MOST_LEVELS = 100
"""Of one factor; of sites there are no more, and more delays would be one curve."""
MOST_CELLS = 10_000
"""In one tier. At a minute each they take a week; the studies' largest tier has 747."""


def levels(default: Any = ...) -> Any:
    """The field of a factor: one level or more, and not beyond what can be run."""
    return Field(default, min_length=1, max_length=MOST_LEVELS)


def check_number(count: int, key: Location = ()) -> None:
    """Refuse ``count`` cells of a tier, before they are made; ``key`` is where the tier is."""
    if count > MOST_CELLS:
        raise refuse(
            f"has {count:,} cells, all combinations of its levels and repetitions",
            key=key,
            allowed=f"at most {MOST_CELLS:,} cells in a tier",
        )


def check_name(kind: str, names: Iterable[str]) -> AfterValidator:
    """A validator that refuses a name which a registry does not have."""
    known = list(names)

    def check(name: str) -> str:
        if name not in known:
            raise refuse(f"unknown {kind}", allowed=known)
        return name

    return AfterValidator(check)


def enum(names: Iterable[str]) -> WithJsonSchema:
    """How a registry's names stand in the JSON Schema."""
    return WithJsonSchema({"type": "string", "enum": list(names)})


def _slug(text: str) -> str:
    if not re.fullmatch(_SLUG, text):
        raise refuse("cannot be part of a file name", allowed="a-z, 0-9 and single hyphens between")
    return text


_SLUG = "[a-z0-9]+(-[a-z0-9]+)*"
Slug = Annotated[
    str, AfterValidator(_slug), WithJsonSchema({"type": "string", "pattern": f"^{_SLUG}$"})
]


LONGEST_LINE = 1_000


def _line(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_LINE or {"\n", "\t"} & {*visible(text)}:
        raise refuse("cannot be shown in a line", allowed=f"1 to {LONGEST_LINE:,} characters of it")
    if visible(text) != text:
        raise refuse("holds characters that act, and do not show", allowed="printable text")
    return text


def _named(path: Path) -> Path:
    _line(str(path))
    if path == Path():
        raise refuse("is no path of a file", allowed="a path")
    return path


Line = Annotated[str, AfterValidator(_line)]
"""What people read: a title, a question, a name of something."""
NamedPath = Annotated[Path, AfterValidator(_named)]
"""The path of something; an empty one would be the folder that happens to be the current one."""
