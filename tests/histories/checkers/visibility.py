"""Rows that appear once and vanish once: when a reader must see them, and when it must not."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.histories.checkers.violation import Promises, Violation, see_before
from tests.histories.history import Operation


@dataclass(slots=True)
class Life:
    """Who made a row and who removed it: ``removed`` for good, ``undone`` by a failover."""

    made: Operation
    removed: Operation | None = None
    undone: list[Operation] = field(default_factory=list)


def misread(
    reader: Operation,
    owners: Iterable[str],
    lives: dict[str, Life],
    writers: dict[str, Operation],
    promises: Promises,
    within: Iterable[str] | None = None,
) -> list[Violation]:
    """What ``reader`` saw and should not have, or should have and did not.

    ``owners`` are the transactions whose rows it saw; ``within`` limits what it should have seen.
    """
    found = []
    seen = set(owners)

    def report(anomaly: str, what: str, *others: Operation) -> None:
        found.append(Violation(reader.workload, anomaly, what, (*others, reader)))

    for owner in seen:
        life = lives.get(owner)
        if life is None:
            writer = writers.get(owner)
            if writer is None:
                report("phantom", f"a row of {owner}, which never wrote")
            elif not may_be_lost(writer, reader, promises):
                report("aborted read", f"a row of {owner}, which is not committed", writer)
        elif life.removed is not None and see_before(reader, life.removed, promises):
            report("stale read", f"a row of {owner} that was removed", life.made, life.removed)
        elif life.made.begin > (reader.end or float("inf")):
            report("phantom", f"a row of {owner}, from the future", life.made)
    for owner in lives if within is None else within:
        life = lives[owner]
        if owner in seen or not see_before(reader, life.made, promises):
            continue
        removals = [*life.undone, *([] if life.removed is None else [life.removed])]
        if all(removal.begin > (reader.end or float("inf")) for removal in removals):
            report("stale read", f"a row of {owner} is missing", life.made)
    return found


def may_be_lost(writer: Operation, reader: Operation, promises: Promises) -> bool:
    """Whether a reader may have seen it before a failover undid it: a reader that wrote may not.

    The writer may have been told anything: that it is done, that it is in doubt, or, after it was
    sent again, that it has failed.
    """
    return promises.failover and not (reader.writes and reader.survived)


def note_undone(
    op: Operation, owners: Iterable[str], lives: dict[str, Life], promises: Promises
) -> None:
    """``op`` has removed these rows, and a failover may have undone it."""
    if promises.failover and not op.survived:
        for owner in owners:
            if owner in lives:
                lives[owner].undone.append(op)


def at_the_end(workload: str, owners: set[str], lives: dict[str, Life]) -> list[Violation]:
    """What is there at the end and should not be, or should be and is not."""
    found = []
    for name, life in lives.items():
        if (name in owners) == (life.removed is not None):
            what = "is there though removed" if name in owners else "is not there"
            others = () if life.removed is None else (life.removed,)
            found.append(Violation(workload, "lost update", f"{name} {what}", (life.made, *others)))
    for name in owners - lives.keys():
        found.append(Violation(workload, "aborted insert", f"{name} is there"))
    return found
