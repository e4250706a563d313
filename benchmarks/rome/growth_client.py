"""A client process of the growth benchmark: ROME's driver alone, without Nova around it.

    python growth_client.py URL

Its transaction is the one a compute node makes most: read an instance by its UUID, write its state
and one row of its metadata, commit.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
from typing import Any

import psutil
import sqlalchemy as sa
from serving import rome_counters, serve

from discovery.rome.dbapi import connect
from discovery.rome.dialect import RomeDialect
from discovery.rome.errors import Deadlock

READ = "SELECT id, vm_state, task_state, host FROM instances WHERE uuid = ? AND deleted = 0"
STATE = "UPDATE instances SET task_state = ?, updated_at = ? WHERE id = ?"
METADATA = 'UPDATE instance_system_metadata SET "value" = ? WHERE id = ?'


def memory_mb() -> float:
    """What this process has for itself."""
    gc.collect()
    return float(psutil.Process().memory_full_info().uss) / 1e6


class Client:
    """One process with one connection."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        self._number = 0

    def boot(self, _: dict[str, Any]) -> dict[str, float]:
        """Build the replica: seconds, and memory before and after."""
        _, options = RomeDialect().create_connect_args(self._url)
        before, start, cpu = memory_mb(), time.perf_counter(), time.process_time()
        self._connection = connect(**options)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        execute = self._connection.execute
        self._uuids = [row[0] for row in execute("SELECT uuid FROM instances")]
        self._metadata = [row[0] for row in execute("SELECT id FROM instance_system_metadata")]
        self._connection.rollback()
        random.seed(os.getpid())
        return {
            "boot_s": wall, "boot_cpu_s": cpu, "memory_mb": memory_mb() - before,
            "pages_mb": self._connection.replica.state.pages.count * 4096 / 1e6,
        }  # fmt: skip

    def commit(self) -> None:
        """One transaction; a deadlock is begun again, as Nova would."""
        connection = self._connection
        self._number += 1
        while True:
            try:
                row = connection.execute(READ, (random.choice(self._uuids),)).fetchone()
                assert row is not None
                moment = f"2026-01-01 00:00:{self._number % 60:02d}"
                connection.execute(STATE, (f"t{self._number}", moment, row[0]))
                connection.execute(METADATA, (str(self._number), random.choice(self._metadata)))
                connection.commit()
            except Deadlock:
                continue
            return

    def work(self, request: dict[str, Any]) -> dict[str, float]:
        """Commit for some seconds, as fast as it goes or ``rate`` times per second."""
        seconds, rate = request["seconds"], request.get("rate")
        before, cpu = rome_counters(), time.process_time()
        start = time.perf_counter()
        done = 0
        while (now := time.perf_counter() - start) < seconds:
            if rate and done / rate > now:
                time.sleep(min(done / rate - now, seconds - now))
                continue
            self.commit()
            done += 1
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        after = rome_counters()
        return {"commits": done, "wall_s": wall, "cpu_s": cpu,
                **{name: after[name] - before[name] for name in after}}  # fmt: skip

    def work_forked(self, request: dict[str, Any]) -> list[dict[str, float]]:
        """`work` in several children at once, forked as a web server's workers are."""
        self._connection.replica.fresh()  # once, and not in each child
        children = []
        for _ in range(request["processes"]):
            theirs, ours = os.pipe()
            child = os.fork()
            if not child:
                random.seed(os.getpid())
                result = self.work(request) | {"memory_mb": memory_mb()}
                os.write(ours, json.dumps(result).encode())
                os._exit(0)
            os.close(ours)
            children.append((child, theirs))
        results = []
        for child, theirs in children:
            with os.fdopen(theirs) as answer:
                results.append(json.loads(answer.read()))
            os.waitpid(child, 0)
        return results

    def catch_up(self, _: dict[str, Any]) -> dict[str, float]:
        """Apply what others have committed meanwhile: entries, and seconds of CPU for them."""
        replica = self._connection.replica
        before, cpu = replica.counters.applied, time.process_time()
        replica.fresh()
        return {"entries": replica.counters.applied - before, "cpu_s": time.process_time() - cpu}

    def apply_one_by_one(self, request: dict[str, Any]) -> dict[str, float]:
        """The same, an entry at a time, as they come to an idle process."""
        replica = self._connection.replica
        state = replica.state
        reply = replica.store.request(
            lambda client: client.xrange(
                replica.store.keys.log, f"({state.seq}-0", "+", request["most"]
            )
        )
        entries = [(int(n.split(b"-")[0]), f[b"h"], f[b"d"]) for n, f in reply]
        cpu = time.process_time()
        for entry in entries:
            replica.advance([entry])
        return {"entries": len(entries), "cpu_s": time.process_time() - cpu,
                "applied": replica.state.seq - state.seq}  # fmt: skip


def main() -> None:
    client = Client(sys.argv[1])
    serve(
        {"commit": client.commit},
        {
            "boot": client.boot,
            "work": client.work_forked,
            "catch up": client.catch_up,
            "one by one": client.apply_one_by_one,
        },
    )


if __name__ == "__main__":
    main()
