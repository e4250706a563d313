"""Programs on a few replicas in one process, a statement at a time: many histories, soon.

``python -m tests.histories.interleaved --rounds 20000`` goes on for longer.
"""

import argparse
import itertools
import json
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field

import apsw

from discovery.rome import dbapi, errors
from discovery.rome.head import read_head
from discovery.rome.settings import parse
from discovery.rome.store import Store, mapping
from tests.histories.checkers.oracle import Anomaly, Oracle, Turn, judge, skews
from tests.histories.programs import FILL, REFUSED, SCHEMA, Step, answer_of, program, tells
from tests.redis_servers import redis_server

ROUNDS_AT_ONCE = 500
_numbers = itertools.count(1)


def connect(address: str, database: str, **options: object) -> dbapi.Connection:
    """A connection with a replica of its own: connections with equal options would share one."""
    return dbapi.connect(address, database, timeout=10 + next(_numbers) / 1000, **options)


@dataclass
class Played:
    """What came of it."""

    turns: list[Turn]
    anomalies: list[Anomaly]
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def skews(self) -> int:
        """Write skews, which the default level allows."""
        return len(skews(self.turns))


class _Running:
    """A transaction on its way."""

    def __init__(self, session: dbapi.Connection, name: str, steps: list[Step], first: int) -> None:
        self.session, self.steps = session, steps
        self.turn = Turn(name, steps, [], first, None, first)
        self.reads = False

    @property
    def over(self) -> bool:
        return len(self.turn.answers) == len(self.steps)

    def step(self, newest: int) -> None:
        """The next statement. The first one that reads must see what is there now.

        So it is with an INSERT that met a key on the state that was known, and was tried again.
        """
        sql, values = self.steps[len(self.turn.answers)]
        try:
            cursor = self.session.execute(sql, values)
        except errors.IntegrityError:
            answer = REFUSED
        else:
            rows = None if cursor.description is None else cursor.fetchall()
            answer = answer_of(sql, rows, cursor.rowcount)
        self.turn.answers.append(answer)
        transaction = self.session._transaction
        asked = transaction is not None and not transaction._assumed
        if not self.reads and (asked or tells(sql, answer)):
            self.reads, self.turn.after = True, newest

    def commit(self) -> bool:
        """Whether it has entered the log."""
        before = self.session.replica.counters.commits
        self.session.commit()
        if self.session.replica.counters.commits == before:
            return False
        self.turn.place = self.session.replica.state.seq
        return True


def play(
    address: str, database: str, *, seed: int, rounds: int, serializable: bool, fresh: str = "sync"
) -> Played:
    """Run ``rounds`` of three programs each, and judge all of them.

    With ``push`` a transaction may begin on an older state; its own session's commits it has seen.
    """
    rng = random.Random(seed)
    maker = connect(address, database)
    for sql in (*SCHEMA, *FILL):
        maker.execute(sql)
        maker.commit()
    first = newest = maker.replica.state.seq - len(FILL)
    newest += len(FILL)
    sessions = [connect(address, database, fresh=fresh) for _ in range(3)]
    played = Played([], [])
    for number in range(rounds):
        running = []
        for session, name in zip(sessions, "abc", strict=True):
            session.serializable = serializable
            running.append(_Running(session, f"{number}{name}", program(rng), first))
        while running:
            one = rng.choice(running)
            one.turn.until = newest
            try:
                if not one.over:
                    one.step(newest if fresh == "sync" else first)
                    continue
                newest += one.commit()
                played.turns.append(one.turn)
                played.outcomes["committed"] += 1
            except errors.DatabaseError as error:
                played.outcomes[type(error).__name__] += 1
                one.session.rollback()
            running.remove(one)
    for session in (maker, *sessions):
        session.close()
    settings = parse(address, database)
    try:
        oracle = Oracle(SCHEMA, log_of(settings, first))
    except apsw.ConstraintError as error:
        played.anomalies = [Anomaly("rows that violate a key", str(error), ())]
        return played
    for turn in played.turns:
        turn.after, turn.until = turn.after - first, turn.until - first
        turn.place = None if turn.place is None else turn.place - first
    played.anomalies = judge(oracle, played.turns, serializable=serializable)
    return played


def log_of(settings: object, after: int) -> list[bytes]:
    """The payloads of the log behind entry ``after``."""
    store = Store(settings)  # type: ignore[arg-type]
    read_head(store)
    entries = store.request(lambda client: client.xrange(store.keys.log, min=f"{after + 1}-0"))
    return [mapping(fields)[b"d"] for _, fields in entries]


def main() -> int:
    """A line for each level and freshness of each 500 rounds; 1 if anything was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.histories.interleaved")
    parser.add_argument(
        "--rounds", type=int, default=10_000, help="of three programs, of each kind"
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    violated = False
    with tempfile.TemporaryDirectory() as folder, redis_server(folder) as server:
        for number in range(-(-arguments.rounds // ROUNDS_AT_ONCE)):
            for fresh, serializable in itertools.product(("sync", "push"), (True, False)):
                seed = arguments.seed + number
                played = play(
                    f"127.0.0.1:{server.port}",
                    f"p{number}{fresh}{serializable}",
                    seed=seed,
                    rounds=ROUNDS_AT_ONCE,
                    serializable=serializable,
                    fresh=fresh,
                )
                line = {"seed": seed, "fresh": fresh, "serializable": serializable}
                line |= {**played.outcomes, "skews": played.skews}
                print(json.dumps(line | {"violations": len(played.anomalies)}), flush=True)
                for anomaly in played.anomalies:
                    print(anomaly, file=sys.stderr)
                violated = violated or bool(played.anomalies)
    return int(violated)


if __name__ == "__main__":
    sys.exit(main())
