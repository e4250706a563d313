"""How fast local nodes are there and gone: ``python benchmarks/testbed.py``. Needs root.

A lease is timed as everything else takes it: from the call until every node answers on SSH and the
WAN is attached, then its release until nothing is left. It reports; it judges nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

import enoslib  # noqa: F401 (its import, 1.5 s once per process, is not what is timed)
from rich.console import Console
from rich.table import Table

from discovery.testbed import lease, load_testbed
from discovery.testbed.leases import ROLES

TARGETS = {6: (3.0, 3.0), 30: (15.0, 3.0)}  # nodes: seconds until ready, until gone


def cycle(testbed, sites: int) -> tuple[float, float]:
    """Seconds until ready, and until gone."""
    start = time.monotonic()
    with lease(testbed, sites=sites, purpose="benchmark of the testbed") as held:
        ready = time.monotonic() - start
        time.sleep(1.0)  # a node's release is timed with its services up
        start = time.monotonic()
        held.release()
        return ready, time.monotonic() - start


def spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--testbed", type=Path, default=Path("experiments/testbeds/local.yaml"))
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    testbed = load_testbed(arguments.testbed)

    table = Table(title="Local nodes, seconds: median (least to most)")
    for column in ("nodes", "n", "ready", "wanted", "gone", "wanted"):
        table.add_column(column, justify="right")
    before = os.getloadavg()[0]
    for nodes, (ready_target, gone_target) in TARGETS.items():
        times = [cycle(testbed, nodes // len(ROLES)) for _ in range(arguments.repetitions)]
        ready, gone = ([pair[index] for pair in times] for index in (0, 1))
        table.add_row(
            str(nodes),
            str(len(times)),
            spread(ready),
            f"≤ {ready_target:g}",
            spread(gone),
            f"≤ {gone_target:g}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"{os.cpu_count()} cores, load {before:.1f} before and {os.getloadavg()[0]:.1f} after"
    )


if __name__ == "__main__":
    main()
