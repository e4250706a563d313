"""The run of one cell, from lease to release, and its results written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from discovery.deploy import Deployment, deploy, memory_mb
from discovery.deploy.cockroach import zones
from discovery.errors import DeployError, MeasuredFailure, TestbedError
from discovery.experiment.cells import Cell
from discovery.testbed import Lease, Testbed, lease
from discovery.whole import whole_folder
from discovery.workload import probes, remote, replays
from discovery.workload.clients import keystone_clients
from discovery.workload.manifest import environment, write_manifest
from discovery.workload.phases import PhaseClock

Tell = Callable[[str], None]


def run_cell(cell: Cell, testbed: Testbed, out: Path, tell: Tell) -> None:
    """Run ``cell`` on ``testbed`` and write its raw results as the folder ``out``.

    ``tell`` gets a line for every step. A :class:`MeasuredFailure` after the deployment was proven
    healthy is a result, and written like one. Every other error is an accident: it is raised, and
    there is no ``out``.
    """
    clock = PhaseClock(tell)
    started = datetime.now(UTC)
    with whole_folder(out) as folder, ExitStack() as stack:
        with clock("lease"):
            needed = memory_mb(
                cell.backend,
                cell.sites,
                load=cell.load,
                processes=cell.keystone.processes,
            )
            held = stack.enter_context(
                lease(testbed, sites=cell.sites, purpose=cell.id, memory_mb=needed)
            )
        deployment = _deploy(cell, held, clock)
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


def _deploy(cell: Cell, held: Lease, clock: PhaseClock) -> Deployment:
    with clock("deploy"):
        deployment = deploy(
            held,
            cell.backend,
            cell.keystone,
            cell.database,
            clock,
            placement=cell.placement or zones.DEFAULT,
        )
    with clock("health"):
        deployment.check_health()
    return deployment


def _load(
    cell: Cell, held: Lease, deployment: Deployment, folder: Path, clock: PhaseClock, tell: Tell
) -> dict[str, str] | None:
    """Shape the WAN, warm up, load, and collect; what broke of the system under test, if any."""
    clients = keystone_clients(cell, held.nodes, deployment)
    failure: dict[str, str] | None = None
    with clock("prepare"):
        clients.start()
        probes.start(held.nodes, deployment.query_counters, deployment.database_nodes)
    with clock("shape"):
        held.wan.shape(cell.delays, cell.wan)
    phase = "warm-up"
    try:
        with clock(phase):
            clients.warm_up()
        phase = "load"
        with clock(phase):
            clients.load(tell)
    except (MeasuredFailure, TestbedError) as error:
        failure = {
            "class": "measured",
            "phase": phase,
            "message": _what_broke(error, held, deployment),
        }
        tell(f"the system under test broke, which is a result: {failure['message']}")
    with clock("collect"):
        held.wan.measure("after-load")
        probes.collect(held.nodes, folder)
        clients.report(folder / "rally")
        replays.collect(deployment, folder)
        deployment.logs(folder / "logs")
        record = json.dumps(held.wan.record, indent=1)
        (folder / "wan.json").write_text(record + "\n", encoding="utf-8")
    return failure


def _what_broke(error: Exception, held: Lease, deployment: Deployment) -> str:
    """What of the system under test broke; ``error`` is raised again if it was something else.

    Rally gives up in the same way on a Keystone that is dead and on a mistake of ours, so the
    system is asked once more: if it is well, it was not the system.
    """
    if isinstance(error, MeasuredFailure):
        return str(error)
    remote.run("true", held.nodes)
    try:
        deployment.check_health()
    except DeployError as unhealthy:
        return f"{unhealthy} (after: {error})"
    raise error
