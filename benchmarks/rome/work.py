"""What ROME's work costs beside another ROME: an older commit's, in the same run.

    git worktree add ../older COMMIT
    python benchmarks/rome/work.py --beside ../older [--rounds 20]

Each has a Redis of its own, without a disk. They take turns, some milliseconds each, so that
whatever else the machine does meets both alike. Of each operation: microseconds of the client's
processor and of Redis (its own count for scripts), the least of all rounds, and the median of the
ratio of two neighbouring rounds. Times depend on the machine; ratios hardly.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import redis

HERE = Path(__file__).resolve().parent
AT_ONCE = 40
"""Operations of one turn."""

READY_S = 20.0


def free_port() -> int:
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as listener:
            if listener.connect_ex(("127.0.0.1", port)):
                return port


class Contender:
    """A checkout's client, and its Redis."""

    def __init__(self, checkout: Path, folder: str) -> None:
        port = free_port()
        self._server = subprocess.Popen(
            ["redis-server", "--port", str(port), "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        self._redis: Any = redis.Redis(port=port)
        until = time.monotonic() + READY_S
        while True:
            try:
                self._redis.ping()
                break
            except redis.ConnectionError:
                if time.monotonic() > until:
                    raise SystemExit("redis-server does not start") from None
                time.sleep(0.05)
        self._client = subprocess.Popen(
            [sys.executable, "-P", str(HERE / "work_client.py"), f"rome://127.0.0.1:{port}/work"],
            env={**os.environ, "PYTHONPATH": str(checkout), "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.operations = self._line().split("\t")

    def _line(self) -> str:
        assert self._client.stdout is not None
        line = self._client.stdout.readline()
        if not line:
            raise SystemExit("a client ended")
        return line.rstrip("\n")

    def turn(self, operation: str) -> tuple[float, float]:
        """Microseconds of the client, and of Redis, for one of them."""
        assert self._client.stdin is not None
        self._redis.config_resetstat()
        print(operation, AT_ONCE, sep="\t", file=self._client.stdin, flush=True)
        client = float(self._line())
        scripts = self._redis.info("commandstats")["cmdstat_evalsha"]
        return 1e6 * client / AT_ONCE, scripts["usec"] / AT_ONCE

    def stop(self) -> None:
        for process in (self._client, self._server):
            process.kill()
            process.wait()


def compared(ours: list[float], theirs: list[float]) -> str:
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return f"{min(ours):8.0f} {min(theirs):8.0f} {min(ours) / min(theirs):6.2f} {ratio:6.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--beside", type=Path, required=True, help="another checkout")
    parser.add_argument("--rounds", type=int, default=20)
    words = parser.parse_args()
    for checkout in (HERE.parents[1], words.beside.resolve()):
        if not (checkout / "discovery" / "rome").is_dir():
            parser.error(f"--beside {checkout}: no checkout, it has no discovery/rome")
    if words.rounds < 1:
        parser.error(f"--rounds {words.rounds}: 1 or more")
    contenders: list[Contender] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for checkout in (HERE.parents[1], words.beside.resolve()):
                contenders.append(Contender(checkout, folder))
            operations = contenders[0].operations
            found: dict[str, list[list[tuple[float, float]]]] = {
                operation: [[], []] for operation in operations
            }
            for _ in range(words.rounds):
                for operation in operations:
                    for contender, turns in zip(contenders, found[operation], strict=True):
                        turns.append(contender.turn(operation))
        finally:
            for contender in contenders:
                contender.stop()
    print(f"{'µs: this, the other, ratio of least, median ratio':48} client, then Redis")
    for operation, (ours, theirs) in found.items():
        sides = [compared([t[i] for t in ours], [t[i] for t in theirs]) for i in (0, 1)]
        print(f"{operation:28} {'  |  '.join(sides)}")


if __name__ == "__main__":
    main()
