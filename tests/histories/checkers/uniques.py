"""No two rows with one name, ever; a name that was taken stays with its owner until dropped."""

from collections import Counter

from tests.histories.checkers.violation import Promises, Violation
from tests.histories.checkers.visibility import Life, at_the_end, misread, note_undone
from tests.histories.history import History, Operation


def check(history: History, promises: Promises) -> list[Violation]:
    """Every look, the end, and every row's life."""
    found = []
    operations = history.of("uniques")
    writers = {op.name: op for op in operations if op.plan["do"] in {"take", "look-and-take"}}
    lives = {name: Life(op) for name, op in writers.items() if op.survived}
    for op in operations:
        if op.survived and op.plan["do"] in {"drop", "rename"}:
            found += _removal(op, lives)
        elif op.plan["do"] == "drop" and "owner" in op.told:
            note_undone(op, [op.told["owner"]], lives, promises)
    looks: list[tuple[list[list[str]], tuple[Operation, ...]]] = [
        (op.told["rows"], (op,)) for op in operations if op.ok and op.plan["do"] == "look"
    ]
    for rows, witness in [*looks, (history.final["names"], ())]:
        for column, what in ((0, "key"), (1, "name")):
            twice = [x for x, n in Counter(str(r[column]).lower() for r in rows).items() if n > 1]
            if twice:
                found.append(Violation("uniques", "duplicate", f"{what} {twice[0]}", witness))
        for op in witness:
            found += misread(op, [row[2] for row in rows], lives, writers, promises)
    end = {owner for _, _, owner in history.final["names"]}
    return found + at_the_end("uniques", end, lives)


def _removal(op: Operation, lives: dict[str, Life]) -> list[Violation]:
    """A drop or a rename has changed the one row that it had read."""
    owner = op.told["owner"]
    life = lives.get(owner)
    if life is None:
        return [Violation("uniques", "aborted read", f"changed a row of {owner}", (op,))]
    if op.told["changed"] != 1:
        what = f"{op.told['changed']} rows changed, though it had read one"
        return [Violation("uniques", "lost update", what, (life.made, op))]
    if op.plan["do"] == "drop":
        if life.removed is not None:
            what = f"the row of {owner} was dropped twice"
            return [Violation("uniques", "lost update", what, (life.removed, op))]
        life.removed = op
    return []
