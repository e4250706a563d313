"""Slots: the parts of a Redis Cluster's keys, and which node has which."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from itertools import pairwise

SLOTS = 16384


def slot_of(database: str) -> int:
    """The slot of all keys of a ROME database: Redis hashes what stands in their braces."""
    return binascii.crc_hqx(database.encode(), 0) % SLOTS


def share(nodes: Sequence[str], databases: Sequence[str]) -> dict[str, str]:
    """Each node's slots, as a Redis Cluster's file of nodes has them: ``0-5460 5462``.

    Everybody gets the same number, but that the slots of ``databases`` are all the first node's:
    it holds the databases, as the one server of the other back ends does.
    """
    homes = {slot_of(database) for database in databases}
    size = len(nodes)
    return {
        node: _ranges(
            {*range(SLOTS * number // size, SLOTS * (number + 1) // size)} - homes
            | (set() if number else homes)
        )
        for number, node in enumerate(nodes)
    }


def _ranges(slots: set[int]) -> str:
    ordered = sorted(slots)
    breaks = [number for number, (a, b) in enumerate(pairwise(ordered), 1) if b != a + 1]
    runs = [ordered[a:b] for a, b in pairwise([0, *breaks, len(ordered)])]
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
