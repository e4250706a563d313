"""How true, fast and cheap the local WAN is: round trips, throughput, CPU, cuts.

    python benchmarks/wan.py [--repetitions 3] [--seconds 6] [--json FILE]

Two bare sites (namespaces) joined by the forwarder, and in the same run two namespaces joined by
nothing but a veth pair: the baseline, so that the machine's own share can be told. Needs root,
iperf3 and ping. Every number is a median over the repetitions.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from discovery.experiment.models import WanSettings
from discovery.testbed.ledger import Ledger, Recorder
from discovery.testbed.wan.bare import BareSites
from discovery.testbed.wan.local import ForwarderWan

STREAM = Path(__file__).with_name("udp_stream.py")
DELAYS = (0, 10, 50, 150)
PACED_MBIT = 100
PING_INTERVAL = 0.02

Run = Callable[..., list[str]]


class Ends:
    """Two places that commands can run at, ``near`` and ``far``, and the address of ``far``."""

    def __init__(self, near: Run, far: Run, address: str) -> None:
        self.near, self.far, self.address = near, far, address


@contextmanager
def direct(prefix: str) -> Iterator[Ends]:
    """The baseline: two namespaces and a veth pair."""
    names = [f"wan-{os.getpid()}-{end}" for end in ("near", "far")]
    lines = [f"netns add {name}" for name in names]
    lines += [f"link add e netns {names[0]} type veth peer name e netns {names[1]}"]
    try:
        subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)
        for number, name in enumerate(names, 1):
            up = f"address add {prefix}.254.{number}/24 dev e\nlink set e up\nlink set lo up\n"
            subprocess.run(["ip", "-n", name, "-batch", "-"], input=up, text=True, check=True)
        near, far = (
            lambda *words, name=name: ["nsenter", f"--net=/run/netns/{name}", *words]
            for name in names
        )
        yield Ends(near, far, f"{prefix}.254.2")
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


@contextmanager
def iperf(ends: Ends, *options: str) -> Iterator[dict[str, Any]]:
    """Runs iperf3 from near to far meanwhile; its summary is filled in at the end."""
    server = subprocess.Popen(
        ends.far("iperf3", "--server", "--one-off", "--forceflush"),
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout is not None
        next(line for line in server.stdout if "listening" in line)
        client = subprocess.Popen(
            ends.near("iperf3", "--json", "--client", ends.address, *options),
            stdout=subprocess.PIPE,
            text=True,
        )
        summary: dict[str, Any] = {}
        with client:
            yield summary
            assert client.stdout is not None
            summary.update(json.loads(client.stdout.read())["end"])
        server.stdout.read()


def round_trips(ends: Ends, seconds: float) -> list[float]:
    """Round trips (ms) of pings every 20 ms."""
    count = round(seconds / PING_INTERVAL)
    done = subprocess.run(
        ends.near("ping", "-n", "-i", str(PING_INTERVAL), "-c", str(count), ends.address),
        capture_output=True,
        text=True,
        check=False,
    )
    return [
        float(line.split("time=")[1].split()[0])
        for line in done.stdout.splitlines()
        if "time=" in line
    ]


def describe(trips: list[float]) -> dict[str, float]:
    return {
        "mean": statistics.fmean(trips),
        "median": statistics.median(trips),
        "mdev": statistics.pstdev(trips),
        "p99": statistics.quantiles(trips, n=100)[98],
    }


def latency(ends: Ends, seconds: float, *, loaded: bool) -> dict[str, float]:
    """Round trips alone, or while one TCP stream runs that has had 2 s to grow."""
    if not loaded:
        return describe(round_trips(ends, seconds))
    with iperf(ends, "-t", str(round(seconds + 4))) as summary:
        time.sleep(2)
        trips = round_trips(ends, seconds)
    return {**describe(trips), "mbit": summary["sum_received"]["bits_per_second"] / 1e6}


def throughput(ends: Ends, wan: ForwarderWan, seconds: float, *options: str) -> dict[str, float]:
    """Mbit/s of one TCP stream, and what share of a core the forwarder needs for it."""
    with iperf(ends, "-t", str(round(seconds + 2)), *options) as summary:
        time.sleep(1.5)
        cpu, start = wan.status()["cpu_s"], time.monotonic()
        time.sleep(seconds)
        share = (wan.status()["cpu_s"] - cpu) / (time.monotonic() - start)
    return {"mbit": summary["sum_received"]["bits_per_second"] / 1e6, "core_percent": 100 * share}


def cut_and_heal(ends: Ends, wan: ForwarderWan, delay: float) -> dict[str, float]:
    """How long (ms) after the order the last packet came, and after healing the first."""
    python = (sys.executable, str(STREAM))
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    taking = ends.far(*python, "receive", ends.address, "5009")
    sending = ends.near(*python, "send", ends.address, "5009", "2.0")
    with subprocess.Popen(taking, **pipes) as taker:
        assert taker.stdin is not None
        assert taker.stdout is not None
        taker.stdout.readline()
        with subprocess.Popen(sending, **pipes) as sender:
            assert sender.stdout is not None
            sender.stdout.readline()
            time.sleep(0.7)
            ordered_cut = time.time()
            wan.cut(["site-2"])
            time.sleep(0.5)
            ordered_heal = time.time()
            wan.heal()
        taker.stdin.close()
        arrivals = [arrived for _, _, arrived in json.loads(taker.stdout.read())]
    middle = (ordered_cut + ordered_heal) / 2
    return {
        "cut_ms": 1e3 * (max(a for a in arrivals if a < middle) - ordered_cut),
        "heal_ms": 1e3 * (min(a for a in arrivals if a > middle) - ordered_heal),
        "delay_ms": delay,
    }


def median_of(results: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def measure(repetitions: int, seconds: float, prefix: str) -> dict[str, Any]:
    """All of it; see the module."""
    console = Console(stderr=True)
    raw: dict[str, list[dict[str, float]]] = {}

    def note(name: str, result: dict[str, float]) -> None:
        raw.setdefault(name, []).append(result)
        console.print(name, {key: round(value, 2) for key, value in result.items()})

    with (
        BareSites(2, prefix) as sites,
        direct(prefix) as baseline,
        tempfile.TemporaryDirectory() as folder,
    ):
        recorder = Recorder(Ledger(Path(folder) / "ledger.jsonl"), "benchmark")
        wan = ForwarderWan.start(sites.networks, Path(folder), recorder, lambda *_: {})
        ends = Ends(
            lambda *words: sites.command("site-1", *words),
            lambda *words: sites.command("site-2", *words),
            sites.address("site-2"),
        )
        try:
            for _ in range(repetitions):
                for loaded in (False, True):
                    name = "loaded" if loaded else "idle"
                    note(f"rtt/direct/{name}", latency(baseline, seconds, loaded=loaded))
                for delay in DELAYS:
                    wan._shape([[0, delay], [delay, 0]], WanSettings())
                    for loaded in (False, True):
                        name = "loaded" if loaded else "idle"
                        note(f"rtt/{delay}/{name}", latency(ends, seconds, loaded=loaded))
                    note(f"tcp/{delay}", throughput(ends, wan, seconds))
                    paced = (
                        ("-b", f"{PACED_MBIT}M", "-w", "8M")
                        if delay > 50
                        else ("-b", f"{PACED_MBIT}M")
                    )
                    note(f"paced/{delay}", throughput(ends, wan, seconds, *paced))
                    note(f"cut/{delay}", cut_and_heal(ends, wan, delay))
            scheduling = wan.status()["scheduling"]
        finally:
            wan.close()
    return {
        "machine": {
            "kernel": platform.release(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_average": os.getloadavg(),
        },
        "scheduling": scheduling,
        "repetitions": repetitions,
        "median": {name: median_of(results) for name, results in raw.items()},
        "raw": raw,
    }


def show(result: dict[str, Any]) -> None:
    """Prints the tables."""
    median = result["median"]
    console = Console(width=None if sys.stdout.isatty() else 130)
    trips = Table(title=f"Round trips in ms, forwarder with {result['scheduling']} priority")
    for column in (
        "one-way delay",
        "asked",
        "idle: mean",
        "median",
        "mdev",
        "p99",
        "TCP stream: mean",
        "median",
        "mdev",
        "p99",
        "Mbit/s",
    ):
        trips.add_column(column, justify="right")
    for delay in ("direct", *DELAYS):
        idle, loaded = median[f"rtt/{delay}/idle"], median[f"rtt/{delay}/loaded"]
        keys = ("mean", "median", "mdev", "p99")
        asked = "(veth)" if delay == "direct" else f"{2 * int(delay)}"
        trips.add_row(
            str(delay),
            asked,
            *[f"{idle[key]:.2f}" for key in keys],
            *[f"{loaded[key]:.2f}" for key in keys],
            f"{loaded['mbit']:.0f}",
        )
    console.print(trips)
    speed = Table(title="One TCP stream, and cuts")
    for column in (
        "one-way delay",
        "Mbit/s",
        "% of a core",
        f"paced {PACED_MBIT}: Mbit/s",
        "% of a core",
        "cut after ms",
        "healed after ms",
    ):
        speed.add_column(column, justify="right")
    for delay in DELAYS:
        full, paced, cut = (median[f"{kind}/{delay}"] for kind in ("tcp", "paced", "cut"))
        speed.add_row(
            str(delay),
            f"{full['mbit']:.0f}",
            f"{full['core_percent']:.1f}",
            f"{paced['mbit']:.0f}",
            f"{paced['core_percent']:.1f}",
            f"{cut['cut_ms']:.1f}",
            f"{cut['heal_ms']:.1f}",
        )
    console.print(speed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--prefix", default="10.82", help="of the addresses used")
    parser.add_argument("--json", type=Path, help="where to write the result, raw numbers and all")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("benchmarks/wan.py makes network namespaces: run it as root.")
    result = measure(arguments.repetitions, arguments.seconds, arguments.prefix)
    show(result)
    if arguments.json:
        temporary = arguments.json.with_suffix(".tmp")
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        temporary.replace(arguments.json)


if __name__ == "__main__":
    main()
