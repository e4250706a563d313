"""A generator of raw cells in the exact format of ``docs/architecture.md``, for tests only.

Its numbers come from a small queueing-free model (each query of a one-server back end crosses the
WAN once, a Galera node answers reads itself and sends each commit across) and never enter results.
The Rally reports are shaped after a true ``rally task report --json`` of Rally 5.1.1 with failing
iterations.
"""

from __future__ import annotations

import heapq
import json
import random
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.experiment.cells import Cell
from discovery.experiment.models import KeystoneSettings, WanSettings
from discovery.experiment.studies import AnyCell
from discovery.workload.manifest import write_manifest
from discovery.workload.phases import Phase
from discovery.workload.scenarios import SCENARIOS

BEGAN = 1795369000.0
ENVIRONMENT: dict[str, Any] = {
    "workbench": "0.1.0",
    "commit": "0" * 40,
    "dirty": False,
    "image": "c0ffee",
    "provider": "local",
    "wan": "forwarder",
    "kernel": "6.1.0",
    "cpu": "a processor for tests",
    "cores": 2,
    "memory_mb": 24000,
    "packages": {"keystone": "30.0.0", "rally": "5.1.1"},
}

# Top-level actions of each scenario with (queries, commits) of the model.
ACTIONS: dict[str, list[tuple[str, int, int]]] = {
    "authenticate-user-and-validate-token": [("fetch_token", 7, 0), ("validate_token", 4, 0)],
    "create-add-and-list-user-roles": [
        ("create_role", 5, 1),
        ("add_role", 8, 1),
        ("list_roles", 6, 0),
    ],
    "create-and-list-tenants": [("create_project", 9, 1), ("list_projects", 4, 0)],
    "get-entities": [
        ("create_project", 9, 1),
        ("create_user", 8, 1),
        ("create_role", 5, 1),
        ("get_project", 2, 0),
        ("get_user", 3, 0),
        ("get_role", 2, 0),
        ("list_services", 3, 0),
        ("get_services", 3, 0),
    ],
    "create-user-update-password": [("create_user", 8, 1), ("update_user", 12, 2)],
    "create-user-set-enabled-and-delete": [
        ("create_user", 8, 1),
        ("update_user", 9, 1),
        ("delete_user", 14, 3),
    ],
    "create-and-list-users": [("create_user", 8, 1), ("list_users", 6, 0)],
}
_BASE_S = {"mariadb": 0.0021, "galera": 0.0024, "postgresql": 0.0026}
_LOGIN_QUERIES = 12  # Rally logs in anew in each iteration, outside every atomic action


def make_cell(
    backend: str = "mariadb",
    *,
    delay: Any = 50.0,
    load: str = "light",
    sites: int = 3,
    repetition: int = 1,
    scenarios: Sequence[str] = tuple(SCENARIOS),
    times: int = 10,
    tier: str = "laptop",
    variation: str = "study",
) -> Cell:
    """A cell with the settings of the 2018 study's experiment file."""
    return Cell.model_validate(
        {
            "experiment": "keystone-2018",
            "tier": tier,
            "variation": variation,
            "backend": backend,
            "sites": sites,
            "one_way_delay_ms": delay,
            "load": load,
            "repetition": repetition,
            "scenarios": tuple(scenarios),
            "times": times,
            "concurrency": 5,
            "warm_up_iterations": 3,
            "keystone": KeystoneSettings(cache="dict", bcrypt_rounds=4, processes=1, threads=10),
            "wan": WanSettings(),
        }
    )


def write_study(
    parent: Path,
    *,
    backends: Sequence[str] = ("mariadb", "galera", "postgresql"),
    delays: Sequence[float] = (0.0, 50.0, 150.0),
    loads: Sequence[str] = ("light", "high"),
    scenarios: Sequence[str] = tuple(SCENARIOS),
    times: int = 10,
    repetitions: int = 1,
    broken: Sequence[str] = (),
    tier: str = "laptop",
) -> list[Path]:
    """Raw folders of all combinations; the cells whose id is in ``broken`` failed in warm-up."""
    folders = []
    for backend in backends:
        for delay in delays:
            for load in loads:
                for repetition in range(1, repetitions + 1):
                    cell = make_cell(
                        backend,
                        delay=delay,
                        load=load,
                        repetition=repetition,
                        scenarios=scenarios,
                        times=times,
                        tier=tier,
                    )
                    folders.append(write_cell(parent, cell, fails=cell.id in broken))
    return folders


