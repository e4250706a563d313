"""How many conflicts reach Nova: several processes write the same rows, on each back end in turn.

    python benchmarks/rome/conflicts.py --openstack PYTHON [--processes 4 8] [--rtt 0 20]

Clients are spread over the three sites (on Galera each uses its own site's node). ``lost`` is by
how much a counter that everybody counts up, in transactions that read it and write the next number,
is lower than the number of those that were committed. ``reached the caller`` is what comes out of
Nova's objects, after the retries that Nova has. Needs what round_trips.py needs.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from places import SITES, Places, places
from round_trips import urls, write_csv
from servers import SERVERS
from workers import Worker

DRIVER = ("commits", "conflicts", "replayed", "deadlocks")


def one(
    sites: Places, python: Path, backend: str, processes: int, rtts: list[float], seconds: float
) -> list[dict[str, Any]]:
    """All results of one back end with ``processes`` clients."""
    sites.set_rtt(0)
    server = SERVERS[backend](sites)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            clients = []
            for number in range(processes):
                site = SITES[number % len(SITES)]
                words = (json.dumps(urls(server, site)), f"{temporary}/{number}", str(number))
                log = Path(temporary) / f"{number}.log"
                script = "conflict_client.py"
                clients.append(Worker(sites, python, script, *words, site=site, log=log))
                if not number:
                    shared = clients[0].wait_ready().ask("make")
            for client in clients[1:]:
                client.wait_ready()
            for client in clients:
                client.ask("prepare", shared=shared)
            rows = [once(sites, clients, rtt, seconds) for rtt in rtts]
            for client in clients:
                client.stop()
    finally:
        server.stop()
    return [{"backend": backend, "processes": processes, **row} for row in rows]


def once(sites: Places, clients: list[Worker], rtt: float, seconds: float) -> dict[str, Any]:
    """The mix at one round-trip time."""
    sites.set_rtt(rtt)
    before = clients[0].ask("count")
    for client in clients:
        client.send("work", seconds=seconds)
    found = [client.receive() for client in clients]
    done: collections.Counter[str] = collections.Counter()
    errors: collections.Counter[str] = collections.Counter()
    driver: collections.Counter[str] = collections.Counter()
    for result in found:
        done.update(result["done"])
        errors.update(result["errors"])
        driver.update({name: result["rome"].get(name, 0) for name in DRIVER})
    operations = sum(done.values())
    reached = sum(n for name, n in errors.items() if not name.startswith("expected"))
    return {
        "rtt_ms": rtt, "seconds": seconds, "operations": operations, "counted": done["count up"],
        "lost": done["count up"] - (clients[0].ask("count") - before),
        "reached_the_caller": reached, "per_1000": round(1000 * reached / max(1, operations), 2),
        "of_them_count_up": sum(n for name, n in errors.items() if name.startswith("count up")),
        **{f"driver_{name}": driver[name] for name in DRIVER},
        "errors": json.dumps(errors, sort_keys=True),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--openstack", type=Path, required=True, help="its python")
    parser.add_argument("--backends", nargs="+", choices=SERVERS, default=list(SERVERS))
    parser.add_argument("--processes", nargs="+", type=int, default=[4, 8])
    parser.add_argument("--rtt", nargs="+", type=float, default=[0.0, 20.0], help="ms")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--prefix", default="10.85", help="of the addresses used")
    parser.add_argument("--out", type=Path, default=Path("results/rome"))
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("benchmarks/rome/conflicts.py makes network namespaces: run it as root.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with places(arguments.prefix) as sites:
        for processes in arguments.processes:
            for name in arguments.backends:
                these = one(
                    sites, arguments.openstack, name, processes, arguments.rtt, arguments.seconds
                )
                for row in these:
                    print(row, flush=True)
                rows += these
                write_csv(arguments.out / "conflicts.csv", rows)


if __name__ == "__main__":
    main()
