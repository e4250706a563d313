"""Why a verdict is what it is, in one sentence."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from discovery.claims.digits import MEANT, same_side
from discovery.claims.models import Relation, Where
from discovery.claims.select import NoDataError, describe
from discovery.claims.verdicts import VERDICTS, Judged, Part, Verdict
from discovery.deploy.backends import BACKENDS, why_not_run
from discovery.experiment.cells import Cell
from discovery.experiment.delays import is_uniform
from discovery.experiment.studies import AnyCell, AnyExperiment, factors, unfold
from discovery.experiment.tiers import Tier

NONE = "–"
"""What stands where there is no number."""


def number(value: float, unit: str, limits: Sequence[float] = ()) -> str:
    """Three significant digits, or three decimals of what is nearly nothing; with the unit.

    What is above a thousand is rounded to whole ones, since that may be a count. Where that would
    put it on the wrong side of one of ``limits``, it has as many digits more as it takes.
    """
    texts = (_with_digits(value, digits) for digits in range(3, MEANT + 1))
    text = next((text for text in texts if same_side(_read(text), value, limits)), f"{value:,}")
    text = "0" if _read(text) == 0 else text.replace("-", "−")
    return f"{text}×" if unit == "×" else f"{text} {unit}".strip()


def _with_digits(value: float, digits: int) -> str:
    if abs(value) >= 999.5:
        return f"{value:,.{digits - 3}f}"
    if abs(value) >= 0.01:
        return f"{value:.{digits}g}"
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def _read(text: str) -> float:
    return float(text.replace(",", ""))


def effect(judged: Judged) -> str:
    """The effect's size, with its unit."""
    return number(judged.effect, judged.unit, _limits(judged))


def interval(judged: Judged) -> str:
    """The effect's interval."""
    low, high = (number(end, "", _limits(judged)) for end in (judged.low, judged.high))
    return f"[{low}, {high}]"


def published(judged: Judged) -> str:
    """The size of the effect by the study's own numbers, with its unit; a dash if it has none."""
    if judged.published is None:
        return NONE
    return number(judged.published, judged.unit, _limits(judged))


def _limits(judged: Judged) -> list[float]:
    return [limit for limit in (judged.bound_low, judged.bound_high) if limit is not None]


def bounds(judged: Judged) -> str:
    """What the effect was held against."""
    if judged.bound_low is None:
        return f"≤ {judged.bound_high:g}"
    if judged.bound_high is None:
        return f"≥ {judged.bound_low:g}"
    return f"[{judged.bound_low:g}, {judged.bound_high:g}]"


def explain(judged: Sequence[Judged], verdict: Verdict) -> str:
    """The effect that decided a part."""
    decisive = next(one for one in judged if one.verdict == verdict)
    place = {"supported": "inside", "contradicted": "outside"}.get(
        verdict, "straddling the edge of"
    )
    return (
        f"{decisive.label} is {effect(decisive)} {interval(decisive)}, {place} {bounds(decisive)}"
    )


def explain_parts(parts: Sequence[Part], verdict: Verdict) -> str:
    """How many parts came out how, and the first of those that decided."""
    if len(parts) == 1:
        return parts[0].why
    if verdict == "not run":
        return "; ".join(dict.fromkeys(part.why for part in parts))
    # A claim that is inconclusive as a whole may have no inconclusive part, only missing ones.
    decisive = next(
        (part for part in parts if part.verdict == verdict),
        next((part for part in parts if part.verdict != "supported"), parts[0]),
    )
    counts = {each: sum(part.verdict == each for part in parts) for each in VERDICTS}
    told = ", ".join(f"{count} of {len(parts)} {each}" for each, count in counts.items() if count)
    return f"{told}; {decisive.label}: {decisive.why}"


def judged_at(preferred: Where, kept: int, scenarios: int) -> str:
    """At which of the levels it prefers, and on ``kept`` of its scenarios, a claim was judged."""
    words = [f"at {describe(preferred)}"] if preferred else []
    if kept < scenarios:
        words.append(f"on {kept} of {scenarios} scenarios")
    return ", ".join(words)


def stated(relation: Relation) -> str:
    """The kind of a relation and the levels it prefers: ``slope, at 9 sites, else 3``."""
    preferred = [
        f"at {describe({column: first})}, else {' or '.join(map(str, others))}"
        for column, (first, *others) in relation.prefer.items()
    ]
    return ", ".join([relation.kind, *preferred])


def not_run(
    reason: NoDataError,
    experiment: AnyExperiment,
    tier: str,
    preferred: Sequence[Where],
    ran: Collection[str] = (),
) -> str:
    """What the run lacks: of its tier, with the tiers that have it; or that was to be run, and why.

    ``preferred`` are the levels at any of which the claim could be judged. ``ran`` are the back
    ends that the run had: that this machine lacks one is no reason for what is missing of it.
    """
    having: list[Tier] = [
        name
        for name in experiment.tiers
        for cells in [unfold(experiment, name)]
        if any(_would_do(cells, reason, levels) for levels in preferred)
    ]
    backend = (reason.absent or {}).get("backend")
    if tier in having:  # it was to be run, and was not
        why = why_not_run(str(backend)) if backend in BACKENDS and backend not in ran else None
        return f"this run has {reason}{f': {why}' if why else f', though tier {tier} asks for it'}"
    text = f"tier {tier} has {reason}"
    if not having:
        return text
    *first, last = having
    tiers = f"tiers {', '.join(first)} and {last}" if first else f"tier {last}"
    return f"{text} ({tiers} would do)"


def _would_do(cells: Sequence[AnyCell], reason: NoDataError, preferred: Where) -> bool:
    wanted = {**reason.wanted, **preferred}
    if reason.few is not None:
        factor, needed = reason.few
        levels = [factors(cell) for cell in cells if _has(cell, wanted)]
        if factor == "one_way_delay_ms":  # the mean of unlike delays is no point of a slope
            levels = [here for here in levels if is_uniform(str(here["delay"]))]
        return len({here[factor] for here in levels}) >= needed
    return any(_has(cell, wanted) for cell in cells)


def _has(cell: AnyCell, levels: Where) -> bool:
    here = factors(cell)
    return all(
        isinstance(cell, Cell) and value in cell.scenarios
        if key == "scenario"
        else here.get(key, value) == value
        for key, value in levels.items()
    )
