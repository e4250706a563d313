"""Reading ``claims.yaml``, and checking every name in it before anything is judged.

A claim that names a table, column or level that does not exist is a :class:`ClaimError`; it never
becomes a verdict.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandera.pandas as pa

from discovery.claims.models import Below, Claim, Claims, Level, Order, Ratio, Relation, Where
from discovery.claims.published import COLUMNS
from discovery.claims.published_values import LEVELS
from discovery.claims.relations import RELATIONS
from discovery.deploy.backends import BACKENDS
from discovery.deploy.cockroach import zones
from discovery.errors import ClaimError, ConfigError
from discovery.experiment.grids import STUDY
from discovery.experiment.load import load_experiment, read_document, validate
from discovery.experiment.models import Experiment
from discovery.experiment.studies import AnyExperiment, factors, unfold
from discovery.results.derived import DERIVED
from discovery.results.schema import CELL_COLUMNS, SCHEMAS
from discovery.workload.nova_scenarios import NOVA_SCENARIOS
from discovery.workload.scenarios import SCENARIOS


def load_claims(folder: Path) -> Claims:
    """The claims declared in ``folder/claims.yaml``, every name in them checked."""
    path = folder / "claims.yaml"
    experiment = load_experiment(folder)
    read = read_document(path)
    document = read.value
    ids = _ids(document)
    _check_kinds(document, ids, path)
    try:
        claims = validate(Claims, document, path, read.plain)
    except ConfigError as error:
        raise ClaimError(
            error.message,
            file=path,
            key=_with_id(error.key, ids),
            value=error.value,
            allowed=error.allowed,
        ) from None
    if claims.experiment != experiment.id:
        raise ClaimError(
            "is another experiment than its folder's",
            file=path,
            key="experiment",
            value=claims.experiment,
            allowed=experiment.id,
        )
    known = _known_levels(experiment)
    for claim in claims.claims:
        if claim.relation is not None:
            _check_relation(claim, claim.relation, known, path)
    return claims


def _check_relation(
    claim: Claim, relation: Relation, known: dict[str, list[Level]], path: Path
) -> None:
    key = f"{claim.id}.relation"
    tables = {**dict.fromkeys(SCHEMAS), **dict.fromkeys(DERIVED)}
    if relation.table not in tables:
        raise _unknown("table", f"{key}.table", relation.table, tables, path)
    columns, numeric = _columns(relation.table)
    if relation.kind != "share":
        if relation.column not in columns:
            raise _unknown("column", f"{key}.column", relation.column, numeric, path)
        if relation.column not in numeric:
            raise ClaimError(
                "is not a column of numbers",
                file=path,
                key=f"{key}.column",
                value=relation.column,
                allowed=numeric,
            )
    for place, column, value in _levels_named(relation):
        if column not in columns and column not in known:
            raise _unknown("column", f"{key}.{place}", column, [*columns, *known], path)
        if value not in known.get(column, [value]):
            raise _unknown("level", f"{key}.{place}.{column}", value, known[column], path)
    for column in claim.published.where:
        if column not in (*COLUMNS, *LEVELS):
            raise _unknown("column", f"{claim.id}.published.where", column, COLUMNS, path)


def _columns(table: str) -> tuple[list[str], list[str]]:
    """The columns of a tidy or derived table, and those of them that are numbers."""
    if table in DERIVED:
        return [*CELL_COLUMNS, *DERIVED[table].columns], [*DERIVED[table].numbers]
    columns = SCHEMAS[table].columns
    return [*columns], [name for name, column in columns.items() if _is_number(column)]


def _levels_named(relation: Relation) -> Iterator[tuple[str, str, Level]]:
    """Every level that a relation selects: where it stands, its column, its value."""
    selections: dict[str, Where] = {"where": relation.where}
    if isinstance(relation, Ratio):
        selections |= {"numerator": relation.numerator, "denominator": relation.denominator}
    if isinstance(relation, Below):
        selections |= {"lower": relation.lower, "upper": relation.upper}
    if isinstance(relation, Order):
        selections |= {f"terms.{index}": term for index, term in enumerate(relation.terms)}
    for place, selection in selections.items():
        for column, value in selection.items():
            yield place, column, value
    for place, lists in (("each", relation.each), ("prefer", relation.prefer)):
        for column, values in lists.items():
            for value in values:
                yield place, column, value


def _known_levels(experiment: AnyExperiment) -> dict[str, list[Level]]:
    """The levels that some tier of the experiment has, or could have, for each factor."""
    found: dict[str, set[Level]] = {}
    for tier in experiment.tiers:
        for cell in unfold(experiment, tier):
            for name, level in factors(cell).items():
                found.setdefault(name, set()).add(level)
    known: dict[str, list[Level]] = {name: sorted(found[name], key=_by_kind) for name in found}
    known |= {"backend": [*BACKENDS], "scenario": [*SCENARIOS, *NOVA_SCENARIOS]}
    if isinstance(experiment, Experiment):
        known["variation"] = [STUDY, *experiment.variations, *zones.PLACEMENTS]
    return known


def _by_kind(level: Level) -> tuple[bool, str | float]:
    return isinstance(level, str), level


def _is_number(column: pa.Column) -> bool:
    return str(column.dtype) in ("float64", "int64")


def _unknown(
    what: str, key: str, value: object, allowed: Iterable[object], path: Path
) -> ClaimError:
    names = [f"{name:g}" if isinstance(name, float) else str(name) for name in allowed]
    near = difflib.get_close_matches(str(value)[:200], names, n=1, cutoff=0.5)
    hint = f", did you mean {near[0]}?" if near else ""
    return ClaimError(f"unknown {what}{hint}", file=path, key=key, value=value, allowed=names)


def _ids(document: Any) -> list[str]:
    claims = document.get("claims") if isinstance(document, dict) else None
    if not isinstance(claims, list):
        return []
    return [
        str(claim.get("id", index)) if isinstance(claim, dict) else str(index)
        for index, claim in enumerate(claims)
    ]


def _check_kinds(document: Any, ids: list[str], path: Path) -> None:
    """Refuse an unknown kind of relation here, where the message can name those there are."""
    for claim_id, claim in zip(ids, document["claims"] if ids else [], strict=True):
        relation = claim.get("relation") if isinstance(claim, dict) else None
        kind = relation.get("kind") if isinstance(relation, dict) else None
        if isinstance(relation, dict) and (not isinstance(kind, str) or kind not in RELATIONS):
            raise _unknown("relation", f"{claim_id}.relation.kind", kind, RELATIONS, path)


def _with_id(key: str | None, ids: list[str]) -> str | None:
    """``claims[3].relation.ratio.low`` as ``C4.relation.low``: what the user wrote."""
    found = re.match(r"claims\[(\d+)\]\.?(.*)", key or "")
    if found is None:
        return key
    rest = [part for part in found[2].split(".") if part and part not in RELATIONS]
    return ".".join([ids[int(found[1])], *rest])
