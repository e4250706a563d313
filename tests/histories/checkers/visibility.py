"""Rows that appear once and vanish once: when a reader must see them, and when it must not."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.histories.checkers.violation import Promises, Violation, see_before
from tests.histories.history import Operation


@dataclass(slots=True)
class Life:
    """Who made a row and who removed it; ``removed`` by one that survived."""

    made: Operation
    removed: Operation | None = None


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
        if life.removed is None or life.removed.begin > (reader.end or float("inf")):
            report("stale read", f"a row of {owner} is missing", life.made)
    return found


def may_be_lost(writer: Operation, reader: Operation, promises: Promises) -> bool:
    """Whether a reader may have seen it before a failover undid it: a reader that wrote may not."""
    if not promises.loses_tail or writer.outcome == "refused":
        return False
    return not (reader.writes and reader.survived)
