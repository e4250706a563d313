"""As many digits of a number as its interval justifies, the same on every machine.

The last digits of a mean or a slope depend on the processor: its BLAS adds in another order. So a
number is written with four significant digits at the most, with three where its interval is wide,
and with more only where it is a whole number, or where fewer would put it on the wrong side of a
limit it is held against. What is written is what is judged and shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal

MEANT = 9
"""Significant digits that all machines agree on: what is beyond them is noise of the arithmetic."""

_LEAST, _MOST = 3, 4
_NOTHING = 1e-9
"""Nothing that is judged (s, MB, shares, ratios) is as small: a remainder of what cancelled out."""


def agreed(value: float) -> float:
    """``value`` without the noise of its last digits; what is no number stays as it is."""
    if not math.isfinite(value):
        return value
    return 0.0 if abs(value) < _NOTHING else _significant(value, MEANT)


def written(value: float, low: float, high: float, limits: Sequence[float] = ()) -> float:
    """``value`` as its interval from ``low`` to ``high`` justifies it, beside ``limits``.

    That is to two digits of the interval's width, but at least three and at most four significant
    digits of its own; and to as many as it takes to be on its side of each limit, or on it. It may
    be a count, so that no digit before the point is lost. A fourth digit that is a 5 is left out:
    pages show three, and would round a number that is rounded already.
    """
    value = agreed(value)
    if not math.isfinite(value) or value == 0:
        return value
    width = agreed(high - low)
    first = _place(value)
    wide = math.isfinite(width) and width > 0
    digits = first - _place(width) + 2 if wide else _MOST
    digits = max(min(max(digits, _LEAST), _MOST), first + 1)
    if digits == _MOST > first + 1 and _last(_significant(value, _MOST), _MOST) == 5:
        digits = _LEAST
    return next(found for found in _ever_finer(value, digits) if same_side(found, value, limits))


def same_side(shown: float, meant: float, limits: Sequence[float]) -> bool:
    """Whether ``shown`` is to each of ``limits`` as ``meant`` is: below it, on it or above it."""
    return all(_side(shown, limit) == _side(meant, limit) for limit in map(agreed, limits))


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)


def _ever_finer(value: float, digits: int) -> Iterator[float]:
    for more in range(digits, MEANT):
        yield _significant(value, more)
    yield value


def _significant(value: float, digits: int) -> float:
    """``value`` to so many significant digits.

    In decimal: halves are told from what is nearly one by :func:`agreed` before, so that noise does
    not decide which way they are rounded.
    """
    context = Context(prec=digits, rounding=ROUND_HALF_EVEN)
    return float(context.create_decimal(repr(float(value))))


def _last(value: float, digits: int) -> int:
    """The last of the ``digits`` significant digits of ``value``."""
    found = Decimal(repr(value)).as_tuple().digits
    return found[digits - 1] if len(found) == digits else 0


def _place(value: float) -> int:
    """The power of ten of the first digit of ``value``, which is not 0."""
    return Decimal(repr(float(value))).adjusted()
