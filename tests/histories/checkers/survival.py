"""Commits are there or not, as their clients were told; what a failover may undo, and how."""

from tests.histories.checkers.violation import Promises, Violation
from tests.histories.history import CRASHED, OK, REFUSED, History, Operation

TAIL_LOST = "TailLost"
PROMOTED, KILLED = "promoted", "kill"


def lost(history: History) -> list[Operation]:
    """Transactions that were acknowledged, have written, and are not there."""
    return [op for op in history.operations if op.ok and op.writes and not op.survived]


def check(history: History, promises: Promises) -> list[Violation]:
    """Acknowledged ones are there, refused ones are not, and all replicas end the same."""
    found = [
        Violation(op.workload, "client error", f"{op.error}: {op.message}", (op,))
        for op in history.operations
        if op.outcome == CRASHED
    ]
    found += [
        Violation(op.workload, "refused commit is there", op.message, (op,))
        for op in history.operations
        if op.outcome == REFUSED and op.survived
    ]
    if not promises.keeps_acknowledged:
        found += _tails(history)
    else:
        found += [
            Violation(op.workload, "lost commit", "acknowledged, and not there", (op,))
            for op in lost(history)
        ]
    views = set(history.finals.values())
    if len(views) > 1:
        found.append(
            Violation("all", "diverged replicas", f"{len(views)} different ends: {history.finals}")
        )
    return found


def _tails(history: History) -> list[Violation]:
    """What was lost was the newest before a failover, and its processes were told."""
    found = []
    for op in lost(history):
        assert op.end is not None
        promoted = [time for time, what in history.events if what == PROMOTED and time > op.begin]
        if not promoted:
            found.append(Violation(op.workload, "lost commit", "no failover came after it", (op,)))
            continue
        killed = max(time for time, what in history.events if what == KILLED and time < promoted[0])
        found += [
            Violation(op.workload, "lost commit", "not of the tail: a later one is there", (op, x))
            for x in history.operations
            if x.ok and x.survived and op.end < x.begin and x.end is not None and x.end < killed
        ][:1]
        after = _untold(history, op, op.end)
        if after is not None:
            what = "its process was not told before it went on"
            found.append(Violation(op.workload, "silent loss", what, (op, after)))
    return found


def _untold(history: History, op: Operation, end: float) -> Operation | None:
    """The first commit of the same process after a lost one, if no error came between them."""
    mine = [x for x in history.operations if x.process == op.process]
    later = [x for x in mine if x.outcome == OK and x.survived and x.begin > end]
    if not later:
        return None
    first = later[0]
    assert first.end is not None
    told = any(
        x.error == TAIL_LOST and x.begin < first.end and (x.end or 0.0) > op.begin for x in mine
    )
    return None if told else first
