"""Nothing that was written by others acts: on a terminal, in LaTeX, or as a link."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.evaluation.console import Terminal, styled
from discovery.outside import in_file_name, is_web_address, latex, visible

ANY = st.text(st.characters(codec=None), max_size=40) | st.text(
    st.sampled_from("\\{}$&#^_~%<>\"`'-,\n\r\t\0\x1b\x9b\u2028\u202eab é雪\udc80"), max_size=40
)
# What latex() itself writes; all else in its output must be inert.
OURS = re.compile(
    r"\\textbackslash\{\}|\\textasciicircum\{\}|\\textasciitilde\{\}|\\textless\{\}|\\textgreater\{\}"
    r"|\\textquotedbl\{\}|\\texttimes\{\}|\\textpm\{\}|\\dots\{\}|\\ensuremath\{(?:\\le|\\ge|-)\}"
    r"|\\`\{\}|\\[{}$&#_%]|(?<=[-',])\{\}"
)


@given(ANY)
def test_no_text_acts_in_latex(text):
    written = latex(text)
    rest = OURS.sub("", written)
    assert not set(rest) & set('\\{}$&#^_~%<>"`')
    assert all(sign.isprintable() or sign in "\xa0\xad" for sign in rest)
    assert all(ord(sign) < 0x180 for sign in written)


@given(ANY)
def test_latex_draws_what_was_written(text):
    """No ligature: two of a sign are never beside each other, but for the dash of a dash."""
    assert not re.search(r"''|,,|\?`|!`", latex(text))
    if "–" not in text:
        assert "--" not in latex(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (r"\write18{id}", r"\textbackslash{}write18\{id\}"),
        ("^^5cinput", r"\textasciicircum{}\textasciicircum{}5cinput"),
        ("a\n\n\\par b", r"a \textbackslash{}par b"),
        ("uv --no-deps", "uv -{}-no-deps"),
        ("100 % of $5 & ~#_", r"100 \% of \$5 \& \textasciitilde{}\#\_"),
        ("\x1b[31mred\x00", "?[31mred?"),
        ("Ħ ŉ ſ 雪", "? ? ? ?"),
    ],
)
def test_it_is_still_read_as_it_was(text, written):
    assert latex(text) == written


@given(ANY)
def test_what_is_visible_does_not_act_on_a_terminal(text):
    shown = visible(text)
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", shown
    )
    shown.encode("utf-8")
    assert shown.count("\n") == text.count("\n")


def test_ordinary_text_stays_as_it_is():
    text = "galera-s3-d50: naïve – 雪 “≥ 3”\n\t[95 %] :x: 👩‍🔬"
    assert visible(text) == text


def test_an_escape_is_seen():
    assert visible("\x1b]0;owned\x07\rdone") == r"\x1b]0;owned\x07\rdone"


@given(ANY)
def test_a_table_shows_markup_and_obeys_none(text):
    out = io.StringIO()
    terminal = Terminal()
    terminal.file = out
    terminal.print(f"[bold]{text}[/]", styled(f"[link=x]{text}", "red"), soft_wrap=True)
    shown = out.getvalue()
    assert "\x1b" not in shown
    assert "[bold]" in shown
    assert "[link=x]" in shown


@given(ANY)
def test_a_file_keeps_a_name_that_latex_can_open(name):
    assert re.fullmatch(r"[A-Za-z0-9.-]*", in_file_name(name))


def test_a_name_of_ours_stays_as_it_is():
    assert in_file_name("completion-s3-d12.5.pdf") == "completion-s3-d12.5.pdf"


@pytest.mark.parametrize("url", ["https://doi.org/10.1109/IC2E.2017.35", "http://[::1]:80/a?b#c"])
def test_addresses_of_the_web(url):
    assert is_web_address(url)


@given(ANY)
def test_only_http_and_https_are(text):
    if is_web_address(text):
        assert re.match(r"https?://[^/]", text, re.IGNORECASE)
    for scheme in ("javascript", "data", "file", "vbscript", "JaVaScRiPt"):
        assert not is_web_address(f"{scheme}:{text}")
