"""How old is what ``fresh=push`` shows: from a commit's acknowledgement until it is there.

    python benchmarks/rome/staleness.py --openstack PYTHON [--rtt 0 20 100] [--rates 1 20 100]

Redis and the process that commits are on site 1, the one that watches is on site 2. Commits come at
random moments. ``docs/rome.md`` says what to expect of a delay ``d`` one way: d as a rule, 3 d at
most, and what it takes to apply the entries. Needs root and redis-server.
"""

from __future__ import annotations

import argparse
import bisect
import os
import signal
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from growth import Memory
from places import CLIENT, SERVER, places
from round_trips import write_csv
from workers import Worker

SETTLE_S = 1.0


def ages(written: list[tuple[int, float]], seen: list[tuple[int, float]]) -> list[float]:
    """Milliseconds from each acknowledgement until the watcher had that commit or a newer one."""
    numbers = [number for number, _ in seen]
    found = []
    for number, told in written:
        place = bisect.bisect_left(numbers, number)
        if place == len(seen):
            raise SystemExit(f"commit {number} never came")
        found.append(1e3 * (seen[place][1] - told))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--openstack", type=Path, required=True, help="a python with this package")
    parser.add_argument("--rtt", nargs="+", type=float, default=[0.0, 20.0, 100.0], help="ms")
    parser.add_argument("--rates", nargs="+", type=float, default=[1.0, 20.0, 100.0], help="per s")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--prefix", default="10.86", help="of the addresses used")
    parser.add_argument("--out", type=Path, default=Path("results/rome"))
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("benchmarks/rome/staleness.py makes network namespaces: run it as root.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with places(arguments.prefix) as sites, tempfile.TemporaryDirectory() as temporary:
        server = Memory(sites)
        try:

            def client(site: str, fresh: str) -> Worker:
                url = f"rome://{server.host(site)}:{server.port}/marks?fresh={fresh}"
                log = Path(temporary) / f"{site}.log"
                words = (arguments.openstack, "staleness_client.py", url)
                return Worker(sites, *words, site=site, log=log).wait_ready()

            writer = client(SERVER, "sync")
            writer.ask("make")
            watcher = client(CLIENT, "push")
            for rtt in arguments.rtt:
                measured = sites.set_rtt(rtt)
                for rate in arguments.rates:
                    watcher.send("watch", seconds=arguments.seconds + 2 * SETTLE_S)
                    written = writer.ask("write", seconds=arguments.seconds, rate=rate)
                    found = ages(written, watcher.receive())
                    cuts = statistics.quantiles(found, n=100, method="inclusive")
                    rows.append({
                        "rtt_ms": rtt, "ping_ms": round(measured, 2), "commits_per_s": rate,
                        "n": len(found), "median_ms": round(statistics.median(found), 2),
                        "p99_ms": round(cuts[98], 2), "max_ms": round(max(found), 2),
                    })  # fmt: skip
                    print(rows[-1], flush=True)
                    write_csv(arguments.out / "staleness.csv", rows)
            for one in (writer, watcher):
                one.stop()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
