"""The generated LaTeX of the paper: numbers as macros, figures, and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from discovery.analysis.style import NAMES
from discovery.claims.verdicts import Verdicts
from discovery.evaluation.captions import Section
from discovery.evaluation.claim_rows import claim_row
from discovery.evaluation.figures import Figure
from discovery.evaluation.outcome import Outcome
from discovery.evaluation.summaries import phase_seconds, queries_per_iteration, wan_accuracy
from discovery.outside import in_file_name
from discovery.outside import latex as escape

_KEY = re.compile(r"[\w .,:;+()/'=<>@*-]+", re.ASCII)


_LONG = 60
"""Lines of a table that takes a page of its own."""


def macros(numbers: Mapping[str, str]) -> str:
    r"""``\setresult{key}{value}`` for every number; ``\result{key}`` prints it in the text.

    A key that no text can name, since something in it would act, is left out.
    """
    lines = [
        f"\\setresult{{{key}}}{{{escape(value)}}}"
        for key, value in sorted(numbers.items())
        if _KEY.fullmatch(key)
    ]
    return "\n".join(lines) + "\n"


def figure_blocks(figures: Iterable[Figure], section: Section) -> str:
    """A float for every figure of ``section`` that was made, at its own size where it fits."""
    blocks = []
    for figure in figures:
        if figure.pdf is None or figure.section != section:
            continue
        kind = "figure*" if figure.wide else "figure"
        blocks.append(
            f"\\begin{{{kind}}}[htbp]\n\\centering\n"
            "\\begin{adjustbox}{max width=\\linewidth,max totalheight=0.84\\textheight}\n"
            f"\\includegraphics{{figures/{in_file_name(figure.pdf.name)}}}\n\\end{{adjustbox}}\n"
            f"\\caption{{\\textbf{{{escape(figure.title)}.}} {escape(figure.text)}}}\n"
            f"\\label{{fig:{in_file_name(figure.name)}}}\n\\end{{{kind}}}\n"
        )
    return "\n".join(blocks) or "\\notrunblock{No figure was made for this tier.}\n"


def table_blocks(tables: Iterable[tuple[Path, str, str]]) -> str:
    """A float for every table that the notebooks made, at most as large as the page."""
    blocks = [
        "\\begin{table*}[htbp]\n\\centering\n"
        f"\\caption{{\\textbf{{{escape(title)}.}} {escape(text)}}}\n"
        f"\\label{{tab:{in_file_name(path.stem)}}}\n"
        f"\\begin{{adjustbox}}{{max width=0.95\\textwidth,max totalheight={_height(shown)}}}\n"
        f"{shown.strip()}\n"
        "\\end{adjustbox}\n\\end{table*}\n"
        for path, title, text in tables
        for shown in [path.read_text(encoding="utf-8")]
    ]
    return "\n".join(blocks) or "\\notrunblock{No table was made for this tier.}\n"


def _height(shown: str) -> str:
    """Half a page; a whole one for what nobody could read on half of one."""
    return "0.42\\textheight" if shown.count("\n") < _LONG else "0.84\\textheight"


def judged_table(verdicts: Verdicts) -> str:
    """The claims that were judged: asked, published, measured with its interval, n, verdict."""
    rows = []
    for row in map(claim_row, verdicts.claims):
        claim = row.claim
        if claim.verdict == "not run":
            continue
        places = [row.at, *([row.part, f"{row.parts} parts"] if row.parts else [])]
        where = f" ({'; '.join(filter(None, places))})" if any(places) else ""
        what = f"{row.effect}{where}" if row.effect else claim.why
        rows.append(
            [
                escape(claim.id),
                f"{escape(claim.title)}. {{\\color{{muted}}{escape(what)}}}",
                escape(row.asked),
                escape(row.published),
                f"{escape(row.measured)} {escape(row.interval)}".strip(),
                f"{claim.n}/{claim.failures}",
                f"\\verdict{{{claim.verdict}}}",
            ]
        )
    return _table(
        "@{}lXllllr@{}",
        [
            "",
            "Claim and effect",
            "Asked",
            "Published",
            "Measured [95\\,\\%]",
            "$n$/fail.",
            "Verdict",
        ],
        rows,
    )


def not_run_table(verdicts: Verdicts) -> str:
    """The claims that were not run, and why."""
    rows = [
        [escape(claim.id), escape(claim.title), escape(claim.why)]
        for claim in verdicts.claims
        if claim.verdict == "not run"
    ]
    return _table("@{}lXX@{}", ["", "Claim", "Why it was not run"], rows)


def wan_table(outcome: Outcome) -> str:
    """Round trips asked for and measured."""
    rows = [
        [
            f"{row.asked_rtt_ms:g}",
            f"{row.median_rtt_ms:.2f}",
            f"{row.worst_error_ms:.2f}",
            f"{row.measurements}",
            f"{row.lost}/{row.sent}",
        ]
        for row in wan_accuracy(outcome.tables).itertuples()
    ]
    heads = ["Asked (ms)", "Median (ms)", "Worst error (ms)", "Measurements", "Lost"]
    return _plain_table("rrrrr", heads, rows)


def phases_table(outcome: Outcome) -> str:
    """Median seconds of the phases of a cell, by back end."""
    phases = phase_seconds(outcome.tables).T
    rows = [
        [escape(str(phase))] + [_cell(value, 1) for value in values]
        for phase, values in zip(phases.index, phases.to_numpy(), strict=True)
    ]
    return _plain_table("l" + "r" * len(phases.columns), _backend_heads(phases.columns), rows)


def queries_table(outcome: Outcome) -> str:
    """Queries per iteration by scenario and back end."""
    queries = queries_per_iteration(outcome.study)
    rows = [
        [escape(str(scenario))] + [_cell(value, 1) for value in values]
        for scenario, values in zip(queries.index, queries.to_numpy(), strict=True)
    ]
    return _plain_table("l" + "r" * len(queries.columns), _backend_heads(queries.columns), rows)


def _backend_heads(names: Iterable[object]) -> list[str]:
    return ["", *(escape(NAMES.get(str(name), str(name))) for name in names)]


def _cell(value: float, digits: int) -> str:
    return "--" if value != value else f"{value:.{digits}f}"  # noqa: PLR0124  (NaN is not itself)


def _table(columns: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as wide as the text around it; ``X`` columns take the room that is left."""
    return _tabular(f"\\begin{{tabularx}}{{\\linewidth}}{{{columns}}}", "tabularx", heads, rows)


def _plain_table(columns: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of its natural width, shrunk where the column is narrower."""
    begin = (
        f"\\begin{{adjustbox}}{{max width=\\linewidth}}\n\\begin{{tabular}}{{@{{}}{columns}@{{}}}}"
    )
    text = _tabular(begin, "tabular", heads, rows)
    return text.rstrip("\n") + "\n\\end{adjustbox}\n" if rows else text


def _tabular(begin: str, kind: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "\\notrun\n"
    lines = [begin, "\\toprule", " & ".join(heads) + r" \\", "\\midrule"]
    lines += [" & ".join(row) + r" \\" for row in rows]
    return "\n".join([*lines, "\\bottomrule", f"\\end{{{kind}}}"]) + "\n"
