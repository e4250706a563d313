"""ROME's operations, a process of `work.py`: asked with a name and a number on each line.

It answers with the seconds of its own processor that they took. The database is made first.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import sqlalchemy as sa

ROWS = 2_000
OTHERS = 8
"""Commits of others that a transaction finds at once."""


class Operations:
    """Two sessions of one database: each applies what the other one commits."""

    def __init__(self, url: str) -> None:
        metadata = sa.MetaData()
        self._server = sa.Table(
            "server",
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("uuid", sa.String(36), unique=True),
            sa.Column("host", sa.String(64), index=True),
            sa.Column("v", sa.Integer),
            sa.Column("text", sa.String(255)),
        )
        sa.Table(
            "tag",
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("server", sa.ForeignKey("server.id"), index=True),
            sa.Column("name", sa.String(64)),
            sa.Column("text", sa.String(255)),
        )
        self._engine = sa.create_engine(url)
        metadata.create_all(self._engine)
        with self._engine.begin() as connection:
            rows = [
                {"id": i, "uuid": f"{i:036d}", "host": f"h{i % 20}", "v": 0, "text": "t" * 100}
                for i in range(ROWS)
            ]
            connection.execute(self._server.insert(), rows)
        self._own = self._engine.raw_connection()
        # with another option it is another replica, as another process has one
        self._other = sa.create_engine(f"{url}?timeout=11").raw_connection()
        self._number = 0

    def _next(self) -> int:
        self._number += 7
        return self._number % ROWS

    def read(self) -> None:
        cursor = self._own.cursor()
        cursor.execute("SELECT v FROM server WHERE id = ?", (self._next(),))
        cursor.fetchone()
        self._own.rollback()

    def change(self) -> None:
        cursor, number = self._own.cursor(), self._next()
        cursor.execute("SELECT v FROM server WHERE id = ?", (number,))
        (value,) = cursor.fetchone() or (0,)
        cursor.execute("UPDATE server SET v = ? WHERE id = ?", (value + 1, number))
        self._own.commit()

    def insert(self) -> None:
        number = self._next()
        self._own.cursor().execute(
            "INSERT INTO tag (id, server, name, text) VALUES (rome_id('tag', 'id'), ?, ?, ?)",
            (number, f"n{number}", "x" * 60),
        )
        self._own.commit()

    def change_by_sqlalchemy(self) -> None:
        table, number = self._server.c, self._next()
        with self._engine.begin() as connection:
            value = connection.execute(sa.select(table.v).where(table.id == number)).scalar()
            change = self._server.update().where(table.id == number).values(v=(value or 0) + 1)
            connection.execute(change)

    def commits_of_others(self) -> None:
        for _ in range(OTHERS):
            number = self._next()
            cursor = self._other.cursor()
            cursor.execute("UPDATE server SET v = v + 1 WHERE id = ?", (number,))
            self._other.commit()


def times(operations: Operations) -> dict[str, Callable[[int], float]]:
    """What can be asked for: so many of them, and their seconds."""

    def plain(one: Callable[[], None]) -> Callable[[int], float]:
        def many(count: int) -> float:
            begun = time.process_time()
            for _ in range(count):
                one()
            return time.process_time() - begun

        return many

    def behind(count: int) -> float:
        spent = 0.0
        for _ in range(count):
            operations.commits_of_others()
            begun = time.process_time()
            operations.read()
            spent += time.process_time() - begun
        return spent

    return {
        "read": plain(operations.read),
        "read and change": plain(operations.change),
        "insert": plain(operations.insert),
        "read and change, SQLAlchemy": plain(operations.change_by_sqlalchemy),
        f"read behind {OTHERS} commits": behind,
    }


def main() -> None:
    do = times(Operations(sys.argv[1]))
    for warm in do.values():
        warm(30)
    print(*do, sep="\t", flush=True)
    for line in sys.stdin:
        name, _, count = line.rpartition("\t")
        print(do[name](int(count)), flush=True)


if __name__ == "__main__":
    main()
