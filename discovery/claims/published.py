"""The study's own numbers, read from ``published/*.csv`` of its folder.

The tables are described in the study's ``README.md``. A time without a bar in the figure is empty.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from discovery.claims.digits import agreed
from discovery.claims.models import Claim, Level, Relation, Where
from discovery.claims.published_files import read_published_file
from discovery.claims.published_kinds import COMPLETION_TIME, READ_WRITE, ZONES
from discovery.claims.published_values import published_effects, values_part
from discovery.claims.relations import terms_of
from discovery.claims.select import FACTORS, NoDataError, describe, of_study, rows
from discovery.claims.verdicts import PublishedTerm

COLUMNS = tuple(COMPLETION_TIME.columns)


def read_published(folder: Path) -> pd.DataFrame:
    """The completion times (s) that the study of ``folder`` published, one row per bar."""
    return read_published_file(folder, "completion-time.csv", COMPLETION_TIME)


def read_zones(folder: Path) -> pd.DataFrame:
    """The medians (s) of the figure on replication zones, one row per bar."""
    return read_published_file(folder, "zones.csv", ZONES)


def read_reads(folder: Path) -> pd.DataFrame:
    """The counts of database reads and writes that the study printed, one row per scenario."""
    return read_published_file(folder, "read-write.csv", READ_WRITE)


def published_part(
    published: pd.DataFrame, claim: Claim, relation: Relation
) -> tuple[list[PublishedTerm], dict[str, float | None]]:
    """The study's values for the terms of ``relation``, and its effects; empty if it has none."""
    if not claim.published.table:
        return [], {}
    if "statistic" in published.columns:
        return values_part(published, claim, relation)
    if relation.table not in ("actions", "iterations"):
        return [], {}
    common = of_study({**relation.where, **claim.published.where})

    def levels(factor: str) -> list[Level]:
        factors = {key: value for key, value in common.items() if key in FACTORS}
        return sorted(rows(published, factors)[factor].dropna().unique().tolist())

    try:
        terms = terms_of(relation, levels)
    except NoDataError:
        return [], {}
    column = "failure_share" if relation.kind == "share" else "total_s"
    found = [_term(published, {**common, **term}, term, column) for term in terms]
    return [term for term in found if term is not None], published_effects(found, relation, terms)


def _term(published: pd.DataFrame, where: Where, term: Where, column: str) -> PublishedTerm | None:
    found = rows(published, where)
    if len(found) != 1:
        return None
    row = found.iloc[0]
    value = row[column]
    return PublishedTerm(
        label=describe(term or where),
        value=None if pd.isna(value) else agreed(float(value)),
        unit="" if column == "failure_share" else "s",
        error=None if column == "failure_share" else agreed(float(row["reading_error_s"])),
        failure_share=agreed(float(row["failure_share"])),
        provenance="verbatim" if column == "failure_share" else row["provenance"],
        figure=str(row["figure"]),
        bound=row["bound"],
    )
