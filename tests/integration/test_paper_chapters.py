"""The paper has the chapter on Nova where its run is of Nova, and else that on Keystone."""

import shutil
import subprocess
from pathlib import Path

import pytest

from discovery.evaluation.latex import macros

PAPER = Path(__file__).parents[2] / "paper"
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is missing")


@needs_latex
@pytest.mark.parametrize(
    ("numbers", "there"),
    [
        ({"experiment": "nova-2017", "nova-call-vanilla-s1-d0": "0.04"}, True),
        ({"experiment": "keystone-2018"}, False),
        ({}, False),
    ],
)
def test_the_chapter_is_there_or_not(tmp_path, numbers, there):
    for path in PAPER.glob("*.*"):
        shutil.copy(path, tmp_path)
    (tmp_path / "numbers.tex").write_text(macros(numbers), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert ("(./nova.tex" in done.stdout) == there
    assert ("(./results.tex" in done.stdout) != there