def write_cell(
    parent: Path,
    cell: Cell,
    *,
    fails: bool = False,
    failure_share: float | None = None,
    replays: dict[str, Any] | None = None,
) -> Path:
    """Write the raw results of ``cell`` as ``parent/<cell id>``.

    ``fails``: the cell broke in warm-up, before Rally had anything to report. ``failure_share``:
    of iterations that end in an error; by default a few under high load on a slow WAN.
    ``replays``: by site, what ``replays.json`` is to hold.
    """
    chance = random.Random(cell.id)
    folder = parent / cell.id
    (folder / "rally").mkdir(parents=True)
    (folder / "logs").mkdir()
    (folder / "logs" / "site-1-control.log").write_text("keystone started\n", encoding="utf-8")
    if failure_share is None:
        hard = cell.load == "high" and cell.mean_one_way_delay_ms >= 100
        failure_share = {"galera": 0.3, "mariadb": 0.1}.get(cell.backend, 0.0) if hard else 0.0
    begin = BEGAN + 40.0
    windows: list[tuple[str, float, float, int]] = []
    if not fails:
        begin, windows = _write_reports(folder, cell, chance, begin, failure_share)
    write_wan(folder, cell, chance)
    _write_system(folder, cell, chance, begin, windows)
    _write_counters(folder, cell, begin, windows)
    if replays is not None:
        record = json.dumps({"schema_version": 1, "sites": replays})
        (folder / "replays.json").write_text(record, encoding="utf-8")
    write_manifest(
        folder,
        cell,
        started=datetime.fromtimestamp(BEGAN, UTC),
        phases=_phases(cell, chance, begin - BEGAN, fails),
        failure=(
            {"class": "measured", "phase": "warm-up", "message": "no token from site-2 in 60 s"}
            if fails
            else None
        ),
        environment=dict(ENVIRONMENT),
    )
    return folder


def _client_sites(cell: Cell) -> list[int]:
    return list(range(1, cell.sites + 1)) if cell.load == "high" else [2]


def _rtt_s(cell: Cell, site: int) -> float:
    """Round trip between ``site`` and what its Keystone waits for."""
    delays = cell.delays
    if cell.backend == "galera":
        others = [other for other in range(cell.sites) if other != site - 1]
        return max(delays[site - 1][other] + delays[other][site - 1] for other in others) / 1e3
    return (delays[site - 1][0] + delays[0][site - 1]) / 1e3


def _write_reports(
    folder: Path, cell: Cell, chance: random.Random, begin: float, failure_share: float
) -> tuple[float, list[tuple[str, float, float, int]]]:
    tasks: dict[int, list[Any]] = {site: [] for site in _client_sites(cell)}
    windows = []
    for scenario in cell.scenarios:
        ended = begin
        for site, done in tasks.items():
            data, end = _iterations(
                cell, scenario, site, chance=chance, begin=begin, failure_share=failure_share
            )
            done.append(_task(cell, scenario, data, begin, end - begin))
            ended = max(ended, end)
        windows.append((scenario, begin, ended, cell.times * len(tasks)))
        begin = ended + 1.0
    for site, done in tasks.items():
        report = {
            "info": {
                "rally_version": "5.1.1",
                "generated_at": "2026-11-22T17:37:39",
                "format_version": "1.2",
            },
            "tasks": done,
        }
        path = folder / "rally" / f"site-{site}.json"
        path.write_text(json.dumps(report, indent=4), encoding="utf-8")
    return begin, windows


def _iterations(
    cell: Cell,
    scenario: str,
    site: int,
    *,
    chance: random.Random,
    begin: float,
    failure_share: float,
) -> tuple[list[Any], float]:
    """Iterations of a constant runner: ``concurrency`` of them at once until all are done."""
    free = [begin + 0.001 * slot for slot in range(cell.concurrency)]
    data = []
    for _ in range(cell.times):
        start = heapq.heappop(free)
        breaks = chance.random() < failure_share
        entry = _iteration(cell, scenario, site, chance=chance, start=start, breaks=breaks)
        data.append(entry)
        heapq.heappush(free, start + entry["duration"])
    return data, max(free)


