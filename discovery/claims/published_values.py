"""A study's own numbers where they are of many tables: ``published/*.csv`` with one set of columns.

Each value names our table, column and statistic that it is to be compared with. The columns are
described in the study's ``README.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from discovery.claims.models import Claim, Level, Relation, Where
from discovery.claims.relations import effects_of, terms_of
from discovery.claims.select import NoDataError, describe, rows
from discovery.claims.verdicts import PublishedTerm
from discovery.errors import ConfigError

LEVELS = ("variant", "sites", "one_way_delay_ms", "zones")
_PLACES = ("source", "destination")
COLUMNS = (
    "figure",
    "table",
    "column",
    "statistic",
    "variant",
    "sites",
    "delay_ms",
    "zones",
    *_PLACES,
    "value",
    "unit",
    "reading_error",
    "bound",
    "provenance",
)
SENTENCES = "sentences.csv"


def read_values(folder: Path) -> pd.DataFrame:
    """Every value that the study of ``folder`` published, but for those of its sentences.

    The study's delays are read as one way: ``delay_ms`` becomes ``one_way_delay_ms``. Raises
    :class:`ConfigError` if there is no file, or one lacks a column.
    """
    files = sorted(path for path in (folder / "published").glob("*.csv") if path.name != SENTENCES)
    if not files:
        raise ConfigError("holds no table in CSV", file=folder / "published")
    tables = []
    for path in files:
        try:
            table = pd.read_csv(path)
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
            raise ConfigError("is not a table in CSV", file=path) from None
        missing = [column for column in COLUMNS if column not in table.columns]
        if missing:
            raise ConfigError("this column is missing", file=path, key=missing[0], allowed=COLUMNS)
        tables.append(table.astype(dict.fromkeys(_PLACES, object)))
    return pd.concat(tables, ignore_index=True).rename(columns={"delay_ms": "one_way_delay_ms"})


def values_part(
    published: pd.DataFrame, claim: Claim, relation: Relation
) -> tuple[list[PublishedTerm], dict[str, float | None]]:
    """The study's values for the terms of ``relation``, and its effects; empty if it has none."""
    chosen = published[
        (published["table"] == relation.table)
        & (published["column"] == relation.column)
        & (published["statistic"] == relation.statistic)
    ]
    common = {**relation.where, **claim.published.where}

    def levels(factor: str) -> list[Level]:
        return sorted(_selected(chosen, common)[factor].unique().tolist())

    try:
        terms = terms_of(relation, levels)
    except NoDataError:
        return [], {}
    found = [_term(chosen, {**common, **term}, term) for term in terms]
    if not any(found):
        return [], {}
    return [term for term in found if term is not None], published_effects(found, relation, terms)


def published_effects(
    found: Sequence[PublishedTerm | None], relation: Relation, terms: Sequence[Where]
) -> dict[str, float | None]:
    """The effects of ``relation`` on published values, by label; ``None`` where one is missing.

    By label, since a study may have other levels than a run.
    """
    values = np.array([_exact(term) for term in found])
    sizes = {
        effect.label: np.nan if effect.of_quantiles else float(effect.size(values))
        for effect in effects_of(relation, terms)
    }
    return {label: None if np.isnan(size) else size for label, size in sizes.items()}


def _exact(term: PublishedTerm | None) -> float:
    """The value to compute with: a bar too small to read has none."""
    if term is None or term.value is None or term.bound == "at most":
        return np.nan
    return term.value


def _selected(published: pd.DataFrame, where: Where) -> pd.DataFrame:
    """The rows that ``where`` selects; of a volume the whole, unless a place is asked for."""
    selected = rows(published, {key: where[key] for key in (*LEVELS, *_PLACES) if key in where})
    for place in _PLACES:
        if place not in where:
            selected = selected[selected[place].isna()]
    return selected


def _term(published: pd.DataFrame, where: Where, term: Where) -> PublishedTerm | None:
    found = _selected(published, where)
    if len(found) != 1:
        return None
    row = found.iloc[0]
    return PublishedTerm(
        label=describe(term or where),
        value=None if pd.isna(row["value"]) else float(row["value"]),
        unit="" if pd.isna(row["unit"]) else str(row["unit"]),
        error=None if pd.isna(row["reading_error"]) else float(row["reading_error"]),
        failure_share=None,
        provenance=row["provenance"],
        figure=str(row["figure"]),
        bound=row["bound"],
    )
