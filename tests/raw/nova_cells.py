"""Raw cells on Nova in the exact format of ``docs/architecture.md``, for tests only."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.deploy.nova.layout import roles_of
from discovery.experiment.load import load_cells
from discovery.experiment.nova_cells import NovaCell
from discovery.results.nova_raw import CALLS, CALLS_COLUMNS, PROCESSES, TRAFFIC, TRAFFIC_COLUMNS
from discovery.testbed.leases import places
from discovery.workload.manifest import write_manifest
from discovery.workload.nova_scenarios import NOVA_SCENARIOS
from discovery.workload.phases import Phase
from tests.raw.cells import BEGAN, ENVIRONMENT, write_wan

STUDY = Path("experiments/nova-2017")
BOOT = BEGAN + 60.0


def make_nova_cell(number: int = 0) -> NovaCell:
    """A cell of the study's smoke tier."""
    cell = load_cells(STUDY, "smoke")[number]
    assert isinstance(cell, NovaCell)
    return cell


def write_nova_cell(parent: Path, cell: NovaCell, *, fails: bool = False) -> Path:
    """Write raw results of ``cell`` as ``parent/<cell id>``; it broke at once if it ``fails``."""
    folder = parent / cell.id
    folder.mkdir(parents=True)
    if not fails:
        if cell.workload == "burst":
            _write_burst(folder, cell)
        else:
            _write_rally(folder, cell)
        _write_tables(folder, cell)
        write_wan(folder, cell, random.Random(cell.id))
    loads = ["boot", "look", "delete"] if cell.workload == "burst" else ["load"]
    broken = {"class": "measured", "phase": loads[0], "message": "nova-api is gone"}
    write_manifest(
        folder,
        cell,
        started=datetime.fromtimestamp(BEGAN, UTC),
        phases=_phases(loads),
        failure=broken if fails else None,
        environment=dict(ENVIRONMENT),
    )
    return folder


def _phases(loads: list[str]) -> list[Phase]:
    before = [Phase("lease", 0.0, 2.0), Phase("deploy", 2.0, 50.0), Phase("health", 52.0, 1.0)]
    each = 30.0 / len(loads)
    loaded = [Phase(name, 60.0 + each * number, each) for number, name in enumerate(loads)]
    after = 90.0
    return [
        *before,
        Phase("shape", 53.0, 2.0),
        *loaded,
        Phase("collect", after, 1.0),
        Phase("release", after + 1.0, 1.0),
    ]


def _write_burst(folder: Path, cell: NovaCell) -> None:
    (folder / "burst").mkdir()
    servers = [_server(number, cell.sites) for number in range(cell.servers)]
    record = {
        "schema_version": 1,
        "config": {},
        "project": "p",
        "servers": servers,
        "polls": {"boot": [], "delete": []},
    }
    (folder / "burst" / f"site-{cell.sites}.json").write_text(json.dumps(record))

    known = dict.fromkeys(("servers", "nova_cell1", "mappings", "consumers"), cell.servers)
    finding = {"kind": "quota", "what": "p", "detail": "is said to use 9 instances"}
    placed = {f"id-{number}": {"host": "site-1-compute", "node": "n"} for number in range(2)}
    consistency = {
        "schema_version": 1, "counts": known, "findings": [finding], "placed": placed,
    }  # fmt: skip
    (folder / "consistency.json").write_text(json.dumps(consistency))
    if cell.fault != "none":
        fault = {"fault": cell.fault, "node": "site-1-database", "site": "site-1", "time": BOOT + 2}
        (folder / "faults.json").write_text(json.dumps({"schema_version": 1, "faults": [fault]}))


