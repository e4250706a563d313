"""Lists that only grow tell the order of their writers: Elle's inference, for snapshot isolation.

From what each transaction read follows who wrote before whom (``ww``), who read from whom (``wr``)
and who read what somebody else then changed (``rw``); from the clock follows who was over before
whom began (``rt``). Snapshot isolation forbids cycles of these without two ``rw`` in a row (Cerone
and Gotsman: dependencies, each followed by one ``rw`` at most, have no cycle); serializability
forbids all.
"""

import itertools
from collections import defaultdict
from dataclasses import dataclass, field

from tests.histories.checkers.cycles import Graph, cycles
from tests.histories.checkers.violation import Promises, Violation
from tests.histories.checkers.visibility import may_be_lost
from tests.histories.history import History, Operation

Steps = list[tuple[str, str, str | None, list[str] | None]]


def steps(op: Operation) -> Steps:
    """What each step did: kind, key, value it appended, list it read."""
    read = op.told.get("read") or [None] * len(op.plan["steps"])
    return [
        (step[0], step[1], step[2] if len(step) > 2 else None, found)
        for step, found in zip(op.plan["steps"], read, strict=True)
    ]


@dataclass
class Lists:
    """The order of each list's elements at the end, and who appended them."""

    order: dict[str, list[str]]
    owner: dict[str, Operation] = field(default_factory=dict)
    appended: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def note(self, op: Operation) -> None:
        """What ``op`` appends."""
        for _, key, value, _ in steps(op):
            if value is not None:
                self.owner[value] = op
                self.appended[op.name, key].append(value)


def check(history: History, promises: Promises) -> list[Violation]:
    """Lists, reads, then cycles among the transactions whose reads make sense."""
    lists = Lists({key: items.split() for key, items in history.final["lists"]})
    operations = history.of("appends")
    for op in operations:
        lists.note(op)
    found = [violation for key in lists.order for violation in _list(key, lists)]
    for op in operations:
        if op.survived:
            missing = [
                value
                for _, key, value, _ in steps(op)
                if value is not None and value not in lists.order.get(key, ())
            ]
            if missing:
                what = f"{missing[0]} is not in its list"
                found.append(Violation("appends", "lost append", what, (op,)))
    sound = []
    for op in operations:
        if op.survived or (op.ok and not op.writes):
            wrong = _reads(op, lists, promises)
            found += [violation for violation in wrong if violation is not _IGNORED]
            if not wrong:
                sound.append(op)
    return found + _cycles(sound, lists, promises)


def _list(key: str, lists: Lists) -> list[Violation]:
    """The elements at the end: once each, of transactions that are there."""
    found = []
    elements = lists.order[key]
    if len(set(elements)) != len(elements):
        twice = next(x for x in elements if elements.count(x) > 1)
        what = f"{twice} is twice in list {key}"
        witness = (lists.owner[twice],) if twice in lists.owner else ()
        found.append(Violation("appends", "duplicated append", what, witness))
    for value in elements:
        owner = lists.owner.get(value)
        if owner is None or not owner.survived:
            witness = () if owner is None else (owner,)
            what = f"{value} is in list {key}"
            found.append(Violation("appends", "aborted append", what, witness))
    return found


_IGNORED = Violation("appends", "lost read", "it read commits that a failover then undid")


def _reads(op: Operation, lists: Lists, promises: Promises) -> list[Violation]:
    """What one transaction read, by itself."""
    outside, wrong = _outside(op)
    if wrong is not None:
        return [wrong]
    found: list[Violation] = []
    for key, values in outside.items():
        here = _read_of(op, key, values, lists, promises)
        if _IGNORED in here:
            return here
        found += here
    return found


def _outside(op: Operation) -> tuple[dict[str, list[str]], Violation | None]:
    """What it read of each list but for its own appends, which must be where it put them."""
    known: dict[str, list[str]] = {}
    own: dict[str, list[str]] = defaultdict(list)
    for _, key, value, read in steps(op):
        if read is not None:
            outside = read[: len(read) - len(own[key])]
            if read[len(outside) :] != own[key]:
                what = f"list {key} does not end with its own appends {own[key]}"
                return known, Violation("appends", "internal", what, (op,))
            if known.setdefault(key, outside) != outside:
                what = f"list {key}: {known[key]}, then {outside}"
                return known, Violation("appends", "unrepeatable read", what, (op,))
        if value is not None:
            own[key].append(value)
    return known, None


def _read_of(
    op: Operation, key: str, outside: list[str], lists: Lists, promises: Promises
) -> list[Violation]:
    """What it read of one list."""
    found: list[Violation] = []

    def report(anomaly: str, what: str, *others: Operation) -> None:
        found.append(Violation("appends", anomaly, what, (*others, op)))

    for value in outside:
        owner = lists.owner.get(value)
        if owner is None:
            report("phantom", f"{value} in list {key}")
        elif not owner.survived and may_be_lost(owner, op, promises):
            return [_IGNORED]
        elif not owner.survived:
            report("aborted read (G1a)", f"{value} in list {key}", owner)
    if found:
        return found
    if outside:
        owner = lists.owner[outside[-1]]
        last = lists.appended[owner.name, key][-1]
        if outside[-1] != last:
            report("intermediate read (G1b)", f"{outside[-1]}, before {last}", owner)
    order = lists.order.get(key, [])
    if order[: len(outside)] != outside:
        report("incompatible order", f"list {key} was {outside} and is {order}")
    return found


