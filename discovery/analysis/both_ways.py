"""The same iterations under two statistics: the 2018 study's, and ours.

The study dropped failed iterations, and then of each Rally client those at or above its 95th
percentile, and took the mean of what was left. We count a failure as one, and drop nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from discovery.analysis.statistics import as_in_2018
from discovery.analysis.summary import GROUP, completion, in_order
from discovery.claims.models import Claims
from discovery.claims.verdicts import Part, Verdicts

Tables = Mapping[str, pd.DataFrame]

_ITERATION = ["cell", "client_site", "scenario", "iteration"]


def cut(tables: Tables) -> dict[str, pd.DataFrame]:
    """``tables`` with the iterations and actions alone that the 2018 study would have kept."""
    whole = completion(tables)
    kept = [as_in_2018(part, "actions_s") for _, part in whole.groupby("scenario", sort=False)]
    keys = pd.concat(kept)[_ITERATION] if kept else whole[_ITERATION]
    return {
        **tables,
        "iterations": tables["iterations"].merge(keys, on=_ITERATION),
        "actions": tables["actions"].merge(keys, on=_ITERATION),
    }


def compare_means(summary: pd.DataFrame) -> pd.DataFrame:
    """A row per group of ``summary`` with the study's mean beside ours.

    ``remains`` is the study's over ours: what the cut leaves of a mean. ``dropped`` counts the
    iterations that it removed although they had succeeded. Missing where nothing is left.
    """
    good = summary["n"] - summary["failures"]
    return summary[[*GROUP, "n", "failures", "mean_s", "original_s", "original_n"]].assign(
        dropped=good - summary["original_n"], remains=summary["original_s"] / summary["mean_s"]
    )


def compare_ratios(summary: pd.DataFrame, *, to: str) -> pd.DataFrame:
    """How many times as long as the back end ``to`` each other takes: ``ours`` and ``theirs``.

    A row per group of the others where all four means are known; ``turns`` where the two statistics
    disagree on which of both is the faster.
    """
    levels = [name for name in GROUP if name != "backend"]
    known = summary.dropna(subset=["mean_s", "original_s"])
    base = known.loc[known["backend"] == to, [*levels, "mean_s", "original_s"]]
    others = known.loc[known["backend"] != to, [*GROUP, "mean_s", "original_s"]]
    joined = others.merge(base, on=levels, suffixes=("", "_base"))
    ours = joined["mean_s"] / joined["mean_s_base"]
    theirs = joined["original_s"] / joined["original_s_base"]
    table = joined[GROUP].assign(ours=ours, theirs=theirs, turns=(ours > 1) != (theirs > 1))
    return in_order(table)


VERDICT_COLUMNS = [
    "claim",
    "title",
    "part",
    "effect",
    "ours",
    "ours_low",
    "ours_high",
    "theirs",
    "theirs_low",
    "theirs_high",
    "verdict",
    "verdict_theirs",
]


def compare_verdicts(claims: Claims, ours: Verdicts, theirs: Verdicts) -> pd.DataFrame:
    """A row per part of a claim on times: its first effect and its verdict, both ways.

    ``theirs`` are the verdicts on the tables of :func:`cut`. Claims on failures are left out, since
    the cut has none, and so is what neither way can judge. Where too many iterations failed, ours
    has no effect and is inconclusive, whatever the survivors say. Columns: :data:`VERDICT_COLUMNS`.
    """
    timed = {
        claim.id
        for claim in claims.claims
        if claim.relation is not None
        and claim.relation.kind != "share"
        and claim.relation.table in ("actions", "iterations")
    }
    there = {claim.id: claim for claim in theirs.claims}
    rows = []
    for claim in ours.claims:
        if claim.id not in timed:
            continue
        for part, other in zip(claim.parts, there[claim.id].parts, strict=True):
            if part.verdict == other.verdict == "not run":
                continue
            label = next((effect.label for effect in (*part.effects, *other.effects)), "")
            names = (claim.id, claim.title, part.label, label)
            rows.append((*names, *_size(part), *_size(other), part.verdict, other.verdict))
    return pd.DataFrame(rows, columns=VERDICT_COLUMNS)


def _size(part: Part) -> tuple[float, float, float]:
    if not part.effects:
        return math.nan, math.nan, math.nan
    first = part.effects[0]
    return first.effect, first.low, first.high
