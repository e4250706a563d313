"""Selecting a term's numbers from the tidy tables by equality on their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from discovery.claims.models import Level, RelationModel, Where

Floats = npt.NDArray[np.float64]
Tables = Mapping[str, pd.DataFrame]

FACTORS = ("backend", "sites", "one_way_delay_ms", "delay", "load", "repetition")
ITERATION = ["cell", "client_site", "scenario", "iteration"]


class NoDataError(Exception):
    """What the relation needs was not run.

    ``absent`` are levels that no cell has; ``few`` is a factor with the number of levels needed.
    """

    def __init__(
        self, message: str, *, absent: Where | None = None, few: tuple[str, int] | None = None
    ) -> None:
        super().__init__(message)
        self.absent = absent
        self.few = few


class TooFewError(Exception):
    """What the term asks for was run, but what is left of it decides nothing."""


@dataclass(frozen=True)
class Sample:
    """The values of one term.

    ``strata`` holds the values of the iterations that succeeded, one array per cell, so that a
    resampling keeps the weight of each cell. ``n`` counts the iterations that were run and
    ``failures`` those of them that failed; a cell that broke before its first iteration counts as
    one failed iteration.
    """

    where: Where
    strata: tuple[Floats, ...]
    n: int
    failures: int
    broken: tuple[str, ...] = field(default=())

    @property
    def label(self) -> str:
        """The term's levels in words."""
        return describe(self.where)

    @cached_property
    def values(self) -> Floats:
        """All values, whatever their cell."""
        return np.concatenate(self.strata) if self.strata else np.array([], dtype=float)


def describe(where: Where) -> str:
    """``{"one_way_delay_ms": 50.0, "backend": "galera"}`` as ``galera, 50 ms one way``."""
    words = {
        "backend": "{}",
        "scenario": "{}",
        "sites": "{} sites",
        "one_way_delay_ms": "{} ms one way",
        "load": "{} load",
        "client_site": "client on {}",
        "repetition": "repetition {}",
    }
    ordered = [key for key in words if key in where] + [key for key in where if key not in words]
    return ", ".join(words.get(key, "{}").format(_plain(where[key])) for key in ordered)


def _plain(level: Level) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def rows(table: pd.DataFrame, where: Where) -> pd.DataFrame:
    """The rows of ``table`` that equal ``where``; keys it has no column for are ignored."""
    mask = pd.Series(True, index=table.index)
    for key, value in where.items():
        if key in table.columns:
            mask &= table[key] == value
    return table[mask]


def levels(tables: Tables, relation: RelationModel, factor: str) -> list[Level]:
    """The levels of ``factor`` among the cells that ``relation.where`` selects, in order."""
    return sorted(_cells(tables["cells"], relation.where)[factor].unique().tolist())


def sample(tables: Tables, relation: RelationModel, where: Where) -> Sample:
    """The values of the term ``where`` of a relation.

    Raises :class:`NoDataError` when no cell was run for it, and :class:`TooFewError` when too many
    of its iterations failed for the others to speak.
    """
    cells = _cells(tables["cells"], where)
    broken = cells.loc[cells["status"] == "failed", "cell"].tolist()
    iterations = rows(tables["iterations"], where)
    if iterations.empty and not broken:
        absent = {key: value for key, value in where.items() if key not in FACTORS}
        raise NoDataError(f"no iteration of {describe(absent)}", absent=absent)
    empty = [cell for cell in broken if cell not in set(iterations["cell"])]
    failed = int(iterations["error"].notna().sum()) + len(empty)
    n = len(iterations) + len(empty)
    if relation.table == "iterations" and relation.column == "error":
        return Sample(where, (), n, failed, tuple(broken))
    if failed > relation.max_failure_share * n:
        raise TooFewError(
            f"{failed} of {n} iterations of {describe(where)} failed{_because(tables, broken)}, "
            "so the times of the others decide nothing"
        )
    values = _values(tables, relation, where, iterations)
    if len(values) < 2:
        raise TooFewError(f"only {len(values)} value for {describe(where)}, which has no interval")
    strata = tuple(
        np.asarray(group, dtype=np.float64) for _, group in values.groupby(level="cell", sort=True)
    )
    return Sample(where, strata, n, failed, tuple(broken))


def _cells(cells: pd.DataFrame, where: Where) -> pd.DataFrame:
    """The cells that ``where`` selects; :class:`NoDataError` if there are none."""
    factors = {key: value for key, value in where.items() if key in FACTORS}
    selected = rows(cells, factors)
    if selected.empty:
        absent = {key: value for key, value in factors.items() if not (cells[key] == value).any()}
        raise NoDataError(f"no cell with {describe(absent or factors)}", absent=absent or factors)
    return selected


def _values(
    tables: Tables, relation: RelationModel, where: Where, iterations: pd.DataFrame
) -> pd.Series[float]:
    """The values of the iterations that succeeded, indexed by their cell."""
    selected = rows(tables[relation.table], where)
    selected = selected[selected["cell"].isin(iterations["cell"])]
    if not set(ITERATION) <= set(selected.columns):
        return selected.set_index("cell")[relation.column].dropna().astype(float)
    good = iterations.loc[iterations["error"].isna(), ITERATION]
    selected = selected.merge(good, on=ITERATION, how="inner")
    if relation.table == "actions":
        totals = selected.groupby(ITERATION, observed=True)[relation.column].sum()
        return totals.reset_index().set_index("cell")[relation.column]
    return selected.set_index("cell")[relation.column].dropna().astype(float)


def _because(tables: Tables, broken: list[str]) -> str:
    if not broken:
        return ""
    reasons = tables["cells"].set_index("cell")["failure"]
    return f" ({broken[0]}: {reasons[broken[0]]})"