def _position(op: Operation, key: str, lists: Lists) -> int | None:
    """How many elements of list ``key`` it saw that are not its own; None if it did not read."""
    own = 0
    for _, other, value, read in steps(op):
        if other != key:
            continue
        if read is not None:
            return len(read) - own
        own += value is not None
    return None


def _cycles(sound: list[Operation], lists: Lists, promises: Promises) -> list[Violation]:
    by_name = {op.name: op for op in sound}
    depends: Graph[str] = {op.name: {} for op in sound}
    anti: Graph[str] = {op.name: {} for op in sound}
    for before, after in _earlier(sound, promises):
        depends[before][after] = "rt"
    for key, order in lists.order.items():
        writers = [lists.owner[value].name if value in lists.owner else "" for value in order]
        for a, b in itertools.pairwise(writers):
            if a != b and a in by_name and b in by_name:
                depends[a][b] = f"ww {key}"
        for op in sound:
            seen = _position(op, key, lists)
            if seen is None:
                continue
            if seen and writers[seen - 1] in by_name and writers[seen - 1] != op.name:
                depends[writers[seen - 1]][op.name] = f"wr {key}"
            following = [w for w in writers[seen:] if w != op.name][:1]
            if following and following[0] in by_name:
                anti[op.name][following[0]] = f"rw {key}"
    graph = _all_edges(depends, anti) if promises.serializable else _composed(depends, anti)
    found = []
    for cycle in cycles(graph):
        steps_of = " ; ".join(f"{node} --{label}→" for node, label in cycle)
        names = dict.fromkeys(
            name for node, label in cycle for name in (node, *_passed(label)) if name in by_name
        )
        witnesses = tuple(by_name[name] for name in names)
        found.append(Violation("appends", _named(cycle), steps_of, witnesses))
    return found


def _composed(depends: Graph[str], anti: Graph[str]) -> Graph[str]:
    """Each dependency, and each dependency followed by one ``rw``."""
    graph: Graph[str] = {name: dict(edges) for name, edges in depends.items()}
    for a, edges in depends.items():
        for b, label in edges.items():
            for c, then in anti[b].items():
                graph[a].setdefault(c, f"{label}→ {b} --{then}")
    return graph


def _all_edges(depends: Graph[str], anti: Graph[str]) -> Graph[str]:
    return {name: {**anti[name], **depends[name]} for name in depends}


def _passed(label: str) -> list[str]:
    """The transaction in the middle of a composed edge."""
    return [label.split("→ ")[1].split(" --", maxsplit=1)[0]] if "→ " in label else []


def _named(cycle: list[tuple[str, str]]) -> str:
    """Adya's name of a cycle."""
    labels = [part for _, label in cycle for part in label.replace("→ ", "--").split("--")]
    kinds = [label.split()[0] for label in labels if label[:2] in {"ww", "wr", "rw", "rt"}]
    keys = {label.split()[1] for label in labels if label[:2] in {"ww", "rw"}}
    rw = kinds.count("rw")
    if rw == 0:
        name = "write cycle (G0)" if set(kinds) <= {"ww", "rt"} else "circular reads (G1c)"
    elif rw == 1 and sorted(kinds) == ["rw", "ww"] and len(keys) == 1:
        name = "lost update (G-single)"
    elif rw == 1:
        name = "read skew (G-single)"
    else:
        name = "write skew or worse (G2)"
    return f"{name} in real time" if "rt" in kinds else name


def _earlier(sound: list[Operation], promises: Promises) -> list[tuple[str, str]]:
    """Who was over before whom began, by so much that it must be seen."""
    pairs = [] if promises.staleness is None else _in_order(sound, promises.staleness)
    if promises.staleness != 0:
        processes: dict[str, list[Operation]] = defaultdict(list)
        for op in sound:
            processes[op.process].append(op)
        pairs += [pair for group in processes.values() for pair in _in_order(group, 0.0)]
    return pairs


def _in_order(operations: list[Operation], gap: float) -> list[tuple[str, str]]:
    """Pairs with more than ``gap`` between them; what follows from other pairs is left out."""
    pairs = []
    moments = [(op.begin, 1, op.name, op) for op in operations]
    moments += [(op.known_end + gap, 0, op.name, op) for op in operations]
    frontier: list[Operation] = []
    for _, begins, _, op in sorted(moments, key=lambda m: m[:3]):
        if begins:
            pairs += [(before.name, op.name) for before in frontier]
        else:
            frontier = [x for x in frontier if x.known_end + gap >= op.begin] + [op]
    return pairs
