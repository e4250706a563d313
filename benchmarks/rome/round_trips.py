"""Round trips and times of Nova's and Keystone's operations on each back end, through the WAN.

    python benchmarks/rome/round_trips.py --openstack PYTHON [--rtt 0 20 100] [--out FOLDER]

PYTHON is that of an environment with Nova 34, Keystone 30 and this package. Servers are on site 1,
clients on site 2 (Galera has a node on each site, and its clients use their own). Needs root and
Debian's mariadb-server, galera-4, postgresql, rsync and redis-server.

Round trips are counted first, at the wire, by a proxy beside the client (`counting.py`). Then other
client processes, connected directly, are timed: every operation on each back end in turn, again and
again, so that what else the machine does falls on all alike. ``here`` is a client on the server's
own site, where no WAN is between.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from places import CLIENT, SERVER, Places, places
from rich.console import Console
from servers import DATABASES, SERVERS, Server
from workers import PROXY_PORT, Proxy, Worker

NOVA, NOVA_API, KEYSTONE = "nova_operations.py", "nova_requests.py", "keystone_requests.py"
SCRIPTS = (NOVA, NOVA_API, KEYSTONE)
HERE = -1.0
REPETITIONS = {HERE: 15, 0.0: 15, 20.0: 9, 100.0: 3}
SLOW_REPETITIONS = {HERE: 9, 0.0: 9, 20.0: 5, 100.0: 2}
COUNTED = 5
PEER = "mariadb"
console = Console(stderr=True)


@dataclass(frozen=True)
class Bench:
    """What all steps need."""

    places: Places
    python: Path
    folder: Path
    scripts: tuple[str, ...]
    skip: tuple[str, ...]

    def operations(self, worker: Worker) -> list[str]:
        """Those of ``worker`` that are to be measured."""
        return [name for name in worker.ask("list") if not any(s in name for s in self.skip)]

    def worker(self, server: Server, script: str, urls: dict[str, str], site: str) -> Worker:
        """A client process of ``server`` on ``site``."""
        folder = self.folder / server.name / script.removesuffix(".py")
        folder.mkdir(parents=True, exist_ok=True)
        words = [urls["keystone"]] if script == KEYSTONE else [json.dumps(urls)]
        if script == KEYSTONE and not (folder / "fernet-keys").exists():
            words += [str(folder), "bootstrap"]
        else:
            words += [str(folder)]
        log = self.folder / f"{server.name}-{script.removesuffix('.py')}.log"
        return Worker(self.places, self.python, script, *words, site=site, log=log)


def urls(server: Server, site: str, proxy: Proxy | None = None) -> dict[str, str]:
    host, port = (server.host(site), server.port) if proxy is None else ("127.0.0.1", proxy.port)
    return {name: server.url(name, host, port) for name in DATABASES}


def count(bench: Bench, servers: list[Server]) -> Iterator[dict[str, Any]]:
    """Round trips of each operation, by the proxy; the databases are made on the way."""
    with ExitStack() as open_things:
        proxies = {}
        for number, server in enumerate(servers):
            at = (PROXY_PORT + number, server.host(CLIENT), server.port)
            proxies[server.name] = Proxy(bench.places, bench.python, *at)
            open_things.callback(proxies[server.name].stop)
        for script in bench.scripts:
            started = {
                s.name: bench.worker(s, script, urls(s, CLIENT, proxies[s.name]), CLIENT)
                for s in servers
            }
            for name, worker in started.items():
                worker.wait_ready()
                if script == NOVA:
                    console.print(f"{name}: {worker.ask('populate')} rows per instance")
            for name, worker in started.items():
                for operation in bench.operations(worker):
                    worker.ask("time", operation=operation, times=2)
                    found = counted(worker, proxies[name], operation)
                    console.print(f"{name}: {operation}: {found}")
                    yield {"backend": name, "operation": operation, **found}
                worker.stop()


def counted(worker: Worker, proxy: Proxy, operation: str) -> dict[str, float]:
    """Medians per run, of turns at the wire and of requests that ROME's driver counts."""
    turns, feed, requests = [], [], []
    for _ in range(COUNTED):
        before = proxy.counts()
        requests += worker.ask("time", operation=operation, times=1)["requests"]
        after = proxy.counts()
        turns.append(after["turns"] - before["turns"])
        feed.append(after["feed"] - before["feed"])
    return {
        "round_trips": statistics.median(turns),
        "feed": statistics.median(feed),
        "requests": statistics.median(requests),
    }


def time_all(
    bench: Bench,
    servers: list[Server],
    rtt: float,
    workers: dict[tuple[str, str], Worker],
    share: float,
) -> Iterator[dict[str, Any]]:
    """Wall and CPU milliseconds of every run, back end after back end, at one round-trip time."""
    measured = bench.places.set_rtt(max(rtt, 0.0))
    console.print(f"RTT asked {max(rtt, 0):g} ms, measured {measured:.2f} ms")
    for script in bench.scripts:
        repetitions = (REPETITIONS if script == NOVA else SLOW_REPETITIONS).get(rtt, 5)
        clients = {server.name: workers[server.name, script] for server in servers}
        operations = bench.operations(next(iter(clients.values())))
        order = list(clients)
        for name, operation in ((n, o) for o in operations for n in order if rtt <= 20):
            clients[name].ask("time", operation=operation, times=1)
        for repetition in range(max(2, round(repetitions * share))):
            for operation in operations:
                order = order[1:] + order[:1]
                for name in order:
                    run = clients[name].ask("time", operation=operation, times=1)
                    yield {"backend": name, "operation": operation, "rtt_ms": rtt,
                           "ping_ms": measured, "repetition": repetition,
                           "wall_ms": run["wall_ms"][0], "cpu_ms": run["cpu_ms"][0],
                           "load_average": os.getloadavg()[0]}  # fmt: skip
        console.print(f"  {script} done")


