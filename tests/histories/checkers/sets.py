"""Every acknowledged insert is there, once, and whole; none of the refused ones."""

from collections import Counter, defaultdict

from tests.histories.checkers.violation import Promises, Violation
from tests.histories.checkers.visibility import Life, misread
from tests.histories.history import History


def check(history: History, promises: Promises) -> list[Violation]:
    """The end, and every read on the way."""
    found = []
    operations = history.of("sets")
    writers = {op.name: op for op in operations if op.plan["do"] == "add"}
    lives = {name: Life(op) for name, op in writers.items() if op.survived}
    end = Counter(owner for _, _, owner in history.final["elements"])
    for name, op in writers.items():
        wanted = op.plan["rows"] if op.survived else 0
        if end[name] != wanted:
            what = f"{end[name]} rows at the end, not {wanted}"
            anomaly = "duplicated insert" if end[name] > wanted else "lost insert"
            found.append(Violation("sets", anomaly, what, (op,)))
    buckets = defaultdict(list)
    for name, life in lives.items():
        buckets[life.made.plan["bucket"]].append(name)
    for op in operations:
        if not op.ok or op.plan["do"] != "read":
            continue
        seen = Counter(op.told["owners"])
        for owner, rows in seen.items():
            if owner in writers and rows != writers[owner].plan["rows"]:
                what = f"{rows} of {writers[owner].plan['rows']} rows of {owner}"
                found.append(Violation("sets", "torn read", what, (writers[owner], op)))
        found += misread(op, seen, lives, writers, promises, buckets[op.plan["bucket"]])
    return found
