"""Three Keystones on one database, writers on the same few rows, with replay off and on.

    python benchmarks/replay/compare.py [--seconds 600] [--writers 20] [--rtt 10] [--tries N] …
        [--products postgresql-serializable galera rome rome-cluster]

Each product has three sites, `--rtt` ms apart, with a Keystone on each; clients talk to their own
site's. For each product and mode a line of JSON: requests, failures seen by clients, replays, marks
written more than once or told and not there, requests that ended well per second. Needs root, the
products' Debian packages, and OpenStack's Python (made by tests/upstream/openstack).
"""

from __future__ import annotations

import argparse
import collections
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [
    str(HERE), str(HERE.parent / "rome"), str(REPOSITORY / "tests/upstream/openstack"),
    str(REPOSITORY),
]  # fmt: skip

import keystone_site  # noqa: E402
import servers  # noqa: E402
from environment import openstack_bin  # noqa: E402
from places import SITES, Places, places  # noqa: E402

PORT = 5000
DATABASE = "keystone"


class Serializable(servers.PostgreSQL):
    """PostgreSQL; the URL makes it so."""

    name = "postgresql-serializable"

    def url(self, database: str, host: str, port: int) -> str:
        return super().url(database, host, port).replace("+psycopg2", "+oslo")


class Rome(servers.Rome):
    """One Redis server, whose log keeps everything."""

    name = "rome"

    def url(self, database: str, host: str, port: int) -> str:
        return f"rome://{host}:{port}/{database}?keep=10000000"


class RomeCluster(Rome):
    """A master on each site, without replicas."""

    name = "rome-cluster"
    port = 6381

    def start(self) -> None:
        log = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
        nodes = []
        for site in SITES:
            folder = self.folder / site
            folder.mkdir()
            listen = ("--port", str(self.port), "--bind", "0.0.0.0", "--protected-mode", "no")
            cluster = ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
            self._start(
                site, "redis-server", *listen, *cluster, *log, "--dir", str(folder),
                log=f"{site}.log",
            )  # fmt: skip
            self._until(site, "redis-cli", "-p", str(self.port), "PING")
            nodes.append(f"{self.places.address(site)}:{self.port}")
        create = ("redis-cli", "--cluster", "create", *nodes, "--cluster-yes")
        subprocess.run(self.places.command(SITES[0], *create), check=True, capture_output=True)
        check = ("redis-cli", "--cluster", "check", nodes[0])
        self._until(SITES[0], *check)

    def host(self, site: str) -> str:
        return self.places.address(site)

    def url(self, database: str, host: str, port: int) -> str:
        others = ",".join(f"{self.places.address(site)}:{port}" for site in SITES)
        return f"rome://{host}:{port}/{database}?cluster=true&host={others}&keep=10000000"


PRODUCTS: dict[str, type[servers.Server]] = {
    kind.name: kind for kind in (Serializable, servers.Galera, Rome, RomeCluster)
}


def product_result(
    kind: type[servers.Server], mode: str, where: Places, arguments: argparse.Namespace
) -> dict[str, Any]:
    """One product in one mode, from nothing."""
    python = openstack_bin() / "python"
    folder = Path(tempfile.mkdtemp(prefix="replay-"))
    server = kind(where)
    keystones: list[keystone_site.Keystone] = []
    try:
        urls = {site: server.url(DATABASE, server.host(site), server.port) for site in SITES}
        files = {
            site: keystone_site.configure(folder, site, urls[site], arguments.cache)
            for site in SITES
        }
        where.set_rtt(0)
        here = where.command(SITES[0])
        keystone_site.make(python, files[SITES[0]], here)
        marking = [*here, str(python), str(HERE / "marking.py")]
        subprocess.run([*marking, "install", urls[SITES[0]]], check=True)
        replay = settings(mode, folder, arguments)
        for site in SITES:
            address = where.address(site)
            keystones.append(
                keystone_site.Keystone(
                    python, files[site], address, PORT, replay, where.command(site)
                )
            )
        for site in SITES:
            ready(where, site)
        rtt_ms = where.set_rtt(arguments.rtt) if arguments.rtt else 0.0
        clients = load(python, where, arguments)
        where.set_rtt(0)
        counted = subprocess.run(
            [*marking, "count", urls[SITES[0]]], check=True, capture_output=True, text=True
        )
        line = {"product": kind.name, "replay": mode, "rtt_ms": round(rtt_ms, 2)}
        return line | judged(clients, json.loads(counted.stdout), folder)
    finally:
        for keystone in keystones:
            keystone.stop()
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def settings(mode: str, folder: Path, arguments: argparse.Namespace) -> dict[str, str]:
    """The layer's, for each Keystone."""
    counters = folder / "counters"
    counters.mkdir()
    return {
        "REPLAY": mode, "REPLAY_COUNTERS": str(counters), "REPLAY_TRIES": str(arguments.tries),
        "REPLAY_BASE_MS": str(arguments.base_ms), "REPLAY_CAP_MS": str(arguments.cap_ms),
    }  # fmt: skip


