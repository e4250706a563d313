"""Tickets are numbered from 0 without a hole, twice none, and in the order of their keys."""

from tests.histories.checkers.violation import Promises, Violation
from tests.histories.history import History


def check(history: History, promises: Promises) -> list[Violation]:
    """Every look, and the end; whoever has a number has it there."""
    found = []
    operations = history.of("tickets")
    for op in operations:
        if op.ok and op.plan["do"] == "look" and _wrong(op.told["numbers"]):
            found.append(Violation("tickets", "numbers", f"{op.told['numbers']}", (op,)))
    writers = {op.name: op for op in operations if op.plan["do"] == "take"}
    given: dict[int, list[int]] = {}
    for _, desk, number, owner in sorted(history.final["tickets"]):
        given.setdefault(desk, []).append(number)
        op = writers.pop(owner, None)
        if op is None or not op.survived:
            witness = () if op is None else (op,)
            found.append(Violation("tickets", "phantom", f"a ticket of {owner}", witness))
        elif op.told.get("number", number) != number:
            what = f"told {op.told['number']}, and has {number}"
            found.append(Violation("tickets", "numbers", what, (op,)))
    found += [
        Violation("tickets", "numbers", f"desk {desk}: {numbers}", ())
        for desk, numbers in given.items()
        if _wrong(numbers)
    ]
    return found + [
        Violation("tickets", "lost insert", f"no ticket of {name}", (op,))
        for name, op in writers.items()
        if op.survived
    ]


def _wrong(numbers: list[int]) -> bool:
    return numbers != [*range(len(numbers))]
