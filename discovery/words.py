"""Counts as words of a sentence."""

from __future__ import annotations


def counted(number: int, one: str, more: str | None = None) -> str:
    """``1 table``, ``1,200 tables``; ``more`` is the plural where it is not ``one`` with an s."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"
