"""Selecting a term's numbers from the tidy tables by equality on their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from discovery.claims.models import Level, Relation, RelationModel, Where
from discovery.experiment.delays import is_uniform
from discovery.experiment.grids import STUDY
from discovery.results.derived import DERIVED, PLANE, cells_of
from discovery.results.schema import SCHEMAS

Floats = npt.NDArray[np.float64]
Tables = Mapping[str, pd.DataFrame]

FACTORS = (
    "variation",
    "backend",
    "sites",
    "one_way_delay_ms",
    "delay",
    "load",
    "repetition",
    *PLANE,
)
ITERATION = ["cell", "client_site", "scenario", "iteration"]


class NoDataError(Exception):
    """What the relation needs was not run.

    ``absent`` are levels that no cell has; with ``few``, a factor and the number of levels of it
    that are needed, those of the cells that have too few. ``wanted`` are all levels of what was
    looked for, if they are more than those that are absent.
    """

    def __init__(
        self,
        message: str,
        *,
        absent: Where | None = None,
        few: tuple[str, int] | None = None,
        wanted: Where | None = None,
    ) -> None:
        super().__init__(message)
        self.absent = absent
        self.few = few
        self.wanted = wanted or absent or {}


@dataclass(frozen=True)
class Sample:
    """The values of one term.

    ``strata`` holds the values of the iterations (or calls) that succeeded, one array per cell, so
    that a resampling keeps the weight of each cell; or one array of a value per cell, where the
    table has no more. ``n`` counts the iterations (calls, servers) that were run and
    ``failures`` those of them that failed; a cell that broke before its first iteration counts as
    one failed iteration. ``problem`` says why the values decide nothing, if so.
    """

    where: Where
    strata: tuple[Floats, ...]
    n: int
    failures: int
    problem: str | None = None

    @property
    def label(self) -> str:
        """The term's levels in words."""
        return describe(self.where)

    @cached_property
    def values(self) -> Floats:
        """All values, whatever their cell."""
        return np.concatenate(self.strata) if self.strata else np.array([], dtype=float)


def describe(where: Where) -> str:
    """``{"one_way_delay_ms": 50.0, "backend": "galera"}`` as ``galera, 50 ms one way``.

    That a term is of the study's own cells goes without saying.
    """
    where = {key: level for key, level in where.items() if (key, level) != ("variation", STUDY)}
    words = {
        "backend": "{}",
        "scenario": "{}",
        "sites": "{} site" if where.get("sites") == 1 else "{} sites",
        "one_way_delay_ms": "{} ms one way",
        "delay": "delay {}",
        "load": "{} load",
        "client_site": "client on {}",
        "repetition": "repetition {}",
        "variation": "variation {}",
        "variant": "{}",
        "workload": "{}",
        "servers": "{} servers",
        "zones": "zones {}",
        "destination": "to {}",
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
    """The levels of ``factor`` among the cells that ``relation.where`` selects, in order.

    Levels of the delay are those between all sites alike: what a matrix has on average is none.
    """
    cells = _cells(cells_of(tables), of_study(relation.where))
    if factor == "one_way_delay_ms":
        cells = cells[cells["delay"].map(is_uniform)]
    return sorted(cells[factor].unique().tolist())


def asked_for(tables: Tables, relation: RelationModel) -> bool:
    """Whether the cells that ``relation.where`` selects, if any, were to run its scenario."""
    where = of_study(relation.where)
    cells = rows(tables["cells"], {key: value for key, value in where.items() if key in FACTORS})
    return cells.empty or any(where["scenario"] in names.split(",") for names in cells["scenarios"])


def sample(tables: Tables, relation: Relation, term: Where) -> Sample:
    """The values of a ``term`` of ``relation``; :class:`NoDataError` if no cell was run for it."""
    where = of_study({**relation.where, **term})
    cells = _cells(cells_of(tables), where)
    broken = cells.loc[cells["status"] == "failed", "cell"].tolist()
    counted = DERIVED[relation.table].counted if relation.table in DERIVED else "iterations"
    iterations = rows(tables[counted], where)
    iterations = iterations[iterations["cell"].isin(cells["cell"])]
    if iterations.empty and not broken:
        absent = {key: value for key, value in where.items() if key not in FACTORS}
        raise NoDataError(
            f"no {counted[:-1]} of {describe(absent or where)}", absent=absent, wanted=where
        )
    empty = set(broken) - set(iterations["cell"])
    failed = int(iterations["error"].notna().sum()) + len(empty)
    n = len(iterations) + len(empty)
    if relation.kind == "share":
        return Sample(where, (), n, failed)
    values = _values(tables, relation, where, iterations)
    if values.empty and not failed:
        raise NoDataError(
            f"no {relation.column.replace('_', ' ')} of {describe(where)}", absent=where
        )
    problem = None
    if failed > relation.max_failure_share * n:
        problem = (
            f"{failed} of {n} {counted} of {describe(term or where)} failed{_because(cells)}, "
            "so the others decide nothing"
        )
    elif len(values) < 2:
        problem = f"{describe(term or where)} has only {len(values)} value, hence no interval"
    return Sample(where, _strata(values, relation.table), n, failed, problem)


def _strata(values: pd.Series[float], table: str) -> tuple[Floats, ...]:
    """A stratum per cell; of a table with one value per cell, the cells are the sample."""
    if table in DERIVED:
        whole = not values.index.duplicated().any()
    else:
        whole = not set(ITERATION) <= set(SCHEMAS[table].columns)
    if not whole:
        groups = [group for _, group in values.groupby(level="cell", sort=True)]
    else:
        groups = [values]
    return tuple(np.asarray(group, dtype=np.float64) for group in groups)


def of_study(where: Where) -> Where:
    """``where``, of the study's own cells unless it names a variation."""
    return {"variation": STUDY, **where}


def _cells(cells: pd.DataFrame, where: Where) -> pd.DataFrame:
    """The cells that ``where`` selects; :class:`NoDataError` if there are none."""
    factors = {key: value for key, value in where.items() if key in FACTORS}
    unknown = {key: value for key, value in factors.items() if key not in cells.columns}
    selected = rows(cells, factors)
    if selected.empty or unknown:
        absent = unknown or {
            key: value for key, value in factors.items() if not (cells[key] == value).any()
        }
        message = f"no cell with {describe(absent or factors)}"
        raise NoDataError(message, absent=absent or factors, wanted=factors)
    return selected


def _values(
    tables: Tables, relation: RelationModel, where: Where, iterations: pd.DataFrame
) -> pd.Series[float]:
    """The values of the iterations that succeeded, indexed by their cell."""
    if relation.table in DERIVED:
        return _derived_values(tables, relation, where, iterations)
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


def _derived_values(
    tables: Tables, relation: RelationModel, where: Where, counted: pd.DataFrame
) -> pd.Series[float]:
    """The values of a derived table, indexed by their cell, in the order of time where it tells."""
    derived = DERIVED[relation.table]
    selected = rows(derived.make(tables), where)
    selected = selected[selected["cell"].isin(counted["cell"])]
    if "error" in selected.columns:
        selected = selected[selected["error"].isna()]
    if "start" in selected.columns:
        selected = selected.sort_values("start", kind="stable")
    values = selected.set_index("cell")[relation.column].dropna().astype(float)
    return values.groupby(level="cell").sum() if derived.summed else values


def _because(cells: pd.DataFrame) -> str:
    broken = cells[cells["status"] == "failed"]
    if broken.empty:
        return ""
    return f" ({broken['cell'].iloc[0]}: {broken['failure'].iloc[0]})"
