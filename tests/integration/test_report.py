"""The page and the paper, made from a generated study and looked at as a reader would.

The study's numbers come from the tests' generator of raw cells; they are no results.
"""

import dataclasses
import html
import itertools
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from pydantic import BaseModel

from discovery.analysis.style import save
from discovery.claims.judge import judge_folder
from discovery.claims.verdicts import write_verdicts
from discovery.errors import ConfigError, MachineError, ResultError
from discovery.evaluation import latex
from discovery.evaluation.outcome import read_outcome
from discovery.evaluation.paper import build_paper
from discovery.evaluation.report import environment, render, write_report
from discovery.results.tidy import tidy
from tests.raw.cells import write_study

ROOT = Path(__file__).parents[2]
KEYSTONE_2018 = ROOT / "experiments" / "keystone-2018"
SCENARIOS = ["authenticate-user-and-validate-token", "create-user-update-password"]
CHROMIUM = [
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Those that the paper's text speaks of.
NAMED = (
    *(f"figure-{number}" for number in (19, 21, 23, 25)), "placement", "model-s3", "both-ways",
)  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder as the workflow leaves it, with a cell that broke and some figures."""
    folder = tmp_path_factory.mktemp("results") / "laptop"
    raw = write_study(folder / "raw", scenarios=SCENARIOS, broken=["galera-s3-d150-high-r1"])
    tidy(raw, folder / "tidy")
    verdicts = judge_folder(KEYSTONE_2018, folder / "tidy")
    write_verdicts(verdicts, folder / "claims.json")
    for name in ("completion-time-s3-light", "wan", *NAMED):
        figure = Figure(figsize=(7.0, 3.0))
        figure.subplots().plot([0, 1], [0, 1])
        save(figure, folder, name)
    (folder / "tables").mkdir()
    for name in ("both-ways.tex", "round-trips-s3-light.tex"):
        (folder / "tables" / name).write_text("\\begin{tabular}{l}1\\end{tabular}\n")
    return folder


@pytest.fixture(scope="module")
def page(results):
    out = results / "report" / "index.html"
    write_report(KEYSTONE_2018, results, out)
    assert [path.name for path in out.parent.iterdir()] == ["index.html"]
    return out.read_text(encoding="utf-8")


class Links(HTMLParser):
    """What a browser would load, and the ids there are."""

    def __init__(self):
        super().__init__()
        self.loaded, self.ids, self.anchors, self.tags = [], set(), set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for key, value in attrs:
            if key in ("src", "srcset", "data", "poster") or (tag == "link" and key == "href"):
                self.loaded.append(value)
            if key == "id":
                self.ids.add(value)
            if tag == "a" and key == "href" and value.startswith("#"):
                self.anchors.add(value[1:])


def test_the_page_loads_nothing_and_runs_nothing(page):
    links = Links()
    links.feed(page)
    assert links.loaded
    assert all(value.startswith("data:image/png;base64,") for value in links.loaded)
    assert not {"script", "link", "iframe"} & set(links.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert links.anchors <= links.ids


def test_the_page_has_verdicts_before_all_else(page):
    sections = re.findall(r'<section id="([a-z-]+)">', page)
    assert sections == [
        "verdicts",
        "figures",
        "wan",
        "phases",
        "queries",
        "failures",
        "not-run",
        "environment",
    ]


def test_the_page_tells_what_failed_and_what_was_not_run(page):
    assert "galera-s3-d150-high-r1" in page
    assert "no token from site-2 in 60 s" in page
    assert "CockroachDB&#39;s place is that of C10" in page
    assert "tier laptop has no cell with 45 sites" in page
    assert "“Resources”" in page  # a figure that was not made
    assert " iterations (" in page


def test_the_page_has_the_environment(page):
    for fact in ("keystone 30.0.0", "forwarder", "6.1.0", "c0ffee", "000000000000"):
        assert fact in page


def contrast(first, second):
    """The contrast of two colours as WCAG 2 defines it, from 1 to 21."""

    def luminance(colour):
        parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_text_has_contrast_in_light_and_dark(page):
    schemes = re.findall(r":root \{(.+?)\}", page, re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", scheme))
        texts = set(colours) - {"paper", "soft", "line"}
        assert {"ink", "muted", "supported", "contradicted", "inconclusive"} <= texts
        for text, ground in itertools.product(texts, ("paper", "soft")):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def chromium(page, width, tmp_path):
    """The DOM that Chromium makes of a frame of ``width`` pixels with ``page`` in it."""
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(
        f'<body><iframe id="f" style="width:{width}px;height:900px;border:0"'
        f' srcdoc="{html.escape(page)}"></iframe><p id="out"></p><script>'
        "window.onload = () => { const d = document.getElementById('f').contentDocument;"
        "document.querySelectorAll('details').forEach(e => e.open = true);"
        "d.querySelectorAll('details').forEach(e => e.open = true);"
        "const root = d.documentElement;"
        "const broken = [...d.images].filter(i => !i.complete || !i.naturalWidth).length;"
        "document.getElementById('out').textContent ="
        "`width ${root.scrollWidth} of ${root.clientWidth}, ${broken} broken images`; }"
        "</script></body>",
        encoding="utf-8",
    )
    command = [*CHROMIUM, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1000"]
    done = subprocess.run(
        [*command, "--dump-dom", wrapper.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_does_not_scroll_sideways(page, width, tmp_path):
    found = re.search(r"width (\d+) of (\d+), (\d+) broken", chromium(page, width, tmp_path))
    assert found
    needed, there, broken = map(int, found.groups())
    assert there <= width
    assert needed <= there
    assert broken == 0


@pytest.mark.parametrize(
    ("key", "other", "named"),
    [("tier", "smoke", "judges tier smoke"), ("stamp", "0" * 64, "are 000000000000… and ")],
)
def test_verdicts_on_other_tables_are_refused(results, tmp_path, key, other, named):
    shutil.copytree(results / "tidy", tmp_path / "tidy")
    verdicts = json.loads((results / "claims.json").read_text(encoding="utf-8"))
    (tmp_path / "claims.json").write_text(json.dumps({**verdicts, key: other}), encoding="utf-8")
    with pytest.raises(ResultError, match=f"{named}.*judge the claims again"):
        write_report(KEYSTONE_2018, tmp_path, tmp_path / "index.html")
    assert not (tmp_path / "index.html").exists()


@pytest.fixture(scope="module")
def paper(results):
    out = results / "paper.pdf"
    build_paper(results, out, ROOT / "paper")
    return out


def text_of(pdf):
    done = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


def test_the_paper_has_its_sections_and_the_runs_numbers(paper, results):
    text = text_of(paper)
    for heading in (
        "Method",
        "Accuracy of the testbed",
        "Results",
        "Claims",
        "Threats",
        "Artifact",
    ):
        assert heading in text
    assert "Each of 3 sites" in text
    assert "The run has 18 cells, of which 1 broke" in text
    assert "contradicted" in text
    assert "[6]" in text  # the bibliography was resolved
    log = (results / "paper" / "paper.log").read_text(encoding="utf-8", errors="replace")
    last = log[log.rindex("This is pdfTeX, Version") :]
    assert "undefined" not in last
    assert "Overfull \\hbox" not in last


def test_the_same_results_give_the_same_paper(paper, results, tmp_path):
    build_paper(results, tmp_path / "again.pdf", ROOT / "paper")
    assert (tmp_path / "again.pdf").read_bytes() == paper.read_bytes()


def test_a_number_that_is_missing_reads_not_run(results, tmp_path):
    sources = tmp_path / "paper"
    shutil.copytree(ROOT / "paper", sources)
    (sources / "keystone" / "introduction.tex").write_text("Marker: \\result{no such number}.\n")
    build_paper(results, tmp_path / "paper.pdf", sources)
    assert "Marker: not run." in text_of(tmp_path / "paper.pdf")


def test_a_mistake_in_the_text_is_told_with_file_and_line(results, tmp_path):
    sources = tmp_path / "paper"
    shutil.copytree(ROOT / "paper", sources)
    (sources / "keystone" / "method.tex").write_text("One line.\n\\nosuchcommand\n")
    with pytest.raises(ConfigError, match=r"method\.tex: line 2: Undefined control sequence"):
        build_paper(results, tmp_path / "paper.pdf", sources)
    assert not (tmp_path / "paper.pdf").exists()


def test_without_latex_the_way_to_get_it_is_told(results, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="apt-get install latexmk"):
        build_paper(results, tmp_path / "paper.pdf", ROOT / "paper")


# A run whose every text was written by an enemy: it is shown, and never obeyed.
HOSTILE = (
    "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    "\x1b[31m\\write18{id}\\input{/etc/passwd}%$&#_^^5c~\n\nħ雪"
)
WORDS = ("title", "statement", "source", "why", "at", "flaw", "difference", "label", "authors")


class Elements(HTMLParser):
    """Every tag with the names of its attributes, and where links lead."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value for name, value in attrs if name in ("href", "src")]


def worse(value, key=""):
    """``value`` with every text in it, that may be any text, made hostile."""
    if isinstance(value, BaseModel):
        changed = {name: worse(getattr(value, name), name) for name in type(value).model_fields}
        return value.model_copy(update=changed)
    if isinstance(value, tuple):
        return tuple(worse(item, key) for item in value)
    return f"{value}{HOSTILE}" if isinstance(value, str) and key in WORDS else value


@pytest.fixture(scope="module")
def outcome(results):
    return read_outcome(results)


@pytest.fixture(scope="module")
def attacked(outcome):
    cells = outcome.tables["cells"].copy()
    cells["packages"] = '{"a<b>": "<script>1</script>"}'
    for column in ("commit", "image", "provider", "cpu", "kernel"):
        cells[column] = HOSTILE
    study = worse(outcome.verdicts.study).model_copy(update={"url": "javascript:alert(1)"})
    verdicts = worse(outcome.verdicts).model_copy(update={"study": study})
    return dataclasses.replace(
        outcome, tables={**outcome.tables, "cells": cells}, verdicts=verdicts
    )


def test_the_page_has_the_tags_of_a_friendly_one(outcome, attacked):
    page = render(KEYSTONE_2018, attacked)
    found = Elements(page)
    assert set(found.tags) <= set(Elements(render(KEYSTONE_2018, outcome)).tags)
    assert "script" not in {tag for tag, _ in found.tags}
    assert all(re.match(r"#|https?://|data:image/png;", link) for link in found.links)
    assert "&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    assert "\x1b" not in page
    assert "default-src 'none'" in page


def test_the_page_of_a_tier_without_a_verdict_says_that_it_is_no_fault(outcome):
    claims = [
        claim.model_copy(update={"verdict": "not run", "parts": ()})
        for claim in outcome.verdicts.claims
    ]
    verdicts = outcome.verdicts.model_copy(update={"claims": tuple(claims)})
    said = "No claim can be judged on the cells of this tier"
    assert said in render(KEYSTONE_2018, dataclasses.replace(outcome, verdicts=verdicts))
    assert said not in render(KEYSTONE_2018, outcome)


@given(st.text(max_size=40))
def test_no_text_leaves_its_place_in_a_page(text):
    template = '<p><a href="#x" title="{{ text }}">{{ text }}</a><i data-x="{{ text }}"></i></p>'
    found = Elements(environment().from_string(template).render(text=text))
    assert found.tags == [("p", ()), ("a", ("href", "title")), ("i", ("data-x",))]
    assert found.links == ["#x"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is missing")
def test_the_paper_sets_every_text_and_runs_none(attacked, tmp_path):
    everything = "".join(map(chr, range(0x250)))
    paper = (ROOT / "paper" / "paper.tex").read_text(encoding="utf-8")
    body = [
        latex.macros({"cpu": HOSTILE}),
        r"\begin{document}\result{cpu}\par",
        latex.escape(everything),
        r"\onecolumn",
        latex.judged_table(attacked.verdicts),
        latex.not_run_table(attacked.verdicts),
        r"\end{document}",
    ]
    text = paper.split(r"\generated{numbers}")[0] + "\n".join(body)
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1500:]
    shown = subprocess.run(
        ["pdftotext", "-raw", "t.pdf", "-"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert r"\write18{id}\input{/etc/passwd}" in "".join(shown.split())
    assert "root:" not in shown
