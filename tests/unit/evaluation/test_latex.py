"""What is generated for the paper is LaTeX that says what the results say."""

import pytest

from discovery.evaluation.captions import CAPTIONS
from discovery.evaluation.figures import figures_in, tables_in
from discovery.evaluation.latex import escape, figure_blocks, macros, table_blocks

KEYSTONE = CAPTIONS["keystone"]


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("50 % & more_", r"50 \% \& more\_"),
        ("≤ 1.1×", r"\ensuremath{\le} 1.1\texttimes{}"),
        (r"\input{secret}", r"\textbackslash{}input\{secret\}"),
        ("naïve – 雪", "naïve -- ?"),
    ],
)
def test_no_text_of_a_result_is_a_command(text, latex):
    assert escape(text) == latex


def test_a_number_becomes_a_macro():
    assert macros({"cells": "18", "cpu": "A & B"}) == (
        "\\setresult{cells}{18}\n\\setresult{cpu}{A \\& B}\n"
    )


def test_a_key_that_would_act_is_left_out():
    keys = {"cells": "18", "x}\\input{/etc/passwd": "1", "a%": "2", "naïve": "3", "a~b": "4"}
    assert macros(keys) == "\\setresult{cells}{18}\n"


def test_a_figures_file_is_named_and_not_obeyed(tmp_path):
    (tmp_path / "x}\\write18{id}%.pdf").touch()
    figures = figures_in(tmp_path, KEYSTONE.figures)
    text = figure_blocks(figures, "appendix")
    assert "figures/x-u7d--u5c-write18-u7b-id-u7d--u25-.pdf}" in text
    assert "\\label{fig:x-u7d--u5c-write18-u7b-id-u7d--u25-}" in text
    assert "write18{" not in text


@pytest.fixture
def folder(tmp_path):
    for name in ("both-ways", "distribution-s3-high", "distribution-s3-light", "wan", "of-my-own"):
        (tmp_path / f"{name}.pdf").touch()
        (tmp_path / f"{name}.png").touch()
    return tmp_path


def test_figures_come_in_the_order_of_the_list_and_strangers_last(folder):
    found = [figure for figure in figures_in(folder, KEYSTONE.figures) if figure.png is not None]
    assert [figure.title for figure in found] == [
        "The study's statistic and ours",
        "Distribution of completion times, 3 sites, light load",
        "Distribution of completion times, 3 sites, high load",
        "Accuracy of the WAN",
        "Of my own",
    ]


def test_a_figure_that_was_not_made_is_known_by_its_title(folder):
    missing = {
        figure.title for figure in figures_in(folder, KEYSTONE.figures) if figure.png is None
    }
    made = {
        "The study's statistic and ours",
        "Distribution of completion times",
        "Accuracy of the WAN",
    }
    assert missing == {caption.title for caption in KEYSTONE.figures if not caption.optional} - made


def test_the_paper_has_the_figures_of_a_section(folder):
    figures = figures_in(folder, KEYSTONE.figures)
    text = figure_blocks(figures, "results")
    assert text.count("\\begin{figure*}") == 1
    assert "figures/both-ways.pdf" in text
    assert "figures/wan.pdf" in figure_blocks(figures, "testbed")
    appendix = figure_blocks(figures, "appendix")
    assert appendix.index("distribution-s3-light.pdf") < appendix.index("of-my-own.pdf")


def test_a_figures_title_has_its_sites_and_its_delay(tmp_path):
    for name in ("calls-s1-d0", "calls-s3-d12.5"):
        (tmp_path / f"{name}.pdf").touch()
    titles = [figure.title for figure in figures_in(tmp_path, CAPTIONS["nova"].figures)]
    assert titles[0].endswith("3 sites, 12.5 ms one way")
    assert titles[1].endswith("1 site, 0 ms one way")


def test_what_is_no_level_is_a_name_of_its_own(tmp_path):
    (tmp_path / "variation-no-sync-wait.png").touch()
    (figure,) = [one for one in figures_in(tmp_path, KEYSTONE.figures) if one.png is not None]
    assert figure.title == "Variation, no-sync-wait"


def test_a_section_without_figures_says_so(tmp_path):
    assert "No figure was made" in figure_blocks(figures_in(tmp_path, KEYSTONE.figures), "results")


def test_the_notebooks_tables_are_floats(tmp_path):
    (tmp_path / "completion-time-s3-light.tex").write_text("\\begin{tabular}{l}x\\end{tabular}\n")
    (tmp_path / "phases.tex").write_text("in the text already")
    text = table_blocks(tables_in(tmp_path, "appendix", KEYSTONE.tables))
    assert "Completion time, 3 sites, light load." in text
    assert "\\begin{tabular}{l}x\\end{tabular}" in text
    assert "already" not in text


def test_a_long_table_takes_a_page_and_is_called_what_its_longest_prefix_says(tmp_path):
    (tmp_path / "volumes.tex").write_text("row\n" * 20)
    (tmp_path / "volumes-to.tex").write_text("row\n" * 100)
    found = tables_in(tmp_path, "appendix", CAPTIONS["nova"].tables)
    assert [title for _, title, _ in found] == ["Network volume", "Network volume by destination"]
    short, long = table_blocks(found).split("\\end{table*}")[:2]
    assert "totalheight=0.42\\textheight" in short
    assert "totalheight=0.84\\textheight" in long


def test_a_table_without_rows_is_left_out(tmp_path):
    (tmp_path / "noise.tex").write_text("\\toprule\nmeasure \\\\\n\\midrule\n\\bottomrule\n")
    found = tables_in(tmp_path, "appendix", CAPTIONS["nova"].tables)
    assert table_blocks(found) == "\\notrunblock{No table was made for this tier.}\n"
