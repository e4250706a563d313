"""The total is what it was, in every snapshot; the end is the sum of what survived."""

from tests.histories.checkers.violation import Promises, Violation
from tests.histories.history import History
from tests.histories.workloads import Bank


def check(history: History, promises: Promises) -> list[Violation]:
    """Totals, no account below nothing, and each account's end."""
    found = []
    end = dict(history.final["accounts"])
    total = Bank.OPENING * len(end)
    expected = dict.fromkeys(end, Bank.OPENING)
    for op in history.of("bank"):
        if op.ok and op.plan["do"] == "look":
            balances = op.told["balances"]
            if sum(balances) != total or len(balances) != len(end):
                what = f"the accounts hold {sum(balances)} in all, not {total}"
                found.append(Violation("bank", "torn or lost transfer", what, (op,)))
            if min(balances) < 0:
                found.append(Violation("bank", "overdraft", f"{min(balances)}", (op,)))
        elif op.survived:
            expected[op.plan["from"]] -= op.told["moved"]
            expected[op.plan["to"]] += op.told["moved"]
    if sum(end.values()) != total:
        found.append(
            Violation("bank", "lost update", f"{sum(end.values())} at the end, not {total}")
        )
    found += [
        Violation(
            "bank",
            "lost update",
            f"account {number} ends with {end[number]}, not {expected[number]}",
        )
        for number in end
        if end[number] != expected[number]
    ]
    return found
