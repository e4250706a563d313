"""What a node uses while a cell runs: CPU, memory, bytes, and its database server's counters.

``sample.py CONFIG`` appends JSON lines to CONFIG's ``output`` until it is stopped. CONFIG is
``{"output": file, "interface_address": the node's address on the testbed network, "period_s": …,
"counters": null | {"period_s": …, "driver": "pymysql" | "psycopg2" | "redis" | "metrics",
"connect": {…}, "queries": {counter: statement whose rows' last columns are summed, or commands, or
names of metrics}, "counts_itself": …}}``.

CPU is summed over the node's own processes, with what their ended children used, so that it is
right on a real machine and on a container that shares its kernel. Memory is the processes'
proportional set size (PSS): shared pages are counted once. Both are told of the whole node, and of
each systemd unit of ours (``discovery-…``).
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

UNIT = re.compile(r"/(discovery-[^/\n]+)\.service(?:/|$)", re.MULTILINE)

# A sample of Prometheus' text format: its name, labels if any, its value, a time if any.
METRIC = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)(?: \d+)?$")


def interface_with(address: str) -> str:
    """The name of the interface that carries ``address``."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(entry.address == address for entry in addresses):
            return name
    raise SystemExit(f"no interface of this node has the address {address}")


@dataclass
class Use:
    """CPU seconds since its processes began, and their PSS in bytes."""

    cpu_s: float = 0.0
    memory_bytes: int = 0

    def add(self, cpu_s: float, memory_bytes: int) -> None:
        """One process more."""
        self.cpu_s += cpu_s
        self.memory_bytes += memory_bytes


def unit_in(cgroups: str) -> str | None:
    """The unit of ours that ``/proc/<pid>/cgroup`` names, in whichever hierarchy systemd uses."""
    found = UNIT.search(cgroups)
    return found[1] if found else None


def processes() -> tuple[Use, dict[str, Use]]:
    """What the node's processes use, but for this one: all of them, and by unit."""
    whole = Use()
    units: dict[str, Use] = {}
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            times = process.cpu_times()
            cpu = times.user + times.system + times.children_user + times.children_system
            memory = process.memory_full_info().pss
            unit = unit_in(Path(f"/proc/{process.pid}/cgroup").read_text(encoding="utf-8"))
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
        whole.add(cpu, memory)
        if unit is not None:
            units.setdefault(unit, Use()).add(cpu, memory)
    return whole, units


class SqlCounters:
    """Reads an SQL server's own counters over one connection.

    Where the server counts the questions this asks as well (``counts_itself``), they are
    subtracted from ``queries``.
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        self.module = importlib.import_module(plan["driver"])
        self.connect_arguments = plan["connect"]
        self.queries = plan["queries"]
        self.counts_itself = plan["counts_itself"]
        self.connection: Any = None
        self.own = 0

    def read(self) -> dict[str, float]:
        """Every counter's value now; an unreachable server has none."""
        try:
            if self.connection is None:
                self.connection = self.module.connect(**self.connect_arguments)
                if self.module.__name__ == "psycopg2":  # else statistics stay as at BEGIN
                    self.connection.autocommit = True
            values = {}
            with self.connection.cursor() as cursor:
                for counter, statement in self.queries.items():
                    cursor.execute(statement)
                    self.own += 1
                    values[counter] = sum(float(row[-1]) for row in cursor.fetchall())
        except self.module.Error:
            self.connection = None
            return {}
        if self.counts_itself:
            values["queries"] -= self.own
        return values


class RedisCounters:
    """Reads Redis' own counters: how often each command was called, by clients and by scripts."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.module = importlib.import_module(plan["driver"])
        self.client = self.module.Redis(**plan["connect"])
        self.commands = plan["queries"]

    def read(self) -> dict[str, float]:
        """Every counter's value now; an unreachable server has none."""
        try:
            statistics = self.client.info("commandstats")
        except self.module.RedisError:
            return {}
        calls = {command: float(entry["calls"]) for command, entry in statistics.items()}
        return {
            counter: sum(calls.get(f"cmdstat_{command}", 0.0) for command in commands)
            for counter, commands in self.commands.items()
        }


class MetricsCounters:
    """Reads a server's metrics over HTTP, in Prometheus' text format; all of a name are summed."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.url = plan["connect"]["url"]
        self.names = plan["queries"]

    def read(self) -> dict[str, float]:
        """Every counter's value now; an unreachable server has none."""
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        totals: dict[str, float] = {}
        for line in text.splitlines():
            sample = METRIC.match(line)
            if sample:
                name, value = sample.groups()
                totals[name] = totals.get(name, 0.0) + float(value)
        return {
            counter: sum(totals[name] for name in names)
            for counter, names in self.names.items()
            if all(name in totals for name in names)
        }


def counters_of(plan: dict[str, Any]) -> SqlCounters | RedisCounters | MetricsCounters:
    """What reads the counters of ``plan``."""
    if plan["driver"] == "metrics":
        return MetricsCounters(plan)
    return RedisCounters(plan) if plan["driver"] == "redis" else SqlCounters(plan)


def emit(stream: IO[str], record: dict[str, Any]) -> None:
    """Append one record as a JSON line."""
    stream.write(json.dumps(record) + "\n")


def main(config_file: str) -> None:
    """Sample until stopped."""
    config = json.loads(Path(config_file).read_text(encoding="utf-8"))
    interface = interface_with(config["interface_address"])
    plan = config["counters"]
    counters = counters_of(plan) if plan else None
    tick = min(config["period_s"], plan["period_s"]) if plan else config["period_s"]
    next_system = 0.0
    with Path(config["output"]).open("a", encoding="utf-8", buffering=1) as stream:
        while True:
            now = time.time()
            if now >= next_system:
                next_system = now + config["period_s"]
                whole, units = processes()
                traffic = psutil.net_io_counters(pernic=True)[interface]
                emit(
                    stream,
                    {
                        "kind": "system",
                        "time": now,
                        **vars(whole),
                        "rx_bytes": traffic.bytes_recv,
                        "tx_bytes": traffic.bytes_sent,
                    },
                )
                for unit, use in units.items():
                    emit(stream, {"kind": "unit", "time": now, "unit": unit, **vars(use)})
            if counters:
                asked = time.time()
                for counter, value in counters.read().items():
                    emit(
                        stream,
                        {"kind": "counter", "time": asked, "counter": counter, "value": value},
                    )
            time.sleep(max(0.0, now + tick - time.time()))


if __name__ == "__main__":
    main(sys.argv[1])
