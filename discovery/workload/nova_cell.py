"""The run of one cell on Nova, from lease to release."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from discovery.deploy.nova import NovaDeployment, deploy_nova, nova_memory_mb, roles_of
from discovery.deploy.nova.settings import PROBE_FOLDER
from discovery.errors import DeployError, MeasuredFailure, TestbedError
from discovery.experiment.nova_cells import NovaCell
from discovery.testbed import Lease, Testbed, lease
from discovery.whole import whole_folder
from discovery.workload import calls, probes, remote, traffic
from discovery.workload.manifest import environment, write_manifest
from discovery.workload.nova_loads import load_of
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
    """Shape the WAN, load, collect; what broke of the system under test, if any."""
    load = load_of(cell, deployment, tell)
    with clock("prepare"):
        load.prepare()
        store = cell.backend
        probes.start(held.nodes, deployment.query_counters(store), deployment.servers(store))
        traffic.start(held.nodes)
    with clock("shape"):
        held.wan.shape(cell.delays, cell.wan)
    failure: dict[str, str] | None = None
    phase = ""
    try:
        for phase, step in load.steps(folder):
            with clock(phase):
                step()
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
        load.report(folder)
        deployment.logs(folder / "logs")
        record = json.dumps(held.wan.record, indent=1)
        (folder / "wan.json").write_text(record + "\n", encoding="utf-8")
    return failure


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