def profiles(bench: Bench, workers: dict[tuple[str, str], Worker]) -> list[dict[str, Any]]:
    """Where the CPU goes, function by function, on MariaDB and on ROME."""
    found = []
    for (name, _), worker in workers.items():
        if name not in {PEER, "rome-sync"}:
            continue
        for operation in bench.operations(worker):
            rows = worker.ask("profile", operation=operation, times=3)
            found += [{"backend": name, "operation": operation, **row} for row in rows]
    return found


def summary(counts: list[dict[str, Any]], runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each operation, back end and RTT: counts, medians, quartiles, ratio to MariaDB."""
    trips = {(c["backend"], c["operation"]): c for c in counts}
    groups: dict[tuple[str, float, str], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["operation"], run["rtt_ms"], run["backend"]), []).append(run)
    rows = []
    for (operation, rtt, name), group in groups.items():
        wall = [run["wall_ms"] for run in group]
        low, _, high = statistics.quantiles(wall, n=4, method="inclusive")
        peer = groups.get((operation, rtt, PEER), ())
        against = statistics.median(run["wall_ms"] for run in peer) if peer else float("nan")
        peer_cpu = statistics.median(run["cpu_ms"] for run in peer) if peer else float("nan")
        median, cpu = statistics.median(wall), statistics.median(run["cpu_ms"] for run in group)
        at_wire = trips.get((name, operation), {})
        level = "here" if rtt == HERE else f"{rtt:g}"
        rows.append({
            "operation": operation, "rtt_ms": level, "backend": name,
            "round_trips": at_wire.get("round_trips"), "requests": at_wire.get("requests"),
            "n": len(wall), "wall_ms": round(median, 2), "wall_q1_ms": round(low, 2),
            "wall_q3_ms": round(high, 2), "cpu_ms": round(cpu, 2),
            "mariadb_over_this": round(against / median, 2),
            "cpu_mariadb_over_this": round(peer_cpu / cpu, 2),
        })  # fmt: skip
    return rows


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def show(rows: list[dict[str, Any]]) -> None:
    """Prints one table per RTT: round trips / wall (quartiles) CPU, per back end."""
    for rtt in dict.fromkeys(row["rtt_ms"] for row in rows):
        print(
            f"\nRTT {rtt} ms: round trips / ms median (quartiles), CPU ms, MariaDB's time over it"
        )
        for operation in dict.fromkeys(row["operation"] for row in rows):
            for row in rows:
                if (row["operation"], row["rtt_ms"]) == (operation, rtt):
                    print(
                        f"{operation:36} {row['backend']:11} {row['round_trips'] or 0:6g} "
                        f"{row['wall_ms']:9.1f} ({row['wall_q1_ms']:.1f}–{row['wall_q3_ms']:.1f}) "
                        f"cpu {row['cpu_ms']:7.1f}  x{row['mariadb_over_this']:.2f} "
                        f"cpu x{row['cpu_mariadb_over_this']:.2f}"
                    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--openstack", type=Path, required=True, help="its python")
    parser.add_argument("--backends", nargs="+", choices=SERVERS, default=list(SERVERS))
    parser.add_argument("--scripts", nargs="+", choices=SCRIPTS, default=list(SCRIPTS))
    parser.add_argument(
        "--rtt", nargs="+", type=float, default=[HERE, 0.0, 20.0, 100.0], help="ms; -1: no WAN"
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the repetitions")
    parser.add_argument("--skip", nargs="*", default=[], help="operations with this in their name")
    parser.add_argument("--prefix", default="10.83", help="of the addresses used")
    parser.add_argument("--out", type=Path, default=Path("results/rome"))
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("benchmarks/rome/round_trips.py makes network namespaces: run it as root.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    runs: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as temporary,
        places(arguments.prefix) as sites,
        ExitStack() as stack,
    ):
        bench = Bench(
            sites,
            arguments.openstack,
            Path(temporary),
            tuple(arguments.scripts),
            tuple(arguments.skip),
        )
        servers = []
        for name in arguments.backends:
            servers.append(SERVERS[name](sites))
            stack.callback(servers[-1].stop)
        counts = list(count(bench, servers))
        for site, levels in ((SERVER, [HERE]), (CLIENT, [r for r in arguments.rtt if r >= 0])):
            if site == SERVER and HERE not in arguments.rtt:
                continue
            workers = {
                (server.name, script): bench.worker(server, script, urls(server, site), site)
                for script in bench.scripts
                for server in servers
            }
            for worker in workers.values():
                worker.wait_ready()
            for rtt in levels:
                runs += time_all(bench, servers, rtt, workers, arguments.share)
                rows = summary(counts, runs)
                write_csv(arguments.out / "round-trips.csv", rows)
            if site == CLIENT:
                sites.set_rtt(0)
                write_csv(arguments.out / "profile.csv", profiles(bench, workers))
            for worker in workers.values():
                worker.stop()
    write_csv(arguments.out / "round-trips-runs.csv", runs)
    show(rows)


if __name__ == "__main__":
    main()
