"""Sentences of the paper whose truth depends on the run, made from its tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from discovery.analysis.beside import PUBLISHED
from discovery.analysis.study_tables import THEIRS
from discovery.analysis.style import NAMES
from discovery.deploy.backends import why_not_run
from discovery.evaluation import beside_findings as beside
from discovery.evaluation import model_findings as model
from discovery.evaluation.outcome import Outcome
from discovery.evaluation.words import delay_words, listed

STUDIED = ("mariadb", "galera", "cockroachdb")
"""The back ends of the study."""


def findings(outcome: Outcome) -> dict[str, str]:
    r"""The sentences that ``outcome`` supports, by key; ``\says{name}`` prints one in the text.

    What the notebooks wrote beside their figures is what they rest on.
    """
    folder = outcome.folder / "tables"
    lan, delay, high_delay = (_read(folder / f"figure-{number}.csv") for number in (19, 23, 25))
    shares = [_read(path) for path in sorted(folder.glob("reads-s*.csv"))]
    trips = [_read(path) for path in sorted(folder.glob("round-trips-s*.csv"))]
    verdicts = {claim.id: claim.verdict for claim in outcome.verdicts.claims}
    written = {
        "absent": absent(outcome.tables["cells"]),
        "at once": at_once(outcome.tables["cells"]),
        "failures": failures(outcome.study["iterations"]),
        "reads": reads(outcome.study["queries"]),
        "reads published": reads_published(pd.concat(shares) if shares else pd.DataFrame()),
        "sizes": beside.sizes(delay),
        "lan": beside.on_a_lan(lan),
        "flat": beside.flat(delay, verdicts.get("C11")),
        "rally beside": beside.rally_beside(delay),
        "fastest light": beside.fastest(delay, "light"),
        "fastest high": beside.fastest(high_delay, "high"),
        "fastest published": beside.fastest(high_delay, "high", PUBLISHED),
        "control": beside.control(delay),
        "rome": beside.rome(delay),
        "survivors": beside.survivors(high_delay),
        "placement": beside.placement(_read(folder / "placement.csv")),
        "slopes": model.slopes(pd.concat(trips) if trips else pd.DataFrame()),
        "residuals": model.residuals(_read(folder / "residuals.csv")),
        "cut": model.cut(_read(folder / "cut-means.csv"), _read(folder / "cut-ratios.csv")),
        "cut verdicts": model.cut_verdicts(_read(folder / "both-ways.csv")),
    }
    return {f"says {name}": text for name, text in written.items() if text}


def absent(cells: pd.DataFrame) -> str | None:
    """Which of the study's back ends this run has no cell of, and why."""
    lacking = [name for name in STUDIED if name not in set(cells["backend"])]
    if not lacking:
        return None
    parts = []
    for name in lacking:
        why = why_not_run(name)
        parts.append(f"No cell ran on {NAMES[name]}{f': {why}' if why else ''}.")
    return (
        f"{' '.join(parts)} What the study says of it is not judged, and its bars stand alone in "
        "the figures."
    )


def at_once(cells: pd.DataFrame) -> str:
    """How many iterations a Rally does, how many of them at once: in most cells, then others."""
    kinds = list(cells.groupby(["times", "concurrency"]))
    (times, concurrency), usual = max(kinds, key=lambda kind: len(kind[1]))
    said = [f"Each Rally does {times} iterations of each, {concurrency} at once"]
    said += [
        f"on {listed(sorted(part['sites'].unique()))} sites under "
        f"{listed(sorted(part['load'].unique()))} load {times}, {concurrency} at once"
        for (times, concurrency), part in kinds
        if part is not usual
    ]
    return f"{'; '.join(said)}."


def failures(iterations: pd.DataFrame) -> str | None:
    """How many iterations failed, and where most of them did."""
    if iterations.empty:
        return "No iteration was run."
    failed = iterations["error"].notna()
    if not failed.any():
        return f"None of the {len(iterations):,} iterations of the study's own cells failed."
    levels = ["backend", "sites", "load", "delay", "scenario"]
    groups = iterations.assign(failed=failed).groupby(levels, as_index=False)["failed"].mean()
    many = int((groups["failed"] > beside.FEW).sum())
    worst = groups.loc[groups["failed"].idxmax()]
    return (
        f"{int(failed.sum()):,} of the {len(iterations):,} iterations of the study's own cells "
        f"failed, most of all those of {worst['scenario']} on {NAMES[worst['backend']]} "
        f"({worst['sites']} sites, {delay_words(worst['delay'])}, {worst['load']} load: "
        f"{100 * worst['failed']:.0f} %). In {many} of {len(groups)} groups more "
        "than a tenth did; there the times of the others decide nothing."
    )


def reads(queries: pd.DataFrame) -> str | None:
    """What share of the statements on rows read, over scenarios and back ends that tell."""
    known = queries[queries["read_share"].notna() & (queries["iterations"] > 0)]
    if known.empty:
        return "No server of this run counted its reads apart from its writes."
    shares = known.groupby(["backend", "scenario"])["read_share"].mean().mul(100)
    return (
        f"Of the statements that read or write rows, {shares.min():.1f} to {shares.max():.1f} % "
        f"read, over the scenarios and {known['backend'].nunique()} back ends that tell them apart."
    )


def reads_published(shares: pd.DataFrame) -> str | None:
    """What the study printed of the same."""
    if shares.empty:
        return None
    theirs = shares.loc[shares["backend"] == THEIRS, "read_share"].mul(100)
    return (
        f"The study counted {theirs.min():.1f} to {theirs.max():.1f} % over its scenarios, with "
        "what Rally's context creates and deletes."
    )


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()
