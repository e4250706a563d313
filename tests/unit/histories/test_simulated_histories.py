"""Histories of a database in memory, good or broken, with interleavings that hypothesis draws."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tests.histories.checkers import Promises, check
from tests.unit.histories.handmade import appends, history

STEP = st.tuples(st.sampled_from("rw"), st.sampled_from("xyz"))
TRANSACTIONS = st.lists(st.lists(STEP, min_size=1, max_size=4), min_size=2, max_size=8)


@dataclass
class Running:
    """A transaction on its way."""

    name: str
    plan: list[tuple[str, str]]
    begin: int
    snapshot: dict[str, tuple[str, ...]]
    steps: list[tuple] = field(default_factory=list)
    wrote: dict[str, tuple[str, ...]] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)


class Database:
    """Lists in memory; ``certify``: what a commit needs to be unchanged since it began."""

    def __init__(self, certify: str) -> None:
        self.certify = certify
        self.lists: dict[str, tuple[str, ...]] = {}
        self.clock = 0
        self.operations: list = []
        self.overwrote = False

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def begin(self, number: int, plan: list[tuple[str, str]]) -> Running:
        return Running(f"t{number}", plan, self.tick(), dict(self.lists))

    def step(self, running: Running) -> None:
        kind, key = running.plan[len(running.steps)]
        found = running.wrote.get(key, running.snapshot.get(key, ()))
        running.read.add(key)
        if kind == "r":
            running.steps.append(("r", key, " ".join(found)))
            return
        value = f"{running.name}.{len(running.steps)}"
        running.steps.append(("w", key, " ".join(found), value))
        running.wrote[key] = (*found, value)

    def commit(self, running: Running) -> None:
        keys = set(running.wrote) if self.certify != "reads" else running.read
        changed = [k for k in keys if self.lists.get(k, ()) != running.snapshot.get(k, ())]
        refused = bool(changed and running.wrote) and self.certify != "nothing"
        if not refused:
            self.overwrote = self.overwrote or bool(changed)
            self.lists.update(running.wrote)
        self.operations.append(
            appends(
                running.name,
                *running.steps,
                at=(running.begin, self.tick()),
                outcome="refused" if refused else "ok",
            )
        )


def play(certify: str, plans: list[list[tuple[str, str]]], data: st.DataObject) -> Database:
    """Run ``plans`` a step at a time, in an order that hypothesis draws."""
    database = Database(certify)
    waiting = list(enumerate(plans))
    running: list[Running] = []
    while waiting or running:
        choices = len(running) + bool(waiting)
        choice = data.draw(st.integers(0, choices - 1))
        if choice == len(running):
            running.append(database.begin(*waiting.pop(0)))
        elif len(running[choice].steps) < len(running[choice].plan):
            database.step(running[choice])
        else:
            database.commit(running.pop(choice))
    return database


def found_in(database: Database, **promises: bool) -> list[str]:
    lists = [[key, " ".join(content)] for key, content in database.lists.items()]
    made = history(database.operations, lists=lists)
    return [str(violation) for violation in check(made, Promises(**promises))]


@given(TRANSACTIONS, st.data())
def test_snapshot_isolation_passes(plans: list[list[tuple[str, str]]], data: st.DataObject) -> None:
    assert found_in(play("writes", plans, data)) == []


@given(TRANSACTIONS, st.data())
def test_certified_reads_are_serializable(
    plans: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    assert found_in(play("reads", plans, data), serializable=True) == []


@given(TRANSACTIONS, st.data())
def test_without_certification_every_overwrite_is_found(
    plans: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    database = play("nothing", plans, data)
    assert bool(found_in(database)) == database.overwrote
