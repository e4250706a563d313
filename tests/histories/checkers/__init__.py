"""What must hold of a history; each violation comes with the transactions that show it.

violation   what is promised, what is found
survival    commits are there or not, as their clients were told
visibility  rows appear and vanish when they should
cycles      shortest cycles in a graph of transactions
appends     Elle's inference from lists that grow
bank, sets, uniques, references, tickets
oracle      what SQLite says of programs on each state of the log, and which one they have read
"""

from collections.abc import Callable

from tests.histories.checkers import (
    appends,
    bank,
    programs,
    references,
    sets,
    survival,
    tickets,
    uniques,
)
from tests.histories.checkers.violation import Promises, Violation
from tests.histories.history import History

__all__ = ["Promises", "Violation", "check"]

_CHECKS: dict[str, Callable[[History, Promises], list[Violation]]] = {
    "bank": bank.check,
    "sets": sets.check,
    "appends": appends.check,
    "uniques": uniques.check,
    "references": references.check,
    "programs": programs.check,
    "tickets": tickets.check,
}


def check(history: History, promises: Promises) -> list[Violation]:
    """All violations of ``promises``."""
    violations = survival.check(history, promises)
    for workload in sorted({op.workload for op in history.operations}):
        violations += _CHECKS[workload](history, promises)
    return violations
