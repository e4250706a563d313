"""What a call, and a statement in it, cost more with the probe: in one process, on SQLite.

    python benchmarks/probe/direct.py

SQLAlchemy is all it needs. The engine has a listener already, as each of oslo.db's has: what the
first one costs is not the probe's. Each figure is the least of many loops' CPU time: what else the
machine does can only add to it. Without and with the probe are measured in this order, since its
listeners stay. Compare with the CPU time of Nova's operations (`overhead.py`).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from discovery.probe import round_trips
from discovery.probe.calls import watched
from discovery.probe.lines import Header
from discovery.probe.record import Record

LOOP = 25
LOOPS = 60
STATEMENTS = (0, 1, 11)


def least(work: Callable[[], None]) -> float:
    """µs of CPU of one ``work``."""
    found = []
    for _ in range(LOOPS):
        began = time.process_time()
        for _ in range(LOOP):
            work()
        found.append(1e6 * (time.process_time() - began) / LOOP)
    return min(found)


def accesses(engine: sa.Engine) -> dict[int, Callable[[], None]]:
    """A call with so many statements, by their number; with none it opens no connection."""
    statement = sa.text("SELECT 1")

    def access(count: int) -> None:
        if not count:
            return
        with engine.begin() as connection:
            for _ in range(count):
                connection.execute(statement)

    return {count: (lambda count=count: access(count)) for count in STATEMENTS}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = sa.create_engine(f"sqlite:///{folder}/data.db", pool_pre_ping=True)
        sa.event.listen(engine, "handle_error", lambda context: None)
        plain = accesses(engine)
        without = {count: least(work) for count, work in plain.items()}
        record = Record(Path(folder), Header("direct", 1, "here", "site-1"))
        round_trips.listen(lambda: record)
        seen = {
            count: watched(work, "db.main.api.direct", lambda: record)
            for count, work in plain.items()
        }
        probed = {count: least(work) for count, work in seen.items()}
        engine.dispose()
    more = {count: probed[count] - without[count] for count in STATEMENTS}
    print(f"a call:              + {more[0]:6.1f} µs")
    print(f"its transaction:     + {more[1] - more[0] - (more[11] - more[1]) / 10:6.1f} µs")
    print(f"each statement:      + {(more[11] - more[1]) / 10:6.1f} µs")
    print(f"a call of 1 statement: {without[1]:.0f} → {probed[1]:.0f} µs; of 11: "
          f"{without[11]:.0f} → {probed[11]:.0f} µs (SQLAlchemy and SQLite alone)")  # fmt: skip


if __name__ == "__main__":
    main()
