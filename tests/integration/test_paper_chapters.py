"""The paper has the text of its run's study, and is whole where next to nothing was measured."""

import shutil
import subprocess
from pathlib import Path

import pytest

from discovery.evaluation.latex import macros
from discovery.evaluation.paper import text_of

STUDIES = ("keystone", "nova")
PAPER = Path(__file__).parents[2] / "paper"
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is missing")


@needs_latex
@pytest.mark.parametrize(
    ("service", "numbers", "words"),
    [
        ("nova", {"nova-call-vanilla-s1-d0": "0.04"}, "Nova on a key/value store"),
        ("nova", {}, "Nova on a key/value store"),
        ("keystone", {}, "Keystone over a wide-area network"),
    ],
)
def test_the_text_is_that_of_the_study(tmp_path, service, numbers, words):
    for path in text_of(service, PAPER):
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
    text = subprocess.run(
        ["pdftotext", "paper.pdf", "-"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert words in text.replace("\n", " ")
    assert "not run" in text


def test_both_studies_say_the_same_things_each_in_its_own_words():
    keystone, nova = ({path.name for path in (PAPER / name).iterdir()} for name in STUDIES)
    assert keystone == nova
    shared = {path.name for path in PAPER.glob("*.*")}
    assert not shared & nova
    inputs = "".join(path.read_text(encoding="utf-8") for path in PAPER.glob("*.tex"))
    for name in nova:
        assert f"\\input{{{Path(name).stem}}}" in inputs
