"""Numbers and lists as words of a sentence."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from discovery.claims.wording import number


def listed(values: Iterable[object]) -> str:
    """``a, b and c``."""
    words = [str(value) for value in values]
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def span(values: pd.Series[float]) -> str:
    """``1.2 to 3.4``, from the smallest value to the largest; once if both read the same."""
    low, high = number(float(values.min()), ""), number(float(values.max()), "")
    return low if low == high else f"{low} to {high}"


def seconds(value: float) -> str:
    """A time with its unit."""
    return number(value, "s")


def delay_words(delay: str) -> str:
    """``LAN``, or ``50 ms one way``."""
    return "LAN" if delay == "0" else f"{delay} ms one way"


def dates(started: pd.Series[str]) -> str:
    """The day on which cells were started, or the first and the last of several days."""
    first, last = str(started.min())[:10], str(started.max())[:10]
    return first if first == last else f"{first} to {last}"
