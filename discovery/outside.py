"""Text from outside (files, nodes, archives, package names): shown, and never obeyed.

Nothing of it becomes a control sequence of a terminal, a command of LaTeX, or an active link.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

_SCHEMES = ("http", "https")

# A line may end and be indented; everything else of these can act on a terminal, or show a text in
# another order than it is read in.
_PLAIN = "\n\t"
_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ACTS = ("Cc", "Cs", "Zl", "Zp")

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "^": r"\textasciicircum{}",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "%": r"\%",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    '"': r"\textquotedbl{}",
    "`": r"\`{}",
    "×": r"\texttimes{}",
    "≤": r"\ensuremath{\le}",
    "≥": r"\ensuremath{\ge}",
    "±": r"\textpm{}",
    "…": r"\dots{}",
    "–": "--",
    "−": r"\ensuremath{-}",
}
_BEYOND_FONTS = 0x180
_NOT_IN_FONTS = frozenset("ĦħĸĿŀŉŦŧſ")  # of what is below it
_LIGATES = "-',"  # with their like: to dashes and quotation marks
_BREAKS = re.compile("[ \t\n\r\f\v\x1c-\x1f\x85\u2028\u2029]+")
_FOR_A_NAME = re.compile(r"[^A-Za-z0-9.-]")


def visible(text: str) -> str:
    r"""``text`` with every character that acts, and does not show, written as ``\x1b`` or the like.

    Ends of lines and tabs stay.
    """
    return "".join(
        sign.encode("unicode_escape").decode("ascii") if _acts(sign) else sign for sign in text
    )


def latex(text: str) -> str:
    """``text`` as LaTeX; a character that no font of the paper has becomes a question mark.

    No two characters are drawn as another one, and all white space is one space.
    """
    written, last = [], ""
    for sign in _BREAKS.sub(" ", text):
        if sign == last and sign in _LIGATES:
            written.append("{}")
        written.append(_LATEX.get(sign, sign if _has_glyph(sign) else "?"))
        last = sign
    return "".join(written)


def in_file_name(name: str) -> str:
    """``name`` as LaTeX may open it and refer to it: what is no letter, digit, dot or hyphen, goes.

    Names that differ stay different.
    """
    return _FOR_A_NAME.sub(lambda sign: f"-u{ord(sign[0]):x}-", name)


def is_web_address(text: str) -> bool:
    """Whether ``text`` is an http or https address of some host, and nothing else beside it."""
    if any(_acts(sign) or sign.isspace() for sign in text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in _SCHEMES and bool(parts.hostname)
    except ValueError:
        return False


def _acts(sign: str) -> bool:
    return sign not in _PLAIN and (unicodedata.category(sign) in _ACTS or sign in _TURNS)


def _has_glyph(sign: str) -> bool:
    return ord(sign) < _BEYOND_FONTS and not _acts(sign) and sign not in _NOT_IN_FONTS
