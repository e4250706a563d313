"""Judging: the interval decides.

Wholly inside the bounds is *supported*, wholly outside *contradicted*, anything else
*inconclusive*; what was not run is *not run*, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from discovery.claims.estimate import CONFIDENCE, Estimate, estimate, from_draws, share
from discovery.claims.load import load_claims
from discovery.claims.models import Claim, Claims, Level, Relation, Where
from discovery.claims.published import published_part, read_published
from discovery.claims.relations import Effect, effects_of, terms_of
from discovery.claims.select import (
    NoDataError,
    Sample,
    Tables,
    describe,
    levels,
    sample,
)
from discovery.claims.verdicts import Judged, Judgement, Measured, Part, Verdict, Verdicts
from discovery.claims.wording import explain, explain_parts, not_run
from discovery.errors import ResultError
from discovery.experiment.load import load_experiment
from discovery.experiment.models import Experiment
from discovery.results.tables import read_tables

UNITS = {"duration_s": "s", "idle_s": "s", "seconds": "s", "measured_rtt_ms": "ms"}


def judge_folder(experiment_folder: Path, tidy_folder: Path) -> Verdicts:
    """The verdicts on the claims of ``experiment_folder``, from the tidy tables of one tier."""
    claims = load_claims(experiment_folder)
    experiment = load_experiment(experiment_folder)
    published = read_published(experiment_folder)
    tables = read_tables(tidy_folder)
    tiers = tables["cells"]["tier"].unique().tolist()
    if len(tiers) != 1:
        found = ", ".join(tiers) or "none"
        raise ResultError(
            f"{tidy_folder}: holds cells of {len(tiers)} tiers ({found}), but verdicts are on one; "
            "give the folder of one tier"
        )
    return judge(claims, experiment, tiers[0], tables, published)


def judge(
    claims: Claims, experiment: Experiment, tier: str, tables: Tables, published: pd.DataFrame
) -> Verdicts:
    """The verdict of every claim on the tidy ``tables`` of one tier.

    ``published`` is the study's own table; each relation is evaluated on it as well, so that the
    published and the measured effect stand side by side.
    """
    judgements = []
    for claim in claims.claims:
        parts = []
        if claim.relation is not None:
            for chosen in _combinations(claim.relation):
                where = {**claim.relation.where, **chosen}
                relation = claim.relation.model_copy(update={"where": where})
                try:
                    part = _judge_part(claim, relation, tables, published)
                except NoDataError as reason:
                    part = Part(verdict="not run", why=not_run(reason, experiment, tier))
                theirs, _ = published_part(published, claim, relation)
                parts.append(
                    part.model_copy(update={"label": describe(chosen), "published": tuple(theirs)})
                )
        judgements.append(_judgement(claim, parts))
    return Verdicts(
        experiment=claims.experiment,
        tier=tier,
        study=claims.study,
        confidence=CONFIDENCE,
        claims=tuple(judgements),
    )


def _combinations(relation: Relation) -> list[Where]:
    levels_of_each = product(*relation.each.values())
    return [dict(zip(relation.each, chosen, strict=True)) for chosen in levels_of_each]


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
    judged = tuple(
        _judge_effect(effect, _size(effect, sizes), theirs[index] if theirs else None)
        for index, effect in enumerate(effects_of(relation, terms))
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


def _judge_effect(effect: Effect, size: Estimate, published: float | None) -> Judged:
    low = -np.inf if effect.low is None else effect.low
    high = np.inf if effect.high is None else effect.high
    verdict: Verdict = "inconclusive"
    if low <= size.low and size.high <= high:
        verdict = "supported"
    elif size.high < low or high < size.low:
        verdict = "contradicted"
    return Judged(
        label=effect.label,
        unit=effect.unit,
        effect=size.value,
        low=size.low,
        high=size.high,
        bound_low=effect.low,
        bound_high=effect.high,
        published=published,
        verdict=verdict,
    )


def _measured(term: Where, sample: Sample, size: Estimate | None, relation: Relation) -> Measured:
    return Measured(
        label=describe(term or sample.where),
        levels=sample.where,
        value=size.value if size else None,
        low=size.low if size else None,
        high=size.high if size else None,
        unit=UNITS.get(relation.column, ""),
        n=sample.n,
        failures=sample.failures,
    )


def _judgement(claim: Claim, parts: Sequence[Part]) -> Judgement:
    verdict = _worst([part.verdict for part in parts])
    terms = {repr(sorted(term.levels.items())): term for part in parts for term in part.measured}
    return Judgement(
        id=claim.id,
        title=claim.title,
        statement=claim.statement,
        source=claim.source,
        origin=claim.origin,
        verdict=verdict,
        why=explain_parts(parts, verdict) if parts else claim.not_run or "",
        n=sum(term.n for term in terms.values()),
        failures=sum(term.failures for term in terms.values()),
        parts=tuple(parts),
        published_values=claim.published.values,
        flaw=claim.flaw,
        difference=claim.difference,
    )


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    """One outside contradicts the whole; all must be inside to support it."""
    if "contradicted" in verdicts:
        return "contradicted"
    if set(verdicts) <= {"not run"}:
        return "not run"
    return "supported" if set(verdicts) == {"supported"} else "inconclusive"
