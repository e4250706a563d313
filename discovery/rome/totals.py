"""How many rows each table has and what they add up to: by that, one that is lost is noticed.

A commit adds to the totals what its rows add: certification guarantees the rows that it took away.
Redis only adds, and counts the rows that its hashes hold before it writes to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

from discovery.rome.store import mapping

SUMS_END = 2**52
"""Sums go round here: Redis' Lua adds two of them exactly."""


class Total(NamedTuple):
    """The rows of one table: how many, and the sum of their checksums."""

    rows: int = 0
    sum: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """A key that does not hold what was committed.

    ``unseen``: readers miss some of it; ``more``: there are rows that no commit wrote.
    """

    key: str
    holds: str
    committed: str
    unseen: bool = False
    more: bool = False

    def __str__(self) -> str:  # noqa: D105
        why = " (what comes into Redis otherwise than by a commit is damage)" if self.more else ""
        return f"{self.key} holds {self.holds}, and {self.committed} were committed{why}"


def row_sum(key: bytes, row: bytes) -> int:
    """What one row adds, as it is packed, by its packed key."""
    return crc32(row, crc32(key))


def sum_of(rows: Mapping[bytes, bytes]) -> int:
    """What all rows of a table add up to."""
    return sum(map(crc32, rows.values(), map(crc32, rows))) % SUMS_END


def total_of(rows: Mapping[bytes, bytes]) -> Total:
    """The total that belongs to ``rows``."""
    return Total(len(rows), sum_of(rows))


def totals_of(reply: object) -> dict[str, Total]:
    """HGETALL's answer about the totals; what is none counts as a table without rows."""
    found = {}
    for name, said in mapping(reply).items():
        rows, _, total = said.partition(b" ")
        numbers = rows.isdigit() and total.isdigit()
        found[name.decode(errors="replace")] = Total(int(rows), int(total)) if numbers else Total()
    return found


def losses(
    totals: Mapping[str, Total], rows: Mapping[str, Mapping[bytes, bytes]], *, all_told: bool
) -> Iterable[Loss]:
    """The tables whose rows are not those that were committed.

    Not ``all_told``: totals are lost, so that a table without one may have had rows.
    """
    for name in sorted(totals.keys() | rows.keys() if all_told else totals):
        total, held = totals.get(name, Total()), rows.get(name, {})
        if len(held) != total.rows:
            fewer = len(held) < total.rows
            yield Loss(f"table {name}", f"{len(held)} rows", str(total.rows), fewer, not fewer)
        elif sum_of(held) != total.sum:
            yield Loss(f"table {name}", "other rows", f"its {total.rows}")
