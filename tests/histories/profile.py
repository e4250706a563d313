"""What clients do: few keys or many, short transactions or long."""

from dataclasses import dataclass

from hypothesis import strategies as st

ANYWHERE = ("bank", "sets", "appends", "uniques", "references")
"""Workloads that every database runs."""

WORKLOADS = (*ANYWHERE, "programs", "tickets")
"""Those that ROME runs."""


@dataclass(frozen=True)
class Profile:
    """Sizes of the workloads; the few rows are wanted: clients have to meet.

    ``think_ms``: the longest pause of a client between two statements. ``longest``: reads and
    appends in a transaction of appends. ``reads``: share of transactions that only read.
    """

    seed: int = 1
    workloads: tuple[str, ...] = WORKLOADS
    accounts: int = 6
    keys: int = 4
    longest: int = 4
    names: int = 10
    parents: int = 4
    desks: int = 2
    reads: float = 0.25
    think_ms: float = 1.0
    processes: int = 4
    threads: int = 2


def profiles() -> st.SearchStrategy[Profile]:
    """Profiles for hypothesis to draw."""
    return st.builds(
        Profile,
        seed=st.integers(0, 2**32),
        accounts=st.integers(2, 10),
        keys=st.integers(1, 8),
        longest=st.integers(1, 6),
        names=st.integers(1, 16),
        parents=st.integers(1, 6),
        reads=st.floats(0.05, 0.6),
        think_ms=st.sampled_from([0.0, 0.5, 2.0, 5.0]),
        processes=st.integers(4, 6),
        threads=st.integers(1, 3),
    )
