"""Variations: cells in which one fixed setting is another, against the same cells of the study."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from discovery.analysis import statistics
from discovery.analysis.summary import completion, in_order
from discovery.experiment.grids import STUDY

Tables = Mapping[str, pd.DataFrame]

COUNTERPART = ["sites", "load", "backend", "one_way_delay_ms", "delay", "scenario"]
"""What a varied cell's iterations and their counterparts in the study have in common."""

_COLUMNS = [
    "variation",
    *COUNTERPART,
    "n",
    "failures",
    "study_n",
    "study_failures",
    "varied_s",
    "study_s",
    "ratio",
    "ratio_low",
    "ratio_high",
]


def compare(tables: Tables) -> pd.DataFrame:
    """A row per variation and group of :data:`COUNTERPART` that was run in it.

    ``varied_s`` and ``study_s`` are mean completion times (s) of iterations that succeeded, and
    ``ratio`` is the first over the second, with its 95 % interval; missing where either side has
    none. ``n`` iterations began, and ``failures`` of them ended in an error. All repetitions of a
    cell count together.
    """
    iterations = completion(tables)
    study = dict(list(iterations[iterations["variation"] == STUDY].groupby(COUNTERPART)))
    varied = iterations[iterations["variation"] != STUDY]
    rows = []
    for key, part in varied.groupby(["variation", *COUNTERPART], sort=False):
        variation, *levels = key
        counterpart = study.get(tuple(levels), iterations.iloc[:0])
        done, done_there = part[part["error"].isna()], counterpart[counterpart["error"].isna()]
        ratio = statistics.ratio(done["actions_s"], done_there["actions_s"])
        rows.append(
            (
                variation,
                *levels,
                len(part),
                len(part) - len(done),
                len(counterpart),
                len(counterpart) - len(done_there),
                done["actions_s"].mean(),
                done_there["actions_s"].mean(),
                ratio.value,
                ratio.low,
                ratio.high,
            )
        )
    return in_order(pd.DataFrame(rows, columns=_COLUMNS))
