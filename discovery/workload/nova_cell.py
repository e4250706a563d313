"""The run of one cell on Nova, from lease to release: servers are booted, looked at, deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from discovery.deploy.nova import NovaDeployment, deploy_nova, nova_memory_mb, roles_of
from discovery.deploy.nova.deployment import FLAVORS, IMAGE
from discovery.deploy.nova.settings import PROBE_FOLDER
from discovery.errors import DeployError, MeasuredFailure, TestbedError
from discovery.experiment.nova_cells import NovaCell
from discovery.testbed import Lease, Testbed, lease
from discovery.whole import whole_folder
from discovery.workload import calls, consistency, faults, probes, remote, traffic
from discovery.workload.burst import Burst, Plan
from discovery.workload.manifest import environment, write_manifest
from discovery.workload.phases import PhaseClock

Tell = Callable[[str], None]


def run_nova_cell(cell: NovaCell, testbed: Testbed, out: Path, tell: Tell) -> None:
    """Run ``cell`` on ``testbed`` and write its raw results as the folder ``out``.

    As :func:`discovery.workload.cell.run_cell`: a Nova that breaks under its load is a result;
    every other error is raised, and there is no ``out``. A server that fails is a row, and breaks
    nothing.
    """
    clock = PhaseClock(tell)
    started = datetime.now(UTC)
    variant, settings = cell.deployed, cell.settings
    with whole_folder(out) as folder, ExitStack() as stack:
        with clock("lease"):
            held = stack.enter_context(
                lease(
                    testbed,
                    sites=cell.sites,
                    purpose=cell.id,
                    memory_mb=nova_memory_mb(variant, cell.sites, settings, cell.redis_nodes),
                    roles=roles_of(variant, cell.sites, cell.redis_nodes),
                )
            )
        with clock("deploy"):
            deployment = deploy_nova(
                held,
                variant,
                cell.keystone,
                cell.database,
                settings,
                clock,
                redis_nodes=cell.redis_nodes,
            )
        with clock("health"):
            deployment.check_health()
        failure = _load(cell, held, deployment, folder, clock, tell)
        described = environment(
            held.provider, held.wan.backend, deployment.image, deployment.versions()
        )
        with clock("release"):
            held.release()
        write_manifest(
            folder,
            cell,
            started=started,
            phases=clock.finished,
            failure=failure,
            environment=described,
        )


def _load(
    cell: NovaCell,
    held: Lease,
    deployment: NovaDeployment,
    folder: Path,
    clock: PhaseClock,
    tell: Tell,
) -> dict[str, str] | None:
    """Shape the WAN, boot, look, delete, collect; what broke of the system under test, if any."""
    with clock("prepare"):
        store = cell.backend
        probes.start(held.nodes, deployment.query_counters(store), deployment.servers(store))
        traffic.start(held.nodes)
    with clock("shape"):
        held.wan.shape(cell.delays, cell.wan)
    burst = _burst(cell, deployment)
    failure: dict[str, str] | None = None
    phase = "boot"
    try:
        with clock(phase):
            faults.write(faults.arm(cell.fault, deployment), folder)
            _tell(tell, "booted", burst.boot())
        phase = "look"
        with clock(phase):
            _look(deployment, burst, folder, tell)
        phase = "delete"
        with clock(phase):
            _tell(tell, "deleted", burst.delete())
    except (MeasuredFailure, TestbedError) as error:
        failure = {
            "class": "measured",
            "phase": phase,
            "message": _what_broke(error, held, deployment),
        }
        tell(f"the system under test broke, which is a result: {failure['message']}")
    with clock("collect"):
        held.wan.measure("after-load")
        traffic.collect(held.nodes, folder)
        probes.collect(held.nodes, folder)
        calls.collect(deployment.of("control"), PROBE_FOLDER, folder)
        burst.report(folder)
        deployment.logs(folder / "logs")
        record = json.dumps(held.wan.record, indent=1)
        (folder / "wan.json").write_text(record + "\n", encoding="utf-8")
    return failure


def _burst(cell: NovaCell, deployment: NovaDeployment) -> Burst:
    """One client, on the last site: far from site 1, where the one server of some back ends is.

    It is one, so that all requests go out by one clock; each is sent to the API that it is for.
    """
    plan = Plan(
        servers=cell.servers,
        image=IMAGE["id"],
        flavor=FLAVORS[0]["id"],
        zones=deployment.zones,
    )
    client = deployment.of("client")[-1:]
    return Burst(plan, client, deployment.keystone_urls, deployment.nova_urls, deployment.users[0])


def _look(deployment: NovaDeployment, burst: Burst, folder: Path, tell: Tell) -> None:
    """Whether all that know of servers know the same, now that all are booted and none deleted."""
    records = burst.records()
    asked = [server for record in records for server in record["servers"]]
    projects = sorted({record["project"] for record in records})
    control = deployment.of("control")[0]
    found = consistency.check(
        burst.nodes[0],
        control,
        deployment.database_urls(control),
        deployment.keystone_url,
        deployment.nova_urls,
        deployment.admin,
        asked,
        projects,
    )
    (folder / consistency.RESULT).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    kinds = sorted({finding["kind"] for finding in found["findings"]})
    tell(f"  consistency: {len(found['findings'])} findings {', '.join(kinds)}".rstrip())


def _tell(tell: Tell, verb: str, summaries: Mapping[str, Mapping[str, Any]]) -> None:
    for alias, summary in summaries.items():
        said = ", ".join(f"{key} {value}" for key, value in summary.items())
        tell(f"  {verb} from {alias}: {said}")


def _what_broke(error: Exception, held: Lease, deployment: NovaDeployment) -> str:
    """What of the system under test broke; ``error`` is raised again if it was something else."""
    if isinstance(error, MeasuredFailure):
        return str(error)
    remote.run("true", held.nodes)
    try:
        deployment.check_health()
    except DeployError as unhealthy:
        return f"{unhealthy} (after: {error})"
    raise error
