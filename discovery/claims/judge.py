"""Judging: the interval decides.

Wholly inside the bounds is *supported*, wholly outside *contradicted*, anything else
*inconclusive*; what was not run is *not run*, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from discovery.claims.digits import agreed, written
from discovery.claims.estimate import (
    CONFIDENCE,
    QUANTILES,
    Estimate,
    estimate,
    from_draws,
    quantiles,
    share,
)
from discovery.claims.load import load_claims
from discovery.claims.models import Claim, Claims, Level, Relation, Where
from discovery.claims.placements import study_numbers
from discovery.claims.published import published_part
from discovery.claims.published_values import read_values
from discovery.claims.relations import Effect, effects_of, terms_of
from discovery.claims.select import (
    NoDataError,
    Sample,
    Tables,
    asked_for,
    describe,
    levels,
    sample,
)
from discovery.claims.verdicts import Judged, Judgement, Measured, Part, Verdict, Verdicts
from discovery.claims.wording import explain, explain_parts, judged_at, not_run
from discovery.errors import ResultError
from discovery.experiment.load import load_experiment
from discovery.experiment.nova import NovaExperiment
from discovery.experiment.studies import AnyExperiment
from discovery.results.tables import read_tables, stamp_of

UNITS = {
    "duration_s": "s",
    "idle_s": "s",
    "seconds": "s",
    "measured_rtt_ms": "ms",
    "completion_s": "s",
    "volume_mb": "MB",
}


def judge_folder(experiment_folder: Path, tidy_folder: Path) -> Verdicts:
    """The verdicts on the claims of ``experiment_folder``, from the tidy tables of one tier."""
    claims = load_claims(experiment_folder)
    experiment = load_experiment(experiment_folder)
    read = read_values if isinstance(experiment, NovaExperiment) else study_numbers
    published = read(experiment_folder)
    tables = read_tables(tidy_folder)
    tiers = tables["cells"]["tier"].unique().tolist()
    if len(tiers) != 1:
        found = ", ".join(tiers) or "none"
        raise ResultError(
            f"{tidy_folder}: holds cells of {len(tiers)} tiers ({found}), but verdicts are on one; "
            "give the folder of one tier"
        )
    verdicts = judge(claims, experiment, tiers[0], tables, published)
    return verdicts.model_copy(update={"stamp": stamp_of(tidy_folder)})


def judge(
    claims: Claims, experiment: AnyExperiment, tier: str, tables: Tables, published: pd.DataFrame
) -> Verdicts:
    """The verdict of every claim on the tidy ``tables`` of one tier.

    ``published`` is the study's own table; each relation is evaluated on it as well, so that the
    published and the measured effect stand side by side.
    """
    run = _Run(experiment, tier, tables, published)
    return Verdicts(
        experiment=claims.experiment,
        tier=tier,
        study=claims.study,
        confidence=CONFIDENCE,
        claims=tuple(_judge_claim(claim, run) for claim in claims.claims),
    )


@dataclass(frozen=True)
class _Run:
    """What claims are judged on: the tables of a tier, and the study's own numbers."""

    experiment: AnyExperiment
    tier: str
    tables: Tables
    published: pd.DataFrame


def _judge_claim(claim: Claim, run: _Run) -> Judgement:
    """The verdict on ``claim`` at the first of the levels it prefers at which it can be judged."""
    relation, parts = claim.relation, list[Part]()
    preferred: Where = {}
    if relation is not None:
        for preferred in _combinations(relation.prefer):
            parts = [
                _part(claim, relation, preferred, chosen, run)
                for chosen in _combinations(relation.each)
            ]
            if any(part.verdict != "not run" for part in parts):
                break
    return _judgement(claim, preferred, parts)


def _combinations(levels_of: Mapping[str, Sequence[Level]]) -> list[Where]:
    """Every combination of the levels, in order; of no column, the one that chooses nothing."""
    chosen_levels = product(*levels_of.values())
    return [dict(zip(levels_of, chosen, strict=True)) for chosen in chosen_levels]


def _part(claim: Claim, stated: Relation, preferred: Where, chosen: Where, run: _Run) -> Part:
    """``claim`` at the levels ``chosen`` of its ``each``, and those ``preferred``."""
    where = {**stated.where, **preferred, **chosen}
    relation = stated.model_copy(update={"where": where})
    left_out = False
    try:
        part = _judge_part(claim, relation, run.tables, run.published)
    except NoDataError as reason:
        ran = set(run.tables["cells"]["backend"])
        why = not_run(reason, run.experiment, run.tier, _combinations(stated.prefer), ran)
        part = Part(verdict="not run", why=why)
        left_out = "scenario" in chosen and not asked_for(run.tables, relation)
    theirs, _ = published_part(run.published, claim, relation)
    said = {"label": describe(chosen), "left_out": left_out, "published": tuple(theirs)}
    return part.model_copy(update=said)