def _write_rally(folder: Path, cell: NovaCell) -> None:
    """A report with all scenarios, in the form of Rally 5.1's."""
    (folder / "rally").mkdir()
    actions = {"name": "nova.boot_server", "children": []}
    tasks, start = [], BOOT
    for scenario in NOVA_SCENARIOS.values():
        data = [
            {
                "timestamp": start + number, "duration": 0.8, "idle_duration": 0.0, "error": [],
                "atomic_actions": [
                    {**actions, "started_at": start + number, "finished_at": start + number + 0.8}
                ],
            }
            for number in range(cell.servers)
        ]  # fmt: skip
        workload = {
            "scenario": {scenario.rally: {}},
            "runner": {"constant": {"times": cell.servers, "concurrency": 1}},
            "data": data,
            "total_iteration_count": len(data),
            "start_time": start,
            "load_duration": float(cell.servers),
        }
        tasks.append({"subtasks": [{"workloads": [workload]}]})
        start += cell.servers + 1
    report = {
        "info": {"format_version": "1.2", "rally_version": "5.1.1"},
        "tasks": tasks,
    }
    (folder / "rally" / f"site-{cell.sites}.json").write_text(json.dumps(report))


def _server(number: int, sites: int) -> dict[str, Any]:
    site = f"site-{1 + number % sites}"
    return {
        "name": f"burst-{number}", "api_site": site, "zone": None, "id": f"id-{number}",
        "request_start": BOOT + number / 10, "accepted": BOOT + 1 + number / 10,
        "ended": BOOT + 5 + number / 10, "failure": None, "fault": None,
        "host": None, "node": None, "delete_start": BOOT + 20,
        "delete_accepted": BOOT + 21, "gone": BOOT + 25, "delete_failure": None, "boot_tries": 1,
        "delete_tries": 1, "missed": 0,
    }  # fmt: skip


def _write_tables(folder: Path, cell: NovaCell) -> None:
    who = {"node": "site-1-control", "site": "site-1"}
    call = {
        **who, "process": "nova-conductor", "pid": 7, "duration_s": 0.02, "statements": 2,
        "round_trips": 4, "connections": 0, "db_errors": 0, "database": "nova_cell1", "error": "",
        "function": "db.main.api.instance_get",
    }  # fmt: skip
    # One before the burst, two in it, one while servers are deleted.
    calls = [{**call, "start": BOOT + after} for after in (-3.0, 1.0, 2.0, 22.0)]
    pd.DataFrame(calls, columns=[*CALLS_COLUMNS]).to_parquet(folder / CALLS, index=False)
    process = {**who, "process": "nova-conductor", "pid": 7, "calls": 4, "strays": 0, "lost": 0}
    pd.DataFrame([process]).to_parquet(folder / PROCESSES, index=False)
    sample = {
        **who, "role": "control", "peer": "site-1-database", "peer_site": "site-1",
        "peer_role": "database", "counter": "nftables", "rx_packets": 0, "tx_packets": 0,
        "missed": 0,
    }  # fmt: skip
    traffic = [
        {**sample, "time": BOOT + after, "rx_bytes": sent * 1_000_000, "tx_bytes": sent * 2_000_000}
        for after, sent in ((-1.0, 1), (3.0, 4), (30.0, 9))
    ]
    pd.DataFrame(traffic, columns=[*TRAFFIC_COLUMNS]).to_parquet(folder / TRAFFIC, index=False)
    used = [
        {
            "node": place.alias, "site": place.site, "role": place.role,
            "time": BOOT + second, "cpu_s": second * 0.5, "memory_bytes": 5e8, "rx_bytes": 0,
            "tx_bytes": 0,
        }
        for place in places(roles_of(cell.deployed, cell.sites, cell.redis_nodes))
        for second in range(4)
    ]  # fmt: skip
    pd.DataFrame(used).to_parquet(folder / "system.parquet", index=False)
    units = pd.DataFrame(used).drop(columns=["rx_bytes", "tx_bytes"])
    units.assign(unit="discovery-nova-api").to_parquet(folder / "units.parquet", index=False)
    counter = {"node": "site-1-database", "site": "site-1", "counter": "queries"}
    pd.DataFrame(
        [{**counter, "time": BOOT + second, "value": second * 10} for second in range(3)]
    ).to_parquet(folder / "counters.parquet", index=False)
