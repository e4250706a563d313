"""The run of one cell, from lease to release, and its results written whole or not at all."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from discovery.errors import ConfigError, DeployError, MeasuredFailure, TestbedError
from discovery.experiment.nova_cells import NovaCell
from discovery.experiment.studies import AnyCell
from discovery.testbed import Lease, Testbed, lease
from discovery.testbed.wan.recorded import judge_record, judge_stalls
from discovery.whole import whole_folder
from discovery.workload import remote
from discovery.workload.evidence import Evidence
from discovery.workload.keystone import KeystoneSubject
from discovery.workload.manifest import environment, write_manifest
from discovery.workload.nova import NovaSubject
from discovery.workload.phases import PhaseClock
from discovery.workload.subject import Deployed, Subject, Tell
from discovery.workload.watchdog import Watchdog

Broken = tuple[str, Exception]


def run_cell(cell: AnyCell, testbed: Testbed, out: Path, tell: Tell) -> None:
    """Run ``cell`` on ``testbed`` and write its raw results as the folder ``out``.

    ``tell`` gets a line for every step. A :class:`MeasuredFailure` after the deployment was proven
    healthy is a result, and written like one, if the testbed is well. Every other error is an
    accident: it is raised, and there is no ``out``; what the nodes said of it, where a deployment
    was up, and what was seen of the WAN are in ``<out>.accident``, since the next try sweeps all
    the rest away.
    """
    _refuse_strangers(out, cell)
    clock = PhaseClock(tell)
    started = datetime.now(UTC)
    subject = _subject(cell, clock.tell)
    with whole_folder(out) as folder, ExitStack() as stack:
        stack.enter_context(clock.reminding())
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
        evidence = Evidence(out.with_name(f"{out.name}.accident"), clock.tell)
        with evidence, Watchdog(lambda: _look(held)):
            with clock("deploy"):
                deployed = subject.deploy(held, clock)
            evidence.keep(lambda kept: deployed.logs(kept / "logs"))
            with clock("health"):
                deployed.check_health()
            with clock("prepare"):
                subject.prepare()
            evidence.keep(lambda kept: _write_wan(held, kept))
            with clock("shape"):
                held.wan.shape(cell.delays, cell.wan)
            broken = _load(subject, folder, clock)
            with clock("collect"):
                failure = _judge(broken, cell, held, deployed)
                if failure:
                    clock.tell(
                        f"the system under test broke, which is a result: {failure['message']}"
                    )
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


def _refuse_strangers(out: Path, cell: AnyCell) -> None:
    """Refuse to replace a folder that is not this cell's: what is in it would be lost."""
    if out.resolve().name != cell.id and out.is_dir() and any(out.iterdir()):
        raise ConfigError(
            "holds files that the cell's results would replace",
            file=out,
            allowed=f"a folder that is new, empty or named {cell.id}",
        )


def _look(held: Lease) -> None:
    """Raise a :class:`TestbedError` if the testbed broke, as far as that can be seen in passing."""
    held.look()
    judge_stalls(held.wan.record)


def _subject(cell: AnyCell, tell: Tell) -> Subject:
    if isinstance(cell, NovaCell):
        return NovaSubject(cell, tell)
    return KeystoneSubject(cell, tell)


def _load(subject: Subject, folder: Path, clock: PhaseClock) -> Broken | None:
    """Put the load on the system under test; the error that ended it, if any, and its phase."""
    phase = ""
    try:
        for phase, step in subject.steps(folder):
            with clock(phase):
                step()
    except (MeasuredFailure, TestbedError) as error:
        return phase, error
    return None


def _judge(
    broken: Broken | None, cell: AnyCell, held: Lease, deployed: Deployed
) -> dict[str, str] | None:
    """What of the system under test broke, if anything, and in which phase.

    The testbed is asked first, since a dead WAN looks like a dead service to everybody behind it:
    what is wrong with it is raised as a :class:`TestbedError`, whatever else there was.
    """
    if broken:
        remote.run("true", held.nodes)
    held.wan.measure("after-load")
    judge_record(held.wan.record, cell.wan)
    if broken is None:
        return None
    phase, error = broken
    return {"class": "measured", "phase": phase, "message": _what_broke(error, deployed)}


def _what_broke(error: Exception, deployed: Deployed) -> str:
    """What of the system under test broke; ``error`` is raised again if it was something else.

    Rally gives up in the same way on a Keystone that is dead and on a mistake of ours, so the
    system is asked once more: if it is well, it was not the system.
    """
    if isinstance(error, MeasuredFailure):
        return str(error)
    try:
        deployed.check_health()
    except DeployError as unhealthy:
        return f"{unhealthy} (after: {error})"
    raise error


def _collect(subject: Subject, held: Lease, deployed: Deployed, folder: Path) -> None:
    """Write into ``folder`` what everybody saw."""
    subject.collect(folder)
    deployed.logs(folder / "logs")
    _write_wan(held, folder)


def _write_wan(held: Lease, folder: Path) -> None:
    record = json.dumps(held.wan.record, indent=1)
    (folder / "wan.json").write_text(record + "\n", encoding="utf-8")