def _judge_part(claim: Claim, relation: Relation, tables: Tables, published: pd.DataFrame) -> Part:
    def ours(factor: str) -> list[Level]:
        return levels(tables, relation, factor)

    terms = terms_of(relation, ours)
    samples = [sample(tables, relation, term) for term in terms]
    problem = next((each.problem for each in samples if each.problem), None)
    estimates = [None if each.problem else _estimate(each, relation) for each in samples]
    measured = tuple(
        _measured(term, each, size, relation)
        for term, each, size in zip(terms, samples, estimates, strict=True)
    )
    if problem is not None:
        return Part(verdict="inconclusive", why=problem, measured=measured)
    _, theirs = published_part(published, claim, relation)
    sizes = [size for size in estimates if size is not None]
    bounded = effects_of(relation, terms)
    # Our levels stand for the study's one for one, as 25 ms in a smoke test for its 50. With more
    # of them than it had, those that it had stand for themselves.
    beside = [theirs.get(effect.label) for effect in bounded]
    if len(theirs) >= len(bounded):
        beside = list(theirs.values())[: len(bounded)]
    judged = tuple(
        _judge_effect(
            effect,
            _size_of_quantiles(effect, samples) if effect.of_quantiles else _size(effect, sizes),
            published_size,
        )
        for effect, published_size in zip(bounded, beside, strict=True)
    )
    verdict = _worst([effect.verdict for effect in judged])
    return Part(verdict=verdict, why=explain(judged, verdict), effects=judged, measured=measured)


def _estimate(sample: Sample, relation: Relation) -> Estimate:
    return share(sample) if relation.kind == "share" else estimate(sample, relation.statistic)


def _size(effect: Effect, estimates: Sequence[Estimate]) -> Estimate:
    """The effect's size with its interval, from the terms' draws; a share has its own interval."""
    if not all(len(term.draws) for term in estimates):
        (only,) = estimates
        return only
    value = effect.size(np.array([term.value for term in estimates]))
    return from_draws(
        float(value), effect.size(np.column_stack([term.draws for term in estimates]))
    )


def _size_of_quantiles(effect: Effect, samples: Sequence[Sample]) -> Estimate:
    """The effect's size with its interval, from the quantiles of the terms' values."""
    values, draws = zip(*(quantiles(each, QUANTILES) for each in samples), strict=True)
    value = effect.size(np.stack(values, axis=-1))
    return from_draws(float(value), effect.size(np.stack(draws, axis=-1)))


def _judge_effect(effect: Effect, size: Estimate, published: float | None) -> Judged:
    """The verdict on ``effect``, by its numbers as they are written and shown."""
    limits = [limit for limit in (effect.low, effect.high) if limit is not None]
    value, low, high = _as_written(size, limits)
    least = -np.inf if effect.low is None else effect.low
    most = np.inf if effect.high is None else effect.high
    verdict: Verdict = "inconclusive"
    if least <= low and high <= most:
        verdict = "supported"
    elif high < least or most < low:
        verdict = "contradicted"
    return Judged(
        label=effect.label,
        unit=effect.unit,
        effect=value,
        low=low,
        high=high,
        bound_low=effect.low,
        bound_high=effect.high,
        published=None if published is None else agreed(published),
        verdict=verdict,
    )


def _as_written(size: Estimate, limits: Sequence[float] = ()) -> tuple[float, float, float]:
    """The value and its interval with the digits that the interval justifies."""
    value, low, high = (
        written(number, size.low, size.high, limits) for number in (size.value, size.low, size.high)
    )
    return value, low, high


def _measured(term: Where, sample: Sample, size: Estimate | None, relation: Relation) -> Measured:
    value, low, high = _as_written(size) if size else (None, None, None)
    return Measured(
        label=describe(term or sample.where),
        levels=sample.where,
        value=value,
        low=low,
        high=high,
        unit=UNITS.get(relation.column, ""),
        n=sample.n,
        failures=sample.failures,
    )


def _judgement(claim: Claim, preferred: Where, parts: Sequence[Part]) -> Judgement:
    """The verdict on the whole claim, from its parts at the levels ``preferred``."""
    kept = [part for part in parts if not part.left_out] or parts
    verdict = _worst([part.verdict for part in kept])
    at = "" if verdict == "not run" else _judged_at(claim, preferred, parts)
    why = explain_parts(kept, verdict) if parts else claim.not_run or ""
    terms = {repr(sorted(term.levels.items())): term for part in parts for term in part.measured}
    return Judgement(
        id=claim.id,
        title=claim.title,
        statement=claim.statement,
        source=claim.source,
        origin=claim.origin,
        verdict=verdict,
        why=f"{at}: {why}" if at else why,
        at=at,
        n=sum(term.n for term in terms.values()),
        failures=sum(term.failures for term in terms.values()),
        parts=tuple(parts),
        published_values=claim.published.values,
        flaw=claim.flaw,
        difference=claim.difference,
    )


def _judged_at(claim: Claim, preferred: Where, parts: Sequence[Part]) -> str:
    each = claim.relation.each if claim.relation else {}
    kept = {
        chosen.get("scenario")
        for chosen, part in zip(_combinations(each), parts, strict=True)
        if not part.left_out
    }
    return judged_at(preferred, len(kept), len(each.get("scenario", ())))


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    """One outside contradicts the whole; all must be inside to support it."""
    if "contradicted" in verdicts:
        return "contradicted"
    if set(verdicts) <= {"not run"}:
        return "not run"
    return "supported" if set(verdicts) == {"supported"} else "inconclusive"