def _iteration(
    cell: Cell, scenario: str, site: int, *, chance: random.Random, start: float, breaks: bool
) -> Any:
    rtt = _rtt_s(cell, site)
    slow = 1.0 if cell.load == "light" else 1.6

    def seconds(queries: int, commits: int) -> float:
        trips = commits if cell.backend == "galera" else queries
        work = queries * _BASE_S[cell.backend] * slow * chance.lognormvariate(0, 0.25)
        return work + trips * rtt * chance.uniform(1.0, 1.06)

    now = start + seconds(_LOGIN_QUERIES, 0)
    actions: list[Any] = []
    error: list[str] = []
    fatal = chance.randrange(len(ACTIONS[scenario])) if breaks else -1
    for number, (name, queries, commits) in enumerate(ACTIONS[scenario]):
        took = seconds(queries, commits)
        action = {
            "name": f"keystone_v3.{name}",
            "children": [],
            "started_at": now,
            "finished_at": now + took,
        }
        now += took
        actions.append(action)
        if number == fatal:
            action["failed"] = True
            error = [
                "InternalServerError",
                "An unexpected error prevented the server from fulfilling your request. (HTTP 500)",
                "Traceback (most recent call last):\n  …\nInternalServerError\n",
            ]
            break
    return {
        "duration": now - start,
        "timestamp": start,
        "idle_duration": 0.0,
        "error": error,
        "output": {"additive": [], "complete": []},
        "atomic_actions": actions,
    }


def _task(cell: Cell, scenario: str, data: list[Any], start: float, load_s: float) -> Any:
    durations = sorted(entry["duration"] for entry in data)
    failed = sum(1 for entry in data if entry["error"])
    stamp = "2026-11-22T17:37:19"
    workload = {
        "uuid": str(uuid.UUID(int=random.Random(f"{cell.id}{scenario}").getrandbits(128))),
        "description": SCENARIOS[scenario].title,
        "runner": {"constant": {"times": cell.times, "concurrency": cell.concurrency}},
        "hooks": [],
        "scenario": {SCENARIOS[scenario].rally: SCENARIOS[scenario].args},
        "min_duration": durations[0],
        "max_duration": durations[-1],
        "start_time": start,
        "load_duration": load_s,
        "full_duration": load_s + 0.04,
        "statistics": {
            "durations": {
                "total": {
                    "data": {
                        "iteration_count": len(data),
                        "min": round(durations[0], 3),
                        "max": round(durations[-1], 3),
                        "success": f"{100 * (1 - failed / len(data)):.1f}%",
                    },
                    "count_per_iteration": 1,
                    "name": "total",
                    "display_name": "total",
                    "children": [],
                },
                "atomics": [],
            }
        },
        "data": data,
        "failed_iteration_count": failed,
        "total_iteration_count": len(data),
        "created_at": stamp,
        "updated_at": stamp,
        "contexts": {},
        "contexts_results": [],
        "position": 0,
        "pass_sla": True,
        "sla_results": {"sla": []},
        "sla": {"failure_rate": {"max": 100}},
    }
    subtask = {
        "uuid": workload["uuid"],
        "title": scenario,
        "description": "",
        "status": "finished",
        "created_at": stamp,
        "updated_at": stamp,
        "sla": {},
        "workloads": [workload],
    }
    return {
        "uuid": workload["uuid"],
        "title": scenario,
        "description": "",
        "status": "finished",
        "tags": [],
        "env_uuid": "c0d633a7-429f-4283-8755-8ba7479e217a",
        "env_name": "discovery",
        "created_at": stamp,
        "updated_at": stamp,
        "pass_sla": True,
        "subtasks": [subtask],
    }


