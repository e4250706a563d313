"""The relations a claim can state, as a plain registry.

A relation is two functions: the terms it needs (levels to select), and the effects it computes
from their estimates. Each effect has bounds; the judge compares its interval with them. The same
functions run on our tables and on the study's own numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from discovery.claims.models import (
    Below,
    Constant,
    FailureShare,
    Falling,
    Level,
    Order,
    Ratio,
    Relation,
    Slope,
    Where,
    Within,
)
from discovery.claims.select import Floats, NoDataError, describe

Levels = Callable[[str], list[Level]]


@dataclass(frozen=True)
class Effect:
    """A size that the relation bounds: ``size`` maps the terms' values to it.

    The last axis of what ``size`` is given are the terms; with ``of_quantiles`` the one before are
    the quantiles of each, in place of one value.
    """

    label: str
    unit: str
    size: Callable[[Floats], Floats]
    low: float | None
    high: float | None
    of_quantiles: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of relation: which terms it needs, and what it computes from them."""

    terms: Callable[[Any, Levels], list[Where]]
    effects: Callable[[Any, Sequence[Where]], list[Effect]]


def _ratio_terms(relation: Ratio, _: Levels) -> list[Where]:
    return [relation.numerator, relation.denominator]


def _named(relation: Relation, terms: Sequence[Where]) -> list[Where]:
    """The terms with every level in which they differ, also where one has it from ``where``."""
    differing = {key for term in terms for key in term} & set(relation.where)
    shared = {key: level for key, level in relation.where.items() if key in differing}
    return [{**shared, **term} for term in terms]


def _ratio_effects(relation: Ratio, terms: Sequence[Where]) -> list[Effect]:
    terms = _named(relation, terms)
    return [_quotient(terms, 0, 1, relation.low, relation.high)]


def _order_terms(relation: Order, _: Levels) -> list[Where]:
    return list(relation.terms)


def _order_effects(relation: Order, terms: Sequence[Where]) -> list[Effect]:
    terms = _named(relation, terms)
    return [
        _quotient(terms, index, index + 1, None, 1 + relation.tolerance)
        for index in range(len(terms) - 1)
    ]


def _quotient(
    terms: Sequence[Where], above: int, below: int, low: float | None, high: float | None
) -> Effect:
    return Effect(
        label=f"{describe(terms[above])} / {describe(terms[below])}",
        unit="×",
        size=lambda values: values[..., above] / values[..., below],
        low=low,
        high=high,
    )


def _slope_terms(relation: Slope, levels: Levels) -> list[Where]:
    found = levels("one_way_delay_ms")
    needed = 3 if relation.residual is not None else 2
    if len(found) < needed:
        raise NoDataError(
            f"{len(found)} of the {needed} delays that the relation needs",
            absent=relation.where,
            few=("one_way_delay_ms", needed),
        )
    return [{"one_way_delay_ms": level} for level in found]


def _slope_effects(relation: Slope, terms: Sequence[Where]) -> list[Effect]:
    round_trip_s = np.array([2 * float(term["one_way_delay_ms"]) / 1000 for term in terms])
    centred = round_trip_s - round_trip_s.mean()

    def slope(values: Floats) -> Floats:
        return np.asarray(values @ centred / (centred @ centred))

    def residual(values: Floats) -> Floats:
        rise = slope(values)[..., None] * centred
        distance = np.abs(values - values.mean(axis=-1, keepdims=True) - rise).max(axis=-1)
        return np.asarray(distance / np.abs(np.ptp(rise, axis=-1)))

    effects = [Effect("growth in round trips", "", slope, relation.low, relation.high)]
    if relation.residual is not None:
        effects.append(
            Effect("furthest from the line / its rise", "×", residual, None, relation.residual)
        )
    return effects


def _constant_effects(relation: Constant, terms: Sequence[Where]) -> list[Effect]:
    return [
        _quotient(terms, index, 0, 1 - relation.tolerance, 1 + relation.tolerance)
        for index in range(1, len(terms))
    ]


_FACTORS = {"sites": "number of sites", "one_way_delay_ms": "delay"}


def _factor_terms(relation: Constant | Falling, levels: Levels) -> list[Where]:
    found = levels(relation.factor)
    if len(found) < 2:
        raise NoDataError(
            f"only one {_FACTORS.get(relation.factor, f'level of {relation.factor}')}",
            absent=relation.where,
            few=(relation.factor, 2),
        )
    return [{relation.factor: level} for level in found]


def _falling_effects(relation: Falling, terms: Sequence[Where]) -> list[Effect]:
    return [
        _quotient(terms, index, index - 1, None, 1 + relation.tolerance)
        for index in range(1, len(terms))
    ]


def _below_terms(relation: Below, _: Levels) -> list[Where]:
    return [relation.lower, relation.upper]


def _below_effects(relation: Below, terms: Sequence[Where]) -> list[Effect]:
    lower, upper = (describe(term) for term in terms)
    return [
        Effect(
            label=f"share of quantiles with {lower} below {upper}",
            unit="",
            size=lambda values: (values[..., 0] < values[..., 1]).mean(axis=-1),
            low=relation.low,
            high=relation.high,
            of_quantiles=True,
        )
    ]


def _within_terms(relation: Within, _: Levels) -> list[Where]:
    return [{}]


def _within_effects(relation: Within, _: Sequence[Where]) -> list[Effect]:
    name = relation.column.replace("_", " ")
    return [Effect(name, "", lambda values: values[..., 0], relation.low, relation.high)]


def _share_terms(relation: FailureShare, _: Levels) -> list[Where]:
    return [{}]


def _share_effects(relation: FailureShare, _: Sequence[Where]) -> list[Effect]:
    return [Effect("share failed", "", lambda values: values[..., 0], relation.low, relation.high)]


RELATIONS: dict[str, Kind] = {
    "ratio": Kind(_ratio_terms, _ratio_effects),
    "order": Kind(_order_terms, _order_effects),
    "slope": Kind(_slope_terms, _slope_effects),
    "constant": Kind(_factor_terms, _constant_effects),
    "falling": Kind(_factor_terms, _falling_effects),
    "below": Kind(_below_terms, _below_effects),
    "within": Kind(_within_terms, _within_effects),
    "share": Kind(_share_terms, _share_effects),
}


def terms_of(relation: Relation, levels: Levels) -> list[Where]:
    """The levels of each term, beyond those all terms share (``relation.where``)."""
    return RELATIONS[relation.kind].terms(relation, levels)


def effects_of(relation: Relation, terms: Sequence[Where]) -> list[Effect]:
    """The effects that the relation bounds, for the terms of :func:`terms_of`."""
    return RELATIONS[relation.kind].effects(relation, terms)