def ready(where: Places, site: str) -> None:
    """Wait for a site's Keystone, from inside the site."""
    url = f"http://{where.address(site)}:{PORT}/v3"
    ask = where.command(site, "curl", "-sf", "-o", "/dev/null", "-m", "20", url)
    deadline = time.monotonic() + keystone_site.READY_S
    while subprocess.run(ask, check=False).returncode:
        if time.monotonic() > deadline:
            raise SystemExit(f"Keystone on {site} does not answer")
        time.sleep(0.2)


def load(python: Path, where: Places, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Clients on each site, at once; what each saw."""
    script = str(HERE / "hot_load.py")

    def command(site: str, do: str, *words: str) -> list[str]:
        address = where.address(site)
        return where.command(site, str(python), script, do, address, str(PORT), *words)

    shared = subprocess.run(
        command(SITES[0], "setup"), check=True, capture_output=True, text=True
    ).stdout
    share = [len(range(number, arguments.writers, len(SITES))) for number in range(len(SITES))]
    running = [
        subprocess.Popen(
            command(site, "run", str(writers), str(arguments.seconds), shared),
            stdout=subprocess.PIPE,
            text=True,
        )
        for site, writers in zip(SITES, share, strict=True)
        if writers
    ]
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit("a client failed")
    return [json.loads(text) for text in said]


def judged(clients: list[dict[str, Any]], written: dict[str, int], folder: Path) -> dict[str, Any]:
    """Numbers of all clients, of the layer, and of the marks that the database noted."""
    statuses: collections.Counter[str] = collections.Counter()
    failures: collections.Counter[str] = collections.Counter()
    marks: dict[str, str] = {}
    latencies: list[float] = []
    for client in clients:
        for _, status, n in client["statuses"]:
            statuses[status] += n
        failures.update(client["failures"])
        marks |= client["marks"]
        latencies += client["latencies_s"]
    seconds = max(client["seconds"] for client in clients)
    good = sum(n for status, n in statuses.items() if status.startswith("2"))
    totals: collections.Counter[str] = collections.Counter()
    lines: list[dict[str, Any]] = []
    for file in (folder / "counters").iterdir():
        if file.name.endswith(".totals.json"):
            totals.update(json.loads(file.read_text()))
        else:
            lines += [json.loads(text) for text in file.read_text().splitlines()]
    done = {mark for mark, status in marks.items() if status.startswith("2")}
    return {
        "seconds": round(seconds, 1),
        "requests": sum(statuses.values()),
        "failures": sum(statuses.values()) - good,
        "good_per_s": round(good / seconds, 2),
        "median_s": round(statistics.median(latencies), 3),
        "p99_s": round(statistics.quantiles(latencies, n=100)[98], 3),
        "replays": totals["replays"],
        "gave_up": totals["gave_up"],
        "not_replayable": totals["committed"],
        "lost_s": round(sum(line["lost_s"] for line in lines), 1),
        "most_replays": max((line["replays"] for line in lines), default=0),
        "marked_writes": len(marks),
        "written_twice": sum(n > 1 for n in written.values()),
        "told_and_not_written": sum(written.get(mark, 0) == 0 for mark in done),
        "failed_and_written": sum(mark in written for mark in marks.keys() - done),
        "statuses": dict(statuses),
        "failures_said": dict(failures.most_common(5)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])  # type: ignore[union-attr]
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--writers", type=int, default=20)
    parser.add_argument("--rtt", type=float, default=10, help="ms between sites")
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--base-ms", type=float, default=20)
    parser.add_argument("--cap-ms", type=float, default=1000)
    parser.add_argument("--cache", default=keystone_site.NO_CACHE)
    parser.add_argument("--products", nargs="*", choices=PRODUCTS, default=list(PRODUCTS))
    parser.add_argument("--modes", nargs="*", choices=["off", "on"], default=["off", "on"])
    arguments = parser.parse_args()
    with places("10.79") as where:
        for name in arguments.products:
            for mode in arguments.modes:
                result = product_result(PRODUCTS[name], mode, where, arguments)
                print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
