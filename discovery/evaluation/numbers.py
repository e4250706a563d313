"""Every number that the paper's text names, by key, as text; made from a run's own tables."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import starmap
from pathlib import Path

import pandas as pd

from discovery.analysis.summary import completion
from discovery.claims.verdicts import VERDICTS, Judgement
from discovery.claims.wording import effect, interval, number, published
from discovery.evaluation.outcome import Outcome
from discovery.evaluation.summaries import phase_seconds, queries_per_iteration, wan_accuracy
from discovery.evaluation.words import dates, listed
from discovery.experiment.delays import is_uniform
from discovery.experiment.grids import STUDY

AUTHENTICATE = "authenticate-user-and-validate-token"


def numbers(outcome: Outcome) -> dict[str, str]:
    """The numbers of ``outcome``; what it cannot give has no key, and reads "not run"."""
    return {
        **_of_notebooks(outcome.folder / "tables"),
        **_design(outcome.tables["cells"]),
        **_size(outcome),
        **_environment(outcome.tables["cells"]),
        **_wan(outcome),
        **_zones(outcome),
        **_times(outcome),
        **_verdicts(outcome.verdicts.claims),
    }


def _of_notebooks(folder: Path) -> dict[str, str]:
    """What the notebooks computed for prose: ``mean-s3-light-…`` and the like."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        for key, entry in json.loads(path.read_text(encoding="utf-8")).items():
            found[key] = number(entry["value"], "")
    return found


def _design(cells: pd.DataFrame) -> dict[str, str]:
    scenarios = {name for names in cells["scenarios"] for name in names.split(",")}
    alike = cells[cells["delay"].map(is_uniform)]  # what a matrix has on average is no delay
    delays = sorted(alike["one_way_delay_ms"].unique())
    own = cells[cells["variation"] == STUDY]
    own = cells if own.empty else own
    return {
        "experiment": cells["experiment"].iloc[0],
        "tier": cells["tier"].iloc[0],
        "backends": str(cells["backend"].nunique()),
        "sites": listed(sorted(cells["sites"].unique())),
        "most sites": str(cells["sites"].max()),
        "delays": listed(f"{delay:g}" for delay in delays),
        "round trips": listed(f"{2 * delay:g}" for delay in delays),
        "loads": listed(sorted(cells["load"].unique(), reverse=True)),
        "scenarios": str(len(scenarios)),
        "repetitions": str(cells["repetition"].nunique()),
        "times": listed(sorted(cells["times"].unique())),
        "cache": listed(sorted(own["keystone_cache"].unique())),
        "bcrypt rounds": listed(sorted(own["keystone_bcrypt_rounds"].unique())),
        "processes": listed(sorted(own["keystone_processes"].unique())),
        "threads": listed(sorted(own["keystone_threads"].unique())),
    }


def _size(outcome: Outcome) -> dict[str, str]:
    cells, iterations = outcome.tables["cells"], outcome.tables["iterations"]
    queries = outcome.tables["queries"]["queries"].sum()
    return {
        "cells": str(len(cells)),
        "failed cells": str(int((cells["status"] == "failed").sum())),
        "iterations": f"{len(iterations):,}",
        "failed iterations": f"{int(iterations['error'].notna().sum()):,}",
        "queries": f"{queries:,.0f}",
        "date": dates(cells["started"]),
    }


def _environment(cells: pd.DataFrame) -> dict[str, str]:
    in_time = cells.sort_values("started")
    newest = in_time.iloc[-1]
    wans = [name for name in in_time["wan"].unique() if name != "none"]
    packages: dict[str, str] = json.loads(newest["packages"])
    return {
        "commit": listed(dict.fromkeys(starmap(_commit, in_time[["commit", "dirty"]].to_numpy()))),
        "image": listed(dict.fromkeys(str(image)[:12] for image in in_time["image"])),
        "provider": newest["provider"],
        "wan back end": listed(wans or ["none"]),
        "kernel": listed(in_time["kernel"].unique()),
        "cpu": newest["cpu"],
        "cores": str(newest["cores"]),
        "memory": f"{newest['memory_mb'] / 1000:.0f}",
        **{f"version {name}": version for name, version in packages.items()},
    }


def _commit(commit: object, dirty: object) -> str:
    known = commit[:10] if isinstance(commit, str) else "unknown"
    return f"{known} with changes" if dirty else known


def _wan(outcome: Outcome) -> dict[str, str]:
    accuracy = wan_accuracy(outcome.tables)
    if accuracy.empty:
        return {}
    return {
        "wan measurements": f"{int(accuracy['measurements'].sum()):,}",
        "wan worst error": f"{accuracy['worst_error_ms'].max():.2f}",
        "wan probes": f"{int(accuracy['sent'].sum()):,}",
        "wan lost": f"{int(accuracy['lost'].sum()):,}",
    }


def _zones(outcome: Outcome) -> dict[str, str]:
    """Sites in groups: a sentence with the one-way delays that their round trips were asked for."""
    wan = outcome.tables["wan"]
    grouped = wan[~wan["delay"].map(is_uniform) & wan["asked_rtt_ms"].notna()]
    if grouped.empty:
        return {}
    near, far = grouped["asked_rtt_ms"].min() / 2, grouped["asked_rtt_ms"].max() / 2
    count = grouped["cell"].nunique()
    return {
        "says zones": f"{count} cell{' has its' if count == 1 else 's have their'} sites in groups "
        f"instead: from {near:g} ms one way inside a group to {far:g} ms between groups."
    }


def _times(outcome: Outcome) -> dict[str, str]:
    found: dict[str, str] = {}
    phases = phase_seconds(outcome.tables)
    for phase in phases.columns:
        found |= {f"{phase} {backend}": f"{s:.1f}" for backend, s in phases[phase].items()}
    queries = queries_per_iteration(outcome.study)
    queries = queries.loc[queries.index == AUTHENTICATE]
    for backend in queries.columns:
        found |= {f"queries {backend}": f"{value:.1f}" for value in queries[backend].dropna()}
    iterations = completion(outcome.study)
    light = iterations[
        (iterations["scenario"] == AUTHENTICATE)
        & (iterations["load"] == "light")
        & iterations["error"].isna()
    ]
    longest = light["one_way_delay_ms"].max()
    for name, delay in (("lan", 0.0), ("wan", longest)):
        means = light[light["one_way_delay_ms"] == delay].groupby("backend")["actions_s"].mean()
        found |= {f"authenticate {name} {backend}": f"{s:.3g}" for backend, s in means.items()}
    if longest > 0:
        found["longest delay"] = f"{longest:g}"
    return found


def _verdicts(claims: Iterable[Judgement]) -> dict[str, str]:
    judged = list(claims)
    found = {"claims": str(len(judged))}
    for verdict in VERDICTS:
        found[f"claims {verdict}"] = str(sum(claim.verdict == verdict for claim in judged))
    for claim in judged:
        found[f"verdict {claim.id}"] = claim.verdict
        effects = [judged for part in claim.parts for judged in part.effects]
        if effects:
            first = effects[0]
            without_unit = first.model_copy(update={"unit": ""})
            found[f"effect {claim.id}"] = effect(without_unit)
            found[f"interval {claim.id}"] = interval(first)
            if first.published is not None:
                found[f"published {claim.id}"] = published(without_unit)
    return found
