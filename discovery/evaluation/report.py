"""The report: one self-contained page, verdicts first.

Styles and figures are inside the page; it asks no network and needs no script.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from discovery.analysis.style import NAMES
from discovery.claims.verdicts import VERDICTS
from discovery.claims.wording import bounds, effect, interval, number, published
from discovery.evaluation.archive import environments
from discovery.evaluation.claim_rows import claim_row
from discovery.evaluation.figures import Figure
from discovery.evaluation.needs import why_not_run
from discovery.evaluation.outcome import Outcome, read_outcome
from discovery.evaluation.summaries import (
    failures,
    phase_seconds,
    queries_per_iteration,
    replays,
    wan_accuracy,
)
from discovery.evaluation.words import dates
from discovery.experiment.load import load_cells, load_experiment
from discovery.experiment.studies import AnyCell
from discovery.outside import is_web_address, visible
from discovery.whole import write_whole


def write_report(experiment_folder: Path, results: Path, out: Path) -> None:
    """Write the page on the tier in ``results`` (``results/<experiment>/<tier>``) to ``out``."""
    outcome = read_outcome(results)
    page = render(experiment_folder, outcome)
    write_whole(out, page, "the report")


def environment() -> jinja2.Environment:
    """What the page is rendered with: no text in it becomes a tag, an attribute or a link."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("discovery.evaluation"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown_text,
    )
    made.filters |= {
        "number": number,
        "bounds": bounds,
        "effect": effect,
        "interval": interval,
        "published": published,
    }
    made.globals["zip"] = zip
    made.tests["web_address"] = is_web_address
    made.filters["backend"] = lambda name: NAMES.get(name, name)
    return made


def render(experiment_folder: Path, outcome: Outcome) -> str:
    """The page on ``outcome``, a run of the experiment in ``experiment_folder``."""
    tables, verdicts = outcome.tables, outcome.verdicts
    cells = tables["cells"]
    planned = load_cells(experiment_folder, verdicts.tier)
    page = (
        environment()
        .get_template("report.html.j2")
        .render(
            experiment=load_experiment(experiment_folder),
            verdicts=verdicts,
            counts={verdict: verdicts.count(verdict) for verdict in VERDICTS},
            rows=[claim_row(claim) for claim in verdicts.claims],
            cells=cells,
            scenarios=sorted({name for names in cells["scenarios"] for name in names.split(",")}),
            asked=_asked(tables),
            measured_on=dates(cells["started"]),
            figures=[_picture(figure) for figure in outcome.figures if _shown(figure)],
            missing_figures=[figure.title for figure in outcome.figures if not _shown(figure)],
            wan=_records(wan_accuracy(tables)),
            phases=phase_seconds(tables),
            queries=queries_per_iteration(tables),
            failures=_records(failures(tables)),
            replays=_records(replays(tables)),
            missing_cells=_missing_cells(planned, set(cells["cell"])),
            environments=environments(cells),
        )
    )
    return page + "\n"


def _shown_text(value: object) -> object:
    """What the template prints: what acts in a text, and does not show, is made visible."""
    if isinstance(value, Markup):
        return value
    return visible(value) if isinstance(value, str) else value


def _asked(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, int, int]]:
    """What was asked for, how often, and how many of them failed: iterations, servers of bursts."""
    return [
        (name, len(tables[name]), int(tables[name]["error"].notna().sum()))
        for name in ("iterations", "servers")
        if len(tables.get(name, ()))
    ]


def _missing_cells(planned: Iterable[AnyCell], there: set[str]) -> list[tuple[str, str]]:
    """The cells of a tier that have no result, and why."""
    cells = list(planned)
    ran = [cell for cell in cells if cell.id in there]
    return [
        (cell.id, f"not run: {why}" if why else "was to be run, and this run has no result of it")
        for cell in cells
        if cell.id not in there
        for why in [why_not_run(cell, ran)]
    ]


def _shown(figure: Figure) -> bool:
    return figure.png is not None


def _picture(figure: Figure) -> dict[str, Any]:
    """What the template needs of a figure, its PNG as a data URI."""
    content = figure.png.read_bytes() if figure.png else b""
    return {
        "title": figure.title,
        "text": figure.text,
        "wide": figure.wide,
        "uri": f"data:image/png;base64,{base64.b64encode(content).decode()}",
    }


def _records(table: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """The rows of ``table`` as plain Python values."""
    records: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return records
