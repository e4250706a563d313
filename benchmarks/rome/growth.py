"""How ROME grows: with the instances of a database, and with the processes that use it.

    python benchmarks/rome/growth.py --openstack PYTHON [--instances 1000 10000 100000]

For each size: the boot of a replica and its memory, what a commit costs in the process that makes
it, in Redis, and in a process that only follows; how long the log gets by it; and how many commits
per second 1, 10 and 50 processes make together. Client and server share this machine, and no WAN is
between: what is measured is work, not delay. CPU time hardly depends on what else the machine does;
commits per second do. Needs root and redis-server; writes ``growth.csv`` into ``--out``.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from places import SERVER, Places, places
from rich.console import Console
from round_trips import write_csv
from servers import Rome
from workers import HERE, Worker

DATABASE = "nova_cell1"
FOLLOWED = 400
console = Console(stderr=True)


class Memory(Rome):
    """A Redis that keeps nothing on disk, as boot and memory are what is measured."""

    durable = False


def seed(sites: Places, python: Path, url: str, folder: Path, count: int) -> None:
    words = (str(python), str(HERE / "growth_seed.py"), url, str(folder), str(count))
    done = subprocess.run(
        sites.command(SERVER, *words), capture_output=True, text=True, check=False,
        env={**os.environ, "OS_NOVA_DISABLE_EVENTLET_PATCHING": "1"},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"the database could not be filled:\n{done.stderr[-3000:]}")


def log_bytes(sites: Places, url: str) -> dict[str, float]:
    """Bytes of Redis' memory per commit in the log, with and without the index of versions."""
    port = url.rpartition(":")[2].partition("/")[0]

    def ask(*words: str) -> int:
        command = sites.command(SERVER, "redis-cli", "-p", port, *words)
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    prefix = f"rome:{{{DATABASE}}}"
    entries = ask("XLEN", f"{prefix}:log")
    log = ask("MEMORY", "USAGE", f"{prefix}:log", "SAMPLES", "0")
    versions = ask("MEMORY", "USAGE", f"{prefix}:versions", "SAMPLES", "0")
    return {
        "log_entries": entries,
        "log_bytes": log / entries,
        "versions_bytes": versions / entries,
    }


def one_size(
    sites: Places, python: Path, count: int, processes: list[int], seconds: float, folder: Path
) -> list[dict[str, Any]]:
    """All rows of the result for a database with ``count`` instances."""
    server = Memory(sites)
    try:
        url = server.url(DATABASE, server.host(SERVER), server.port)
        seed(sites, python, url, folder, count)
        writer, follower = (
            Worker(sites, python, "growth_client.py", url, site=SERVER, log=folder / f"{name}.log")
            .wait_ready()
            for name in ("writer", "follower")
        )  # fmt: skip
        booted = [client.ask("boot") for client in (writer, follower)]
        console.print(count, booted)
        writer.ask("time", operation="commit", times=20)
        follower.ask("catch up")
        used = server.cpu_s()
        runs = writer.ask("time", operation="commit", times=2 * FOLLOWED)
        server_us = 1e6 * (server.cpu_s() - used) / (2 * FOLLOWED)
        single = follower.ask("one by one", most=FOLLOWED)
        batch = follower.ask("catch up")
        facts = {
            "instances": count,
            "boot_s": min(b["boot_s"] for b in booted),
            "boot_cpu_s": min(b["boot_cpu_s"] for b in booted),
            "replica_mb": min(b["memory_mb"] for b in booted),
            "pages_mb": booted[0]["pages_mb"],
            "commit_cpu_us": 1e3 * sum(runs["cpu_ms"]) / len(runs["cpu_ms"]),
            "server_cpu_us": server_us,
            "apply_cpu_us": 1e6 * single["cpu_s"] / single["entries"],
            "apply_batch_cpu_us": 1e6 * batch["cpu_s"] / batch["entries"],
            **log_bytes(sites, url),
        }
        console.print(facts)
        follower.stop()
        rows = []
        for number in processes:
            used = server.cpu_s()
            done = writer.ask("work", processes=number, seconds=seconds)
            used = server.cpu_s() - used
            commits = sum(result["commits"] for result in done)
            rows.append({
                **facts, "processes": number, "commits_per_s": commits / seconds,
                "server_cpu_share": used / seconds,
                "client_cpu_us": 1e6 * sum(r["cpu_s"] for r in done) / max(commits, 1),
                "applied_per_commit": sum(r["applied"] for r in done) / max(commits, 1),
                "conflicts": sum(r["conflicts"] for r in done),
                "replayed": sum(r["replayed"] for r in done),
                "deadlocks": sum(r["deadlocks"] for r in done),
                "own_mb": sum(r["memory_mb"] for r in done) / number,
                "load_average": os.getloadavg()[0],
            })  # fmt: skip
            console.print({k: v for k, v in rows[-1].items() if k not in facts})
        writer.stop()
        return rows
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--openstack", type=Path, required=True, help="its python")
    parser.add_argument("--instances", nargs="+", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 10, 50])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each throughput")
    parser.add_argument("--prefix", default="10.84", help="of the addresses used")
    parser.add_argument("--out", type=Path, default=Path("results/rome"))
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("benchmarks/rome/growth.py makes network namespaces: run it as root.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with places(arguments.prefix) as sites, tempfile.TemporaryDirectory() as temporary:
        for count in arguments.instances:
            folder = Path(temporary) / str(count)
            folder.mkdir()
            rows += one_size(
                sites, arguments.openstack, count, arguments.processes, arguments.seconds, folder
            )
            rounded = [
                {
                    key: round(value, 4) if isinstance(value, float) else value
                    for key, value in row.items()
                }
                for row in rows
            ]
            write_csv(arguments.out / "growth.csv", rounded)


if __name__ == "__main__":
    main()
