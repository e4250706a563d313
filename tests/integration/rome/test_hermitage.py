"""Hermitage: the anomalies that isolation levels differ in, one schedule each.

https://github.com/ept/hermitage. Sessions have a replica each, and no statement waits here, so that
one thread runs them in turn. A step that fails rolls back; what its session does after it is left
out. Three cases are not Hermitage's: the same with statements that write what is there, or all.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from discovery.rome.dbapi import Connection
from discovery.rome.errors import Deadlock
from tests.histories.interleaved import connect
from tests.redis_servers import redis_server

LOOK = "SELECT id, value FROM test"
Rows = list[tuple[int, int]]


@dataclass
class Session:
    """What a session was told: rows of each SELECT, whether it committed."""

    connection: Connection
    rows: list[Rows] = field(default_factory=list)
    committed: bool = False
    failed: bool = False

    def do(self, step: str) -> None:
        if self.failed:
            return
        try:
            if step == "commit":
                self.connection.commit()
                self.committed = True
            elif step == "rollback":
                self.connection.rollback()
            else:
                cursor = self.connection.execute(step)
                if cursor.description:
                    self.rows.append(sorted(cursor.fetchall()))
        except Deadlock:
            self.connection.rollback()
            self.failed = True


@dataclass(frozen=True)
class Case:
    """A schedule, whether its anomaly is seen in sessions and final rows, and who fails instead.

    ``default`` and ``serializable``: the sessions that end in a deadlock; None where the anomaly is
    seen, as docs/rome.md says of write skew.
    """

    steps: str
    seen: Callable[[dict[int, Session], Rows], bool]
    default: set[int] | None = field(default_factory=set)
    serializable: set[int] = field(default_factory=set)


def both(sessions: dict[int, Session], _: Rows) -> bool:
    return sessions[1].committed and sessions[2].committed


CASES = {
    "G0: dirty write": Case(
        """1 UPDATE test SET value = 11 WHERE id = 1
        2 UPDATE test SET value = 12 WHERE id = 1
        1 UPDATE test SET value = 21 WHERE id = 2
        1 commit
        2 UPDATE test SET value = 22 WHERE id = 2
        2 commit""",
        lambda _, last: last not in ([(1, 11), (2, 21)], [(1, 12), (2, 22)]),
    ),
    "G1a: aborted read": Case(
        f"""1 UPDATE test SET value = 101 WHERE id = 1
        2 {LOOK}
        1 rollback
        2 {LOOK}
        2 commit""",
        lambda s, _: any((1, 101) in rows for rows in s[2].rows),
    ),
    "G1b: intermediate read": Case(
        f"""1 UPDATE test SET value = 101 WHERE id = 1
        2 {LOOK}
        1 UPDATE test SET value = 11 WHERE id = 1
        1 commit
        2 {LOOK}
        2 commit""",
        lambda s, _: any((1, 101) in rows for rows in s[2].rows),
    ),
    "G1c: circular information flow": Case(
        f"""1 UPDATE test SET value = 11 WHERE id = 1
        2 UPDATE test SET value = 22 WHERE id = 2
        1 {LOOK} WHERE id = 2
        2 {LOOK} WHERE id = 1
        1 commit
        2 commit""",
        lambda s, _: s[1].rows == [[(2, 22)]] and s[2].rows == [[(1, 11)]],
        serializable={2},
    ),
    "OTV: observed transaction vanishes": Case(
        f"""1 UPDATE test SET value = 11 WHERE id = 1
        1 UPDATE test SET value = 19 WHERE id = 2
        2 UPDATE test SET value = 12 WHERE id = 1
        1 commit
        3 {LOOK} WHERE id = 1
        2 UPDATE test SET value = 18 WHERE id = 2
        3 {LOOK} WHERE id = 2
        2 commit
        3 {LOOK} WHERE id = 2
        3 {LOOK} WHERE id = 1
        3 commit""",
        lambda s, _: s[3].rows[0] + s[3].rows[1] != s[3].rows[3] + s[3].rows[2],
    ),
    "PMP: predicate of many rows, read": Case(
        f"""1 {LOOK} WHERE value = 30
        2 INSERT INTO test (id, value) VALUES (3, 30)
        2 commit
        1 {LOOK} WHERE value % 3 = 0
        1 commit""",
        lambda s, _: s[1].rows != [[], []],
    ),
    "PMP: predicate of many rows, write": Case(
        f"""1 UPDATE test SET value = value + 10
        2 {LOOK} WHERE value = 20
        2 DELETE FROM test WHERE value = 20
        1 commit
        2 {LOOK} WHERE value = 20
        2 commit""",
        both,
        default={2},
        serializable={2},
    ),
    "P4: lost update": Case(
        f"""1 {LOOK} WHERE id = 1
        2 {LOOK} WHERE id = 1
        1 UPDATE test SET value = 11 WHERE id = 1
        2 UPDATE test SET value = 11 WHERE id = 1
        1 commit
        2 commit""",
        both,
        default={2},
        serializable={2},
    ),
    "P4: lost update of the same value": Case(
        f"""1 {LOOK} WHERE id = 1
        2 {LOOK} WHERE id = 1
        1 UPDATE test SET value = 11 WHERE id = 1
        2 UPDATE test SET value = 10 WHERE id = 1
        1 commit
        2 commit""",
        both,
        default={2},
        serializable={2},
    ),
    "G-single: read skew": Case(
        f"""1 {LOOK} WHERE id = 1
        2 {LOOK} WHERE id = 1
        2 {LOOK} WHERE id = 2
        2 UPDATE test SET value = 12 WHERE id = 1
        2 UPDATE test SET value = 18 WHERE id = 2
        2 commit
        1 {LOOK} WHERE id = 2
        1 commit""",
        lambda s, _: s[1].rows != [[(1, 10)], [(2, 20)]],
    ),
    "G-single: read skew by a predicate": Case(
        f"""1 {LOOK} WHERE value % 5 = 0
        2 UPDATE test SET value = 12 WHERE value = 10
        2 commit
        1 {LOOK} WHERE value % 3 = 0
        1 commit""",
        lambda s, _: s[1].rows != [[(1, 10), (2, 20)], []],
    ),
    "G-single: read skew, then a write by a predicate": Case(
        f"""1 {LOOK} WHERE id = 1
        2 {LOOK}
        2 UPDATE test SET value = 12 WHERE id = 1
        2 UPDATE test SET value = 18 WHERE id = 2
        2 commit
        1 DELETE FROM test WHERE value = 20
        1 {LOOK} WHERE id = 2
        1 commit""",
        both,
        default={1},
        serializable={1},
    ),
    "G2-item: write skew": Case(
        f"""1 {LOOK} WHERE id IN (1, 2)
        2 {LOOK} WHERE id IN (1, 2)
        1 UPDATE test SET value = 11 WHERE id = 1
        2 UPDATE test SET value = 21 WHERE id = 2
        1 commit
        2 commit""",
        both,
        default=None,
        serializable={2},
    ),
    "G2-item: write skew, cured by promotion": Case(
        f"""1 {LOOK} WHERE id IN (1, 2)
        2 {LOOK} WHERE id IN (1, 2)
        1 UPDATE test SET value = value WHERE id = 2
        2 UPDATE test SET value = value WHERE id = 1
        1 UPDATE test SET value = 11 WHERE id = 1
        2 UPDATE test SET value = 21 WHERE id = 2
        1 commit
        2 commit""",
        both,
        default={2},
        serializable={2},
    ),
    "G2: write skew by a predicate": Case(
        f"""1 {LOOK} WHERE value % 3 = 0
        2 {LOOK} WHERE value % 3 = 0
        1 INSERT INTO test (id, value) VALUES (3, 30)
        2 INSERT INTO test (id, value) VALUES (4, 42)
        1 commit
        2 commit""",
        both,
        default=None,
        serializable={2},
    ),
    "G2: two edges, and one who looks": Case(
        f"""1 {LOOK}
        2 UPDATE test SET value = value + 5 WHERE id = 2
        2 commit
        3 {LOOK}
        3 commit
        1 UPDATE test SET value = 0 WHERE id = 1
        1 commit""",
        lambda s, _: both(s, _) and s[3].rows == [[(1, 10), (2, 25)]],
        default=None,
        serializable={1},
    ),
    "G2: each empties what the other fills": Case(
        """1 DELETE FROM test
        2 DELETE FROM more
        1 INSERT INTO more (id, value) VALUES (3, 30)
        2 INSERT INTO test (id, value) VALUES (4, 40)
        1 commit
        2 commit""",
        both,
        default=None,
        serializable={2},
    ),
}
_names = itertools.count(1)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield f"127.0.0.1:{server.port}"


def settle(connections: list[Connection], seq: int) -> None:
    """Let each replica have what was committed: with push it comes by itself."""
    deadline = time.monotonic() + 10
    while any(connection.replica.state.seq < seq for connection in connections):
        assert time.monotonic() < deadline, "a replica does not follow"
        for connection in connections:
            connection.execute(LOOK).fetchall()
            connection.rollback()


@pytest.mark.parametrize("level", ["default", "serializable"])
@pytest.mark.parametrize("fresh", ["sync", "push"])
@pytest.mark.parametrize("name", CASES)
def test_anomaly(name: str, fresh: str, level: str, address: str) -> None:
    case = CASES[name]
    database = f"hermitage{next(_names)}"
    maker, *others = (connect(address, database, fresh=fresh) for _ in range(4))
    for sql in (
        "CREATE TABLE test (id INTEGER PRIMARY KEY, value INT)",
        "CREATE TABLE more (id INTEGER PRIMARY KEY, value INT)",
        "INSERT INTO test VALUES (1, 10), (2, 20)",
    ):
        maker.execute(sql)
    maker.commit()
    settle(others, maker.replica.state.seq)
    sessions = {number: Session(one) for number, one in enumerate(others, 1)}
    for one in others:
        one.serializable = level == "serializable"
    for line in case.steps.splitlines():
        number, step = line.split(maxsplit=1)
        sessions[int(number)].do(step)
        if step == "commit":
            newest = max(one.replica.state.seq for one in others)
            settle([one for one in (maker, *others) if not one.in_transaction], newest)
    last = sorted(maker.execute(LOOK).fetchall())
    for connection in (maker, *others):
        connection.close()
    failed = {number for number, one in sessions.items() if one.failed}
    expected = case.default if level == "default" else case.serializable
    assert (case.seen(sessions, last), failed) == (expected is None, expected or set())
