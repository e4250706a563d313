"""Building the paper: our text, every number generated from a run, set by latexmk.

What the text names and the run cannot give reads "not run"; it never stops the build.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

from discovery.errors import ConfigError, MachineError
from discovery.evaluation import latex
from discovery.evaluation.figures import tables_in
from discovery.evaluation.findings import findings
from discovery.evaluation.numbers import numbers
from discovery.evaluation.outcome import Outcome, read_outcome
from discovery.outside import in_file_name
from discovery.storage import has_room, unusable
from discovery.whole import whole_file, write_whole

MAIN = "paper.tex"
TIMEOUT_S = 300
# TeX reads and writes below its own folder (and its own distribution), whatever a text asks for.
_CONFINED = {"openin_any": "p", "openout_any": "p"}


def build_paper(results: Path, out: Path, sources: Path = Path("paper")) -> None:
    """Write the paper on what is in ``results`` (``results/<experiment>/<tier>``) to ``out``, PDF.

    What was generated, and LaTeX's log, stay in ``results/paper``. Without LaTeX this is a
    :class:`~discovery.errors.MachineError`, and a mistake in the text a
    :class:`~discovery.errors.ConfigError` with file and line.
    """
    if shutil.which("latexmk") is None or shutil.which("pdflatex") is None:
        raise MachineError(
            "LaTeX is missing, which sets the paper; "
            "get it with: apt-get install latexmk texlive-latex-extra texlive-fonts-recommended"
        )
    if not (sources / MAIN).is_file():
        raise ConfigError("no such file; run this at the top of a checkout", file=sources / MAIN)
    outcome = read_outcome(results)
    generated = write_generated(outcome, results / "paper")
    with tempfile.TemporaryDirectory(prefix="paper-") as scratch:
        folder = Path(scratch)
        for path in [*text_of(outcome.service, sources), *generated]:
            shutil.copy(path, folder)
        (folder / "figures").mkdir()
        for figure in outcome.figures:
            if figure.pdf is not None:
                shutil.copy(figure.pdf, folder / "figures" / in_file_name(figure.pdf.name))
        _set(folder, outcome, sources, results / "paper" / "paper.log")
        with whole_file(out, "the paper") as partial:
            shutil.copyfile(folder / "paper.pdf", partial)


def text_of(service: str, sources: Path) -> list[Path]:
    """The files of the paper's text: what all studies share, and what is said of ``service``'s."""
    return [*sources.glob("*.*"), *(sources / service).glob("*.*")]


def write_generated(outcome: Outcome, folder: Path) -> list[Path]:
    """Write the generated LaTeX of ``outcome`` into ``folder``; the files written."""
    made, captions = outcome.folder / "tables", outcome.captions.tables
    texts = {
        "numbers": latex.macros({**numbers(outcome), **findings(outcome)}),
        "figures-testbed": latex.figure_blocks(outcome.figures, "testbed"),
        "figures-results": latex.figure_blocks(outcome.figures, "results"),
        "figures-appendix": latex.figure_blocks(outcome.figures, "appendix"),
        "tables-results": latex.table_blocks(tables_in(made, "results", captions)),
        "tables-appendix": latex.table_blocks(tables_in(made, "appendix", captions)),
        "table-judged": latex.judged_table(outcome.verdicts),
        "table-not-run": latex.not_run_table(outcome.verdicts),
        "table-wan": latex.wan_table(outcome),
        "table-phases": latex.phases_table(outcome),
        "table-queries": latex.queries_table(outcome),
    }
    paths = []
    for name, text in texts.items():
        path = folder / f"{name}.tex"
        write_whole(path, text, "the paper's numbers and tables")
        paths.append(path)
    return paths


def _set(folder: Path, outcome: Outcome, sources: Path, log: Path) -> None:
    """Run latexmk in ``folder``; keep its log, whatever comes of it."""
    # LaTeX's clock stands at the start of the run, so that the same results give the same PDF.
    started = datetime.fromisoformat(outcome.tables["cells"]["started"].max())
    clock = {"SOURCE_DATE_EPOCH": f"{started.timestamp():.0f}", "FORCE_SOURCE_DATE": "1"}
    command = [
        "latexmk",
        "-norc",
        "-pdf",
        "-latexoption=-no-shell-escape",
        "-interaction=nonstopmode",
        "-halt-on-error",
        "-file-line-error",
        MAIN,
    ]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **clock, **_CONFINED, "max_print_line": "1000"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"LaTeX did not end in {TIMEOUT_S} s", file=sources / MAIN) from None
    found = folder / "paper.log"
    text = found.read_text(encoding="utf-8", errors="replace") if found.is_file() else ""
    write_whole(log, text + "\n" + done.stdout + done.stderr, "LaTeX's log")
    if done.returncode != 0 and not has_room(folder):
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise unusable(full, folder, "setting the paper", "no paper was written")
    if done.returncode != 0:
        problem = re.search(r"^(?:\./)?([\w.-]+\.\w+):(\d+): (.+)$", text, re.MULTILINE)
        if problem is None:
            raise ConfigError(f"LaTeX failed; its log is {log}", file=sources / MAIN)
        written = [path for path in text_of(outcome.service, sources) if path.name == problem[1]]
        raise ConfigError(
            f"line {problem[2]}: {problem[3]} LaTeX's log is {log}",
            file=written[0] if written else folder / problem[1],
        )
