"""SQLite by itself runs programs again, each on every state that the log has gone through.

What a transaction was told, and what it has changed, say which state it has read. `judge` holds
that against what is promised, and names the cycles as Adya does.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from discovery.rome.catalogue import Catalogue
from discovery.rome.log import ROWS_CHANGED, content_of
from discovery.rome.rows import apply_entry
from tests.histories.checkers.cycles import Graph, cycles
from tests.histories.programs import REFUSED, Step, answer_of

Rows = dict[str, list[Any]]


@dataclass
class Turn:
    """A committed transaction: what it asked and was told, between which entries of the log.

    ``after``: the entry that it must have seen; ``place``: its own, None where it wrote nothing,
    and was over before what follows ``until``; ``reads``: the newest state that it may have run on.
    """

    name: str
    steps: list[Step]
    answers: list[Any]
    after: int
    place: int | None
    until: int
    reads: int = -1

    @property
    def last(self) -> int:
        """The newest entry that it can have read."""
        return self.until if self.place is None else self.place - 1


Row = tuple[str, Any]


@dataclass(frozen=True)
class Ran:
    """What SQLite says: answers, rows afterwards, what differs from before, what was written.

    ``written``: the rows that differ, by table and first column, and those that are there and were
    given what they held.
    """

    answers: list[Any]
    rows: Rows
    changes: frozenset[tuple[Row, int]]
    written: frozenset[Row]


class Oracle:
    """The states that a log of row changes has gone through, and programs run on them."""

    def __init__(self, schema: Sequence[str], log: Sequence[bytes]) -> None:
        """``log``: payloads from the first entry on that follows the schema."""
        self._stored = apsw.Connection(":memory:")
        self._stored.execute("PRAGMA page_size=512")
        for statement in schema:
            self._stored.execute(statement)
        self._catalogue = Catalogue(self._stored)
        self._stored.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        self._stored.execute("PRAGMA ignore_check_constraints=ON")
        self._images = [self._stored.serialize("main")]
        self._log = log
        self._runner = apsw.Connection(":memory:")
        self._runner.execute("PRAGMA foreign_keys=ON")
        self._given: set[Row] = set()
        self._runner.set_update_hook(self._note)
        for payload in log:
            self._images.append(self._with(self._images[-1], payload))

    def _note(self, kind: int, _: str, table: str, number: int) -> None:
        if kind != apsw.SQLITE_DELETE:
            self._given.add((table, number))

    def _with(self, image: bytes, payload: bytes) -> bytes:
        kind, tables = content_of(payload)
        assert kind == ROWS_CHANGED
        self._stored.deserialize("main", image)
        mine = [pair for pair in tables if pair[0].decode() in self._catalogue.tables]
        self._stored.execute("BEGIN")
        apply_entry(self._stored, self._catalogue, mine)
        self._stored.execute("COMMIT")
        return self._stored.serialize("main")

    def _rows(self, database: apsw.Connection) -> Rows:
        """By table; without the numbers that SQLite gives where there is no key."""
        return {
            name: sorted(
                (row[table.rowid :] for row in database.execute(table.select_all)), key=repr
            )
            for name, table in self._catalogue.tables.items()
        }

    def rows_with(self, state: int, place: int) -> Rows:
        """The rows of a state with what entry ``place`` has changed."""
        return _loaded(self._rows, self._with(self._images[state], self._log[place - 1]))

    def rows(self, state: int) -> Rows:
        """The rows of a state."""
        return _loaded(self._rows, self._images[state])

    def run(self, steps: Sequence[Step], state: int) -> Ran:
        """A program on one state."""
        database = self._runner
        database.deserialize("main", self._images[state])
        database.execute("BEGIN")
        before = _flat(self._rows(database))
        self._given.clear()
        answers = [_run(database, sql, values) for sql, values in steps]
        rows = self._rows(database)
        after = _flat(rows)
        database.execute("ROLLBACK")
        changes = frozenset(((before - after) | (after - before)).items())
        there = {(table, row[0]) for table, row in after}
        written = {(table, row[0]) for (table, row), _ in changes} | (self._given & there)
        keyed = {table.name for table in self._catalogue.tables.values() if not table.rowid}
        return Ran(answers, rows, changes, frozenset(row for row in written if row[0] in keyed))

    def fits(self, turn: Turn, state: int) -> bool:
        """Whether ``state`` is one that the transaction may have run on."""
        ran = self.run(turn.steps, state)
        if ran.answers != turn.answers:
            return False
        expected = self.rows(state) if turn.place is None else self.rows_with(state, turn.place)
        return ran.rows == expected


def _flat(rows: Rows) -> Counter[Row]:
    return Counter((table, row) for table, found in rows.items() for row in found)


def _loaded(rows: Any, image: bytes) -> Rows:
    database = apsw.Connection(":memory:")
    database.deserialize("main", image)
    found: Rows = rows(database)
    database.close()
    return found


def _run(database: apsw.Connection, sql: str, values: Sequence[Any]) -> list[Any]:
    try:
        rows = database.execute(sql, tuple(values)).fetchall()
    except apsw.ConstraintError:
        return REFUSED
    return answer_of(sql, rows if _gives_rows(sql) else None, database.changes())


def _gives_rows(sql: str) -> bool:
    return sql.split(maxsplit=1)[0] in {"SELECT", "WITH"} or " RETURNING " in sql


@dataclass(frozen=True)
class Anomaly:
    """What must not be, what happened, and the transactions of it."""

    name: str
    what: str
    turns: tuple[Turn, ...]


def judge(oracle: Oracle, turns: Sequence[Turn], *, serializable: bool) -> list[Anomaly]:
    """All that was not promised; without ``serializable``, write skew is."""
    found = []
    placed = {turn.place: turn for turn in turns if turn.place is not None}
    for turn in turns:
        state = _newest_fit(oracle, turn)
        if state is None:
            found.append(Anomaly("reads no state (G1 or G-single)", "", (turn,)))
            continue
        turn.reads = state
        if state < turn.after:
            found.append(Anomaly("stale read", f"{state}, not {turn.after}", (turn,)))
    for turn in turns:
        if turn.place is None or turn.reads < 0 or turn.reads == turn.place - 1:
            continue
        between = [placed[n] for n in range(turn.reads + 1, turn.place) if n in placed]
        if serializable:
            found.append(_cycle(oracle, [*between, turn]))
            continue
        mine = oracle.run(turn.steps, turn.reads).written
        for other in between:
            both = mine & oracle.run(other.steps, max(other.reads, 0)).written
            if both:
                what = f"both write {sorted(both)[0]}"
                found.append(Anomaly("lost update (G-single)", what, (other, turn)))
    return found


def skews(turns: Sequence[Turn]) -> list[Turn]:
    """Those that have written without having read the newest state: write skew, where allowed."""
    return [turn for turn in turns if turn.place is not None and 0 <= turn.reads < turn.place - 1]


def _newest_fit(oracle: Oracle, turn: Turn) -> int | None:
    return next((state for state in range(turn.last, -1, -1) if oracle.fits(turn, state)), None)


def _cycle(oracle: Oracle, turns: list[Turn]) -> Anomaly:
    """The shortest cycle among transactions, the last of which has not read what others wrote."""
    graph: Graph[str] = {turn.name: {} for turn in turns}
    for one in turns:
        mine = oracle.run(one.steps, one.reads).written
        for other in turns:
            if one is other or other.place is None or one.place is None:
                continue
            if one.place < other.place and mine & oracle.run(other.steps, other.reads).written:
                graph[one.name][other.name] = "ww"
            if _tells(oracle, one, other.place):
                if other.place > one.reads:
                    graph[one.name].setdefault(other.name, "rw")
                else:
                    graph[other.name].setdefault(one.name, "wr")
    shortest = min(cycles(graph), key=len, default=[])
    what = " ; ".join(f"{node} --{label}→" for node, label in shortest)
    return Anomaly(_named([label for _, label in shortest]), what, tuple(turns))


def _tells(oracle: Oracle, turn: Turn, place: int) -> bool:
    """Whether what an entry wrote makes a difference to a transaction."""
    without, with_it = oracle.run(turn.steps, place - 1), oracle.run(turn.steps, place)
    return (without.answers, without.changes) != (with_it.answers, with_it.changes)


def _named(labels: list[str]) -> str:
    if not labels:
        return "not at its place in the log"
    rw = labels.count("rw")
    if rw == 0:
        return "circular reads (G1c)" if "wr" in labels else "write cycle (G0)"
    return "read skew (G-single)" if rw == 1 else "write skew or worse (G2)"
