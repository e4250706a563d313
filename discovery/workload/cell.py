"""The run of one cell, from lease to release, and its results written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from discovery.errors import DeployError, DiscoveryError, MeasuredFailure, TestbedError
from discovery.experiment.nova_cells import NovaCell
from discovery.experiment.studies import AnyCell
from discovery.testbed import Lease, Testbed, lease
from discovery.whole import whole_folder
from discovery.workload import remote
from discovery.workload.keystone import KeystoneSubject
from discovery.workload.manifest import environment, write_manifest
from discovery.workload.nova import NovaSubject
from discovery.workload.phases import PhaseClock
from discovery.workload.subject import Deployed, Subject, Tell


def run_cell(cell: AnyCell, testbed: Testbed, out: Path, tell: Tell) -> None:
    """Run ``cell`` on ``testbed`` and write its raw results as the folder ``out``.

    ``tell`` gets a line for every step. A :class:`MeasuredFailure` after the deployment was proven
    healthy is a result, and written like one. Every other error is an accident: it is raised, and
    there is no ``out``; where the deployment was up, the journals of its nodes are in
    ``<out>.accident``, since the next try sweeps all the rest away.
    """
    clock = PhaseClock(tell)
    started = datetime.now(UTC)
    subject = _subject(cell, tell)
    with whole_folder(out) as folder, ExitStack() as stack:
        with clock("lease"):
            held = stack.enter_context(
                lease(
                    testbed,
                    sites=cell.sites,
                    purpose=cell.id,
                    memory_mb=subject.memory_mb,
                    roles=subject.roles,
                )
            )
        with clock("deploy"):
            deployed = subject.deploy(held, clock)
        stack.enter_context(_evidence(deployed, out.with_name(f"{out.name}.accident"), tell))
        with clock("health"):
            deployed.check_health()
        with clock("prepare"):
            subject.prepare()
        with clock("shape"):
            held.wan.shape(cell.delays, cell.wan)
        failure = _load(subject, held, deployed, folder, clock)
        if failure:
            tell(f"the system under test broke, which is a result: {failure['message']}")
        with clock("collect"):
            _collect(subject, held, deployed, folder)
        described = environment(
            held.provider, held.wan.backend, deployed.image, deployed.versions()
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


@contextmanager
def _evidence(deployed: Deployed, folder: Path, tell: Tell) -> Iterator[None]:
    """Keep in ``folder`` what the nodes say of an accident in the body, if they still say any."""
    try:
        yield
    except DiscoveryError:
        with suppress(DiscoveryError), whole_folder(folder) as kept:
            deployed.logs(kept / "logs")
            tell(f"an accident; what its nodes said is in {folder}")
        raise


def _subject(cell: AnyCell, tell: Tell) -> Subject:
    if isinstance(cell, NovaCell):
        return NovaSubject(cell, tell)
    return KeystoneSubject(cell, tell)


def _load(
    subject: Subject, held: Lease, deployed: Deployed, folder: Path, clock: PhaseClock
) -> dict[str, str] | None:
    """Put the load on the system under test; what broke of it, if any, and in which phase."""
    phase = ""
    try:
        for phase, step in subject.steps(folder):
            with clock(phase):
                step()
    except (MeasuredFailure, TestbedError) as error:
        message = _what_broke(error, held, deployed)
        return {"class": "measured", "phase": phase, "message": message}
    return None


def _collect(subject: Subject, held: Lease, deployed: Deployed, folder: Path) -> None:
    """Measure the WAN once more, and write into ``folder`` what everybody saw."""
    held.wan.measure("after-load")
    subject.collect(folder)
    deployed.logs(folder / "logs")
    record = json.dumps(held.wan.record, indent=1)
    (folder / "wan.json").write_text(record + "\n", encoding="utf-8")


def _what_broke(error: Exception, held: Lease, deployed: Deployed) -> str:
    """What of the system under test broke; ``error`` is raised again if it was something else.

    Rally gives up in the same way on a Keystone that is dead and on a mistake of ours, so the
    system is asked once more: if it is well, it was not the system.
    """
    if isinstance(error, MeasuredFailure):
        return str(error)
    remote.run("true", held.nodes)
    try:
        deployed.check_health()
    except DeployError as unhealthy:
        return f"{unhealthy} (after: {error})"
    raise error
