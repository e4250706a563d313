"""What the probe costs: Nova's operations on a real database, with it and without, in turns.

    python benchmarks/probe/overhead.py --openstack PYTHON [--on mariadb postgresql rome]
        [--pairs 3] [--rounds 20] [--out FILE.json]

PYTHON is that of an environment with Nova 34 and this package. A pair is two client processes on
one server on loopback, one of which has the probe loaded. In each round both run each operation,
one right after the other, by turns the first. Compared is the CPU time of the client's process,
which is what the probe adds to; on a machine that does other things, too, it says more than time on
the clock, which is given beside it. The ratio is that of the sums of each operation's median; its
interval (95 %) is from drawing rounds again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from discovery.probe.lines import read  # noqa: E402
from tests.mariadb_servers import mariadb_server  # noqa: E402
from tests.postgresql_servers import postgresql_server  # noqa: E402
from tests.redis_servers import redis_server  # noqa: E402

DATABASES = ("nova_api", "nova_cell1")
OPERATIONS = (
    "instance.create", "instance.get_by_uuid, 7 joined", "instance.save", "service heartbeat",
    "action start, event start, finish", "list 100 by host", "instance.destroy",
)  # fmt: skip
TIMES = 2
"""How often each is run in a round."""
DRAWS = 2000


@contextlib.contextmanager
def mariadb() -> Iterator[Callable[[str], str]]:
    with mariadb_server() as server:
        for name in DATABASES:
            server.create(name)
        yield server.url


@contextlib.contextmanager
def postgresql() -> Iterator[Callable[[str], str]]:
    with postgresql_server() as server:
        for name in DATABASES:
            server.create(name)
        yield lambda name: server.url(name, "psycopg2", sslmode="disable")


@contextlib.contextmanager
def rome() -> Iterator[Callable[[str], str]]:
    with tempfile.TemporaryDirectory() as folder, redis_server(folder) as server:
        yield server.url


SERVERS = {"mariadb": mariadb, "postgresql": postgresql, "rome": rome}


class Client:
    """A process of Nova's objects."""

    def __init__(self, python: str, urls: dict[str, str], folder: Path, *, probed: bool) -> None:
        self.records = folder / "records"
        self.records.mkdir(parents=True)
        words = [python, str(HERE / "nova_probed.py"), json.dumps(urls), str(folder)]
        self.process = subprocess.Popen(
            [*words, str(self.records) if probed else "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._answer() == "ready"

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def do(self, verb: str, **more: Any) -> Any:
        """One request and its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": verb, **more}) + "\n")
        self.process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise SystemExit(answer["error"])
        return answer["answer"]

    def run(self, operation: str) -> tuple[float, float]:
        """CPU and wall ms of one run, the mean of `TIMES`."""
        timed = self.do("time", operation=operation, times=TIMES)
        return statistics.mean(timed["cpu_ms"]), statistics.mean(timed["wall_ms"])

    def calls(self) -> int:
        """How many the probe has recorded."""
        return sum(len(read(file)[1]) for file in self.records.iterdir())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


Round = dict[str, list[tuple[float, float]]]
"""Of each operation, CPU and wall ms: with the probe, and without."""


def pair(python: str, urls: dict[str, str], folder: Path, rounds: int, number: int) -> list[Round]:
    """Each round of both clients."""
    clients = [
        Client(python, urls, folder / "with", probed=True),
        Client(python, urls, folder / "without", probed=False),
    ]
    try:
        if number == 0:
            clients[0].do("populate")
        for _ in range(2):  # connections, caches
            for client in clients:
                for operation in OPERATIONS:
                    client.run(operation)
        done = []
        for turn in range(rounds):
            order = (0, 1) if (turn + number) % 2 else (1, 0)
            both: Round = {}
            for operation in OPERATIONS:
                took = {which: clients[which].run(operation) for which in order}
                both[operation] = [took[0], took[1]]
            done.append(both)
        assert clients[0].calls() > rounds
        assert clients[1].calls() == 0
        return done
    finally:
        for client in clients:
            client.stop()


def ratio(rounds: list[Round], operations: Sequence[str], measure: int) -> tuple[float, float]:
    """Sums of the operations' medians in ms: with the probe, and without."""
    on, off = (
        sum(
            statistics.median(both[operation][which][measure] for both in rounds)
            for operation in operations
        )
        for which in (0, 1)
    )
    return on, off


def summary(rounds: list[Round], operations: Sequence[str], measure: int) -> dict[str, float]:
    """Both sums, their ratio, and its interval."""
    on, off = ratio(rounds, operations, measure)
    draw = random.Random(0)
    drawn = []
    for _ in range(DRAWS):
        again = ratio(draw.choices(rounds, k=len(rounds)), operations, measure)
        drawn.append(again[0] / again[1])
    cuts = statistics.quantiles(drawn, n=40)
    return {
        "with_ms": on, "without_ms": off, "ratio": on / off, "low": cuts[0], "high": cuts[-1],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--openstack", required=True)
    parser.add_argument("--on", nargs="+", choices=list(SERVERS), default=list(SERVERS))
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    results: dict[str, Any] = {}
    for name in given.on:
        rounds: list[Round] = []
        with SERVERS[name]() as url, tempfile.TemporaryDirectory() as folder:
            urls = {database: url(database) for database in DATABASES}
            for number in range(given.pairs):
                place = Path(folder) / str(number)
                rounds += pair(given.openstack, urls, place, given.rounds, number)
        results[name] = {
            "rounds": len(rounds),
            "cpu": summary(rounds, OPERATIONS, 0),
            "wall": summary(rounds, OPERATIONS, 1),
            "cpu_of": {operation: summary(rounds, [operation], 0) for operation in OPERATIONS},
        }
        for measure in ("cpu", "wall"):
            one = results[name][measure]
            print(
                f"{name:10} {measure:4} {one['without_ms']:8.1f} ms → {one['with_ms']:8.1f} ms  "
                f"× {one['ratio']:.3f} [{one['low']:.3f} … {one['high']:.3f}]",
                flush=True,
            )
    if given.out:
        given.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
