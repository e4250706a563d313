"""No child without its parent, ever; what a cascade removes is what its transaction had read."""

from tests.histories.checkers.violation import Promises, Violation
from tests.histories.checkers.visibility import Life, at_the_end, misread, note_undone
from tests.histories.history import History, Operation

_ADDS = {"child": "children", "tag": "tags"}


def check(history: History, promises: Promises) -> list[Violation]:
    """Every look, the end, and every child's and tag's life."""
    found = []
    operations = history.of("references")
    writers = {op.name: op for op in operations if op.plan["do"] in _ADDS}
    lives = {name: Life(op) for name, op in writers.items() if op.survived}
    for op in operations:
        if op.survived and op.plan["do"] in {"drop", "empty"}:
            found += _removal(op, lives)
        else:
            note_undone(op, op.told.get("owners", ()), lives, promises)
    final = history.final
    end = {
        "parents": [number for number, _ in final["parents"]],
        **{table: [[owner, p] for _, p, owner in final[table]] for table in ("children", "tags")},
    }
    looks: list[tuple[dict[str, list], tuple[Operation, ...]]] = [
        (op.told, (op,)) for op in operations if op.ok and op.plan["do"] == "look"
    ]
    for told, witness in [*looks, (end, ())]:
        for table in ("children", "tags"):
            for owner, parent in told[table]:
                if parent not in told["parents"]:
                    what = f"{table}: row of {owner} without parent {parent}"
                    found.append(Violation("references", "orphan", what, witness))
        owners = [owner for table in ("children", "tags") for owner, _ in told[table]]
        for op in witness:
            found += misread(op, owners, lives, writers, promises)
    there = {owner for table in ("children", "tags") for owner, _ in end[table]}
    return found + at_the_end("references", there, lives)


def _removal(op: Operation, lives: dict[str, Life]) -> list[Violation]:
    """Removing removes exactly what had been read."""
    found = []
    for owner in op.told["owners"]:
        life = lives.get(owner)
        if life is None:
            found.append(Violation("references", "aborted read", f"removed {owner}", (op,)))
        elif life.removed is not None:
            what = f"the row of {owner} was removed twice"
            found.append(Violation("references", "lost update", what, (life.removed, op)))
        else:
            life.removed = op
    if op.plan["do"] == "empty" and op.told["changed"] != len(op.told["owners"]):
        what = f"{op.told['changed']} rows removed, {len(op.told['owners'])} read"
        found.append(Violation("references", "lost update", what, (op,)))
    return found