def write_wan(folder: Path, cell: AnyCell, chance: random.Random) -> None:
    """What was measured of the WAN, each round trip a little longer than asked for."""
    measurements = []
    for when, at in (("unshaped", 8.0), ("shaped", 25.0), ("after-load", 200.0)):
        pairs = []
        for source, row in enumerate(cell.delays):
            for destination, one_way in enumerate(row):
                if source == destination:
                    continue
                asked = (one_way + cell.delays[destination][source]) if when != "unshaped" else 0.0
                rtt = asked + chance.uniform(0.05, 0.4)
                pairs.append(
                    {
                        "source": f"site-{source + 1}",
                        "destination": f"site-{destination + 1}",
                        "asked_rtt_ms": asked,
                        "measured_rtt_ms": rtt,
                        "min_rtt_ms": rtt - 0.04,
                        "max_rtt_ms": rtt + 0.6,
                        "sent": 10,
                        "lost": 0,
                    }
                )
        measurements.append({"when": when, "time": BEGAN + at, "pairs": pairs})
    record = {
        "schema_version": 1,
        "backend": "forwarder",
        "measurements": measurements,
        "changes": [],
    }
    (folder / "wan.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _write_system(
    folder: Path,
    cell: Cell,
    chance: random.Random,
    ends: float,
    windows: list[tuple[str, float, float, int]],
) -> None:
    rows = []
    clients = _client_sites(cell)
    for site in range(1, cell.sites + 1):
        for role in ("control", "client"):
            busy = {"control": 0.35, "client": 0.25}[role] if site in clients else 0.04
            if role == "control" and site == 1 and cell.backend != "galera":
                busy += 0.1
            cpu, rx, tx = 2.0, 1e6, 1e6
            memory = {"control": 420e6, "client": 180e6}[role] + (
                300e6 if role == "control" and (cell.backend == "galera" or site == 1) else 0
            )
            now = BEGAN + 28.0 + chance.random()
            while now < ends + 2:
                loaded = any(begin <= now <= end for _, begin, end, _ in windows)
                cpu += (busy if loaded else 0.01) * chance.uniform(0.8, 1.2)
                rx += (4e4 if loaded else 500) * chance.uniform(0.5, 1.5)
                tx += (6e4 if loaded else 500) * chance.uniform(0.5, 1.5)
                rows.append(
                    {
                        "node": f"site-{site}-{role}",
                        "site": f"site-{site}",
                        "role": role,
                        "time": now,
                        "cpu_s": cpu,
                        "memory_bytes": int(memory * chance.uniform(0.99, 1.01)),
                        "rx_bytes": int(rx),
                        "tx_bytes": int(tx),
                    }
                )
                now += 1.0
    pd.DataFrame(rows).to_parquet(folder / "system.parquet", index=False)


def _write_counters(
    folder: Path, cell: Cell, ends: float, windows: list[tuple[str, float, float, int]]
) -> None:
    """Counters that grow linearly inside each load and stand still outside."""
    servers = range(1, cell.sites + 1) if cell.backend == "galera" else [1]
    rows = []
    for site in servers:
        now = BEGAN + 30.0
        while now < ends + 2:
            queries, commits = 1000.0, 50.0
            for scenario, begin, end, iterations in windows:
                share = min(max((now - begin) / (end - begin), 0.0), 1.0) * iterations
                per = [
                    sum(column) for column in zip(*(a[1:] for a in ACTIONS[scenario]), strict=True)
                ]
                queries += share * (per[0] + _LOGIN_QUERIES) / len(servers)
                commits += share * per[1] / len(servers)
            for counter, value in (("queries", queries), ("commits", commits), ("rollbacks", 3.0)):
                rows.append(
                    {
                        "node": f"site-{site}-control",
                        "site": f"site-{site}",
                        "time": now,
                        "counter": counter,
                        "value": value,
                    }
                )
            now += 0.2
    pd.DataFrame(rows).to_parquet(folder / "counters.parquet", index=False)


def _phases(cell: Cell, chance: random.Random, total: float, fails: bool) -> list[Phase]:
    deploy = {"mariadb": 7.5, "galera": 14.0, "postgresql": 6.5}[cell.backend]
    plan: list[tuple[str, float]] = [
        ("lease", 1.4),
        ("deploy:files", deploy * 0.15),
        ("deploy:database", deploy * 0.5),
        ("deploy:keystone", deploy * 0.35),
        ("health", 1.1),
        ("shape", 2.5),
        ("warm-up", 60.0 if fails else 5.0),
        ("load", 0.0 if fails else max(1.0, total - 10.0)),
        ("collect", 1.8),
        ("release", 0.6),
    ]
    phases = []
    now = began = 0.0
    for name, seconds in plan:
        took = round(seconds * chance.uniform(0.9, 1.1), 3)
        if name == "deploy:files":
            began = now
        if took:
            phases.append(Phase(name, round(now, 3), took))
        now += took
        if name == "deploy:keystone":  # which ends last of its steps
            phases.append(Phase("deploy", round(began, 3), round(now - began, 3)))
    return phases
