"""Which nodes are parts of the machine that leases them, with its clock, cores and memory."""

from __future__ import annotations

_OF_THIS_MACHINE = frozenset({"local"})


def are_here(provider: str) -> bool:
    """Whether the nodes of ``provider`` are parts of the machine that a manifest describes."""
    return provider in _OF_THIS_MACHINE
