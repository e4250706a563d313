"""Programs: SQLite says which state of the log each has read, and which one it may have read."""

import bisect

import apsw

from discovery.rome.log import content_of
from tests.histories.checkers.oracle import Oracle, Turn, judge
from tests.histories.checkers.violation import Promises, Violation, see_before
from tests.histories.history import History, Operation
from tests.histories.programs import FILL, SCHEMA, TABLES, tells


def check(history: History, promises: Promises) -> list[Violation]:
    """Every program that is there, or has only looked; nothing if the log was trimmed."""
    if not history.log:
        return []
    operations = {op.name: op for op in history.of("programs")}
    relevant = [n for n, entry in enumerate(history.log, 1) if _is_ours(*entry, operations)]
    order = {history.log[n - 1][0]: n for n in relevant}
    try:
        oracle = Oracle((*SCHEMA, *FILL), [history.log[n - 1][1] for n in relevant])
    except apsw.ConstraintError as error:
        return [Violation("programs", "rows that violate a key", str(error))]
    placed = [op for op in operations.values() if op.name in order]
    turns = []
    for op in operations.values():
        if op.name in order:
            place: int | None = bisect.bisect(relevant, order[op.name])
        elif op.ok and not op.writes and not promises.failover:
            place = None
        else:
            continue
        reads = any(tells(sql, said) for (sql, _), said in zip(*_program(op), strict=True))
        before = [order[one.name] for one in placed if reads and see_before(op, one, promises)]
        started = [order[one.name] for one in placed if op.end is None or one.begin < op.end]
        after, until = (bisect.bisect(relevant, max(x, default=0)) for x in (before, started))
        turns.append(Turn(op.name, *_program(op), after, place, until))
    return [
        Violation(
            "programs", found.name, found.what, tuple(operations[turn.name] for turn in found.turns)
        )
        for found in judge(oracle, turns, serializable=promises.serializable)
    ]


def _is_ours(name: str | None, payload: bytes, operations: dict[str, Operation]) -> bool:
    tables = {table.decode() for table, _ in content_of(payload)[1]}
    return name in operations or bool(tables & TABLES)


def _program(op: Operation) -> tuple[list, list]:  # type: ignore[type-arg]
    return [(sql, values) for sql, values in op.plan["steps"]], op.told["answers"]
