"""A client process of the staleness benchmark: ROME's driver alone.

    python staleness_client.py URL

One such process commits, another with ``fresh=push`` notes when each commit has come to it. Both
read the machine's one monotonic clock.
"""

from __future__ import annotations

import random
import sys
import time
from typing import Any

import sqlalchemy as sa
from serving import serve

from discovery.rome.dbapi import connect
from discovery.rome.dialect import RomeDialect

LOOK_S = 0.0002


class Client:
    """One process with one connection."""

    def __init__(self, url: str) -> None:
        _, options = RomeDialect().create_connect_args(sa.make_url(url))
        self._connection = connect(**options)
        self._number = 0

    def make(self, _: dict[str, Any]) -> int:
        """The table."""
        self._connection.execute("CREATE TABLE marks (n INTEGER PRIMARY KEY, at FLOAT)")
        self._connection.commit()
        return self._connection.replica.state.seq

    def write(self, request: dict[str, Any]) -> list[tuple[int, float]]:
        """Commit at random moments, ``rate`` per second: number of the commit, when it was told."""
        done = []
        end = time.monotonic() + request["seconds"]
        while (now := time.monotonic()) < end:
            self._number += 1
            self._connection.execute("INSERT INTO marks VALUES (?, ?)", (self._number, now))
            self._connection.commit()
            done.append((self._connection.replica.state.seq, time.monotonic()))
            time.sleep(random.expovariate(request["rate"]))
        return done

    def watch(self, request: dict[str, Any]) -> list[tuple[int, float]]:
        """Which commit is the newest here, and since when."""
        replica = self._connection.replica
        self._connection.execute("SELECT count(*) FROM marks").fetchall()
        self._connection.commit()
        seen = [(replica.state.seq, time.monotonic())]
        end = time.monotonic() + request["seconds"]
        while (now := time.monotonic()) < end:
            if replica.state.seq != seen[-1][0]:
                seen.append((replica.state.seq, now))
            time.sleep(LOOK_S)
        return seen


def main() -> None:
    client = Client(sys.argv[1])
    serve({}, {"make": client.make, "write": client.write, "watch": client.watch})


if __name__ == "__main__":
    main()
