"""What runs inside a client process: named operations, timed when the other side asks.

A request is a line of JSON on standard input, its answer a line on standard output:
``{"do": "time", "operation": o, "times": n}`` gives lists of wall and CPU milliseconds and
of ROME's requests; ``profile`` gives the functions that took the time; other verbs are the
client's own.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from discovery.rome.store import Store

Operation = Callable[[], object]
Verb = Callable[[dict[str, Any]], Any]
ROME = "discovery/rome"
FEED = "rome-feed"


class Requests:
    """What ROME asks Redis in this process, but for what its push feed asks in the background."""

    def __init__(self) -> None:
        self.count = 0
        ask = Store.request

        def request(store: Store, *arguments: Any, **options: Any) -> Any:
            if threading.current_thread().name != FEED:
                self.count += 1
            return ask(store, *arguments, **options)

        Store.request = request  # type: ignore[method-assign]


requests = Requests()


def rome_counters() -> dict[str, int]:
    """ROME's counters, of all replicas of this process."""
    module = sys.modules.get("discovery.rome.dbapi")
    total: dict[str, int] = {}
    for replica, _ in module._replicas.values() if module else ():
        for name in replica.counters.__slots__:
            total[name] = total.get(name, 0) + getattr(replica.counters, name)
    return total


def timed(operation: Operation, times: int) -> dict[str, list[float]]:
    """Each run by itself."""
    wall, cpu, asked_for = [], [], []
    for _ in range(times):
        asked, used, start = requests.count, time.process_time(), time.perf_counter()
        operation()
        wall.append(1e3 * (time.perf_counter() - start))
        cpu.append(1e3 * (time.process_time() - used))
        asked_for.append(float(requests.count - asked))
    return {"wall_ms": wall, "cpu_ms": cpu, "requests": asked_for}


def profiled(operation: Operation, times: int) -> list[dict[str, Any]]:
    """The functions with the most time of their own, per run, and those of ROME with all of it."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(times):
        operation()
    profile.disable()
    rows = [
        {
            "function": f"{short(file)}:{line} {name}",
            "calls": calls / times,
            "own_ms": 1e3 * own / times,
            "all_ms": 1e3 * whole / times,
        }
        for (file, line, name), (_, calls, own, whole, _) in pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
    ]
    top = sorted(rows, key=lambda row: -row["own_ms"])[:30]
    ours = sorted((r for r in rows if ROME in r["function"]), key=lambda row: -row["all_ms"])[:30]
    return [*top, *(row for row in ours if row not in top)]


def short(file: str) -> str:
    """A path from its package on."""
    return file.rpartition("site-packages/")[2].rpartition("/main/")[2]


def serve(operations: dict[str, Operation], verbs: dict[str, Verb] | None = None) -> None:
    """Answer requests until standard input ends; what else is printed goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    known: dict[str, Verb] = {
        "time": lambda r: timed(operations[r["operation"]], r["times"]),
        "profile": lambda r: profiled(operations[r["operation"]], r["times"]),
        "list": lambda _: list(operations),
        "counters": lambda _: rome_counters(),
        **(verbs or {}),
    }
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"answer": known[request["do"]](request)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)
