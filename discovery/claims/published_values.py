"""A study's own numbers where they are of many tables: ``published/*.csv`` with one set of columns.

Each value names our table, column and statistic that it is to be compared with. The columns are
described in the study's ``README.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from discovery.claims import published_kinds as kinds
from discovery.claims.digits import agreed
from discovery.claims.models import Claim, Level, Relation, Where
from discovery.claims.published_files import files_of, read_published_file
from discovery.claims.published_kinds import values
from discovery.claims.relations import effects_of, terms_of
from discovery.claims.select import NoDataError, describe, rows
from discovery.claims.verdicts import PublishedTerm
from discovery.deploy.variants import NOVA_VARIANTS
from discovery.errors import ConfigError
from discovery.experiment.load import load_experiment
from discovery.experiment.nova import NovaExperiment

LEVELS = ("variant", "sites", "one_way_delay_ms", "zones")
_PLACES = ("source", "destination")
SENTENCES = "sentences.csv"


def read_values(folder: Path) -> pd.DataFrame:
    """Every value that the study of ``folder`` published, but for those of its sentences.

    The study's delays are read as one way: ``delay_ms`` becomes ``one_way_delay_ms``. Raises
    :class:`ConfigError`.
    """
    experiment = load_experiment(folder)
    own = experiment.variants if isinstance(experiment, NovaExperiment) else ()
    kind = values([*NOVA_VARIANTS, *own])
    names = [name for name in files_of(folder) if name != SENTENCES]
    if not names:
        raise ConfigError("holds no table in CSV", file=folder / "published")
    tables = [
        read_published_file(folder, name, kind).astype(dict.fromkeys(_PLACES, object))
        for name in names
    ]
    return pd.concat(tables, ignore_index=True).rename(columns={"delay_ms": "one_way_delay_ms"})


def check_published(folder: Path) -> int:
    """Read every file of the study of ``folder``'s own numbers, and say how many there are.

    Raises :class:`ConfigError` for one that is wrong, lacks a row, is missing or is unknown.
    """
    if isinstance(load_experiment(folder), NovaExperiment):
        read_values(folder)
        if SENTENCES in files_of(folder):
            read_published_file(folder, SENTENCES, kinds.SENTENCES)
    else:
        for name, kind in kinds.KEYSTONE_FILES.items():
            read_published_file(folder, name, kind)
        for name in files_of(folder):
            if name not in kinds.KEYSTONE_FILES:
                raise ConfigError(
                    "is no table of a study of Keystone",
                    file=folder / "published" / name,
                    allowed=kinds.KEYSTONE_FILES,
                )
    return len(files_of(folder))


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
        value=None if pd.isna(row["value"]) else agreed(float(row["value"])),
        unit="" if pd.isna(row["unit"]) else str(row["unit"]),
        error=None if pd.isna(row["reading_error"]) else agreed(float(row["reading_error"])),
        failure_share=None,
        provenance=row["provenance"],
        figure=str(row["figure"]),
        bound=row["bound"],
    )
