"""The model of ``claims.yaml``: what a study said, and the relation that decides it.

A claim has either a ``relation`` or a ``not_run`` that says why nothing here can decide it. Unknown
keys are refused everywhere.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from discovery.experiment.base import Count, Line, Model, Switch
from discovery.experiment.explain import refuse
from discovery.outside import is_web_address

Origin = Literal["published", "control"]
Provenance = Literal["verbatim", "digitised", "inferred"]
# Strict, so that yes is not taken for 1.
Level = str | Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)]
Where = dict[str, Level]

Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
# p90: the value that nine in ten do not exceed.
Statistic = Annotated[str, Field(pattern="^(mean|median|p[1-9][0-9]?)$")]


class RelationModel(Model):
    """What every relation shares.

    ``where`` selects rows by equality on the columns of ``table``. ``each`` repeats the relation
    for every combination of the levels it lists; the claim then holds if every repetition does,
    of the scenarios that were run. ``prefer`` gives levels in order of preference, for all
    repetitions together: the first with which one of them can be judged.
    Of the table ``actions`` the value of an iteration is the sum of its selected actions, which is
    what the 2018 study plots. ``max_failure_share`` is the share of failed iterations above which
    the survivors decide nothing.
    """

    table: str = "actions"
    column: str = "duration_s"
    statistic: Statistic = "mean"
    where: Where = Field(default_factory=dict)
    each: dict[str, tuple[Level, ...]] = Field(default_factory=dict)
    prefer: dict[str, Annotated[tuple[Level, ...], Field(min_length=2)]] = Field(
        default_factory=dict
    )
    max_failure_share: Share = 0.1

    @model_validator(mode="after")
    def _preferred_once(self) -> RelationModel:
        for column, levels in self.prefer.items():
            if column in self.where or column in self.each:
                place = "where" if column in self.where else "each"
                raise refuse(
                    f"is chosen in {place} already",
                    key=("prefer", column),
                    allowed="a column in one of where, each and prefer",
                )
            for number, level in enumerate(levels):
                if level in levels[:number]:
                    raise refuse(
                        "is there twice",
                        key=("prefer", column, number),
                        value=level,
                        allowed="each level once",
                    )
        return self


class Ratio(RelationModel):
    """``numerator`` divided by ``denominator`` lies within [``low``, ``high``]."""

    kind: Literal["ratio"]
    numerator: Where
    denominator: Where
    low: Finite | None = None
    high: Finite | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Ratio:
        _check_bounds(self.low, self.high)
        return self


class Order(RelationModel):
    """Each of ``terms`` is at most the next one times (1 + ``tolerance``)."""

    kind: Literal["order"]
    terms: tuple[Where, ...] = Field(min_length=2)
    tolerance: NotNegative = 0.0


class Slope(RelationModel):
    """The value grows with the round trip by [``low``, ``high``] seconds per second.

    A slope in seconds per second is a number of sequential round trips. With ``residual`` the
    growth must also be linear: no level's value is further from the line than that share of the
    line's rise.
    """

    kind: Literal["slope"]
    low: Finite | None = None
    high: Finite | None = None
    residual: Positive | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Slope:
        _check_bounds(self.low, self.high)
        return self


class Constant(RelationModel):
    """Over the levels of ``factor`` the value changes by at most ``tolerance`` (relative)."""

    kind: Literal["constant"]
    factor: Literal["sites", "one_way_delay_ms", "load", "repetition"]
    tolerance: Positive


class Falling(RelationModel):
    """From each level of ``factor`` to the next the value rises by at most ``tolerance``."""

    kind: Literal["falling"]
    factor: Literal["sites", "one_way_delay_ms"]
    tolerance: NotNegative = 0.0


class Below(RelationModel):
    """The values of ``lower`` are below those of ``upper`` on [``low``, ``high``] of the quantiles.

    Of two distribution functions that cross once, that is the share at which they cross.
    """

    kind: Literal["below"]
    lower: Where
    upper: Where
    low: Share | None = None
    high: Share | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Below:
        _check_bounds(self.low, self.high)
        return self


class Within(RelationModel):
    """The value lies within [``low``, ``high``]."""

    kind: Literal["within"]
    low: Finite | None = None
    high: Finite | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Within:
        _check_bounds(self.low, self.high)
        return self


class FailureShare(RelationModel):
    """The share of failed iterations, calls or servers lies within [``low``, ``high``]."""

    kind: Literal["share"]
    table: Literal["iterations", "calls", "servers"] = "iterations"
    column: Literal["error"] = "error"
    low: Share | None = None
    high: Share | None = None

    @model_validator(mode="after")
    def _bounded(self) -> FailureShare:
        _check_bounds(self.low, self.high)
        return self


Relation = Annotated[
    Ratio | Order | Slope | Constant | Falling | Below | Within | FailureShare,
    Field(discriminator="kind"),
]


class PublishedValue(Model):
    """A number of the study that is not in its table of completion times.

    ``error`` is the reading error of a digitised value, in the same unit.
    """

    label: Line
    value: Finite
    unit: str
    provenance: Provenance
    error: Positive | None = None


class Published(Model):
    """Where the study's numbers for a claim are.

    The relation is evaluated on the study's own table too; ``where`` replaces the levels in which
    the study differs from us (it had 9 instances where we have 3 sites). ``table: false`` says
    that the study has no such numbers.
    """

    where: Where = Field(default_factory=dict)
    table: Switch = True
    values: tuple[PublishedValue, ...] = ()


class Claim(Model):
    """One claim: what was said, where, what decides it, and what is known to be wrong with it."""

    id: Annotated[str, Field(pattern=r"^[A-Z][0-9]+[a-z]?$")]
    title: Line
    statement: Line
    source: Line
    origin: Origin = "published"
    published: Published = Published()
    relation: Relation | None = None
    not_run: str | None = None
    flaw: str | None = None
    difference: str | None = None

    @model_validator(mode="after")
    def _decided_or_not(self) -> Claim:
        if (self.relation is None) == (self.not_run is None):
            raise ValueError(
                f"claim {self.id} has {'neither' if self.relation is None else 'both'}"
                "; allowed: either a relation or a not_run"
            )
        return self


def _web_address(text: str) -> str:
    if not is_web_address(text):
        raise ValueError("is no address that a page may link to; allowed: http://… or https://…")
    return text


WebAddress = Annotated[str, AfterValidator(_web_address)]


class Study(Model):
    """The publication whose claims these are."""

    title: Line
    authors: Line
    year: Annotated[Count, Field(ge=1900, le=2100)]
    url: WebAddress


class Claims(Model):
    """The document ``claims.yaml``."""

    experiment: str
    study: Study
    claims: tuple[Claim, ...] = Field(min_length=1)

    @field_validator("claims")
    @classmethod
    def _unique(cls, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        seen: set[str] = set()
        for claim in claims:
            if claim.id in seen:
                raise ValueError(f"claim {claim.id} is there twice; allowed: each id once")
            seen.add(claim.id)
        return claims


def _check_bounds(low: float | None, high: float | None) -> None:
    if low is None and high is None:
        raise ValueError("has no bound; allowed: low, high or both")
    if low is not None and high is not None and low >= high:
        raise ValueError(f"low {low:g} is not below high {high:g}; allowed: low < high")
