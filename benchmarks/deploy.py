"""How long a deployment takes: ``python benchmarks/deploy.py``. Needs root for local nodes.

    python benchmarks/deploy.py [--sites 3 9] [--repetitions 5] [--backends NAME …]
        [--testbed FILE] [--experiment FOLDER] [--out FILE.json]

Each deployment is a cell's own, without its load: nodes are leased, the back end and a Keystone per
site are put on them, health is proven, all is released. Timed is each step; the sum of deployment
and health is compared with what is wanted. A back end whose databases have never been bootstrapped
is deployed once before. Back ends take turns, so that drift of the machine touches all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import enoslib  # noqa: F401 (its import, once per process, is not what is timed)
from rich.console import Console
from rich.table import Table

from discovery.deploy import BACKENDS, deploy, memory_mb
from discovery.deploy.dumps import dump_of
from discovery.errors import DiscoveryError
from discovery.evaluation.plan import memory_there_mb
from discovery.evaluation.times import read_times
from discovery.experiment.load import load_experiment
from discovery.experiment.models import Experiment
from discovery.testbed import Testbed, lease, load_testbed
from discovery.testbed.leases import ROLES
from discovery.whole import write_whole
from discovery.workload.manifest import environment
from discovery.workload.phases import PhaseClock

# Sites: seconds, on two cores, from a cached image.
WANTED_S = {3: 45.0, 9: 120.0}
TIMED = ("deploy", "health")

Kind = tuple[str, int]  # back end, sites
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Planned:
    """What is to be deployed, how often, and what is not, with the reason."""

    testbed: Testbed
    experiment: Experiment
    kinds: tuple[Kind, ...]
    not_run: dict[Kind, str]
    repetitions: int
    seconds: dict[Kind, float]

    @property
    def turns(self) -> Iterator[tuple[int, Kind]]:
        """Every deployment, in its order."""
        for repetition in range(1, self.repetitions + 1):
            for kind in self.kinds:
                yield repetition, kind


def planned(arguments: argparse.Namespace) -> Planned:
    """What the options ask for, as far as this machine can."""
    experiment, testbed = load_experiment(arguments.experiment), load_testbed(arguments.testbed)
    there = memory_there_mb() if testbed.on_this_machine else None
    not_run, seconds = {}, {}
    kinds = [(name, sites) for sites in arguments.sites for name in arguments.backends]
    times = read_times(arguments.experiment / "times.csv")
    for name, sites in kinds:
        why = _why_not(name, sites, there)
        if why is not None:
            not_run[name, sites] = why
        known = [row.testbed_s for row in times if (row.backend, row.sites) == (name, sites)]
        if known:
            seconds[name, sites] = statistics.median(known)
    return Planned(
        testbed=testbed,
        experiment=experiment,
        kinds=tuple(kind for kind in kinds if kind not in not_run),
        not_run=not_run,
        repetitions=arguments.repetitions,
        seconds=seconds,
    )


def _why_not(name: str, sites: int, there_mb: int | None) -> str | None:
    backend = BACKENDS[name]
    if backend.missing() is not None:
        return backend.missing()
    if sites < backend.least_sites:
        return f"needs {backend.least_sites} sites"
    needed = memory_mb(name, sites)
    if there_mb is not None and needed > there_mb:
        return f"needs {needed / 1000:.1f} GB of memory and {there_mb / 1000:.1f} GB are free"
    return None


def header(plan: Planned) -> Iterator[str]:
    """What is going to be done, said before anything is leased."""
    count = len(plan.kinds) * plan.repetitions
    deployments = "deployment" if count == 1 else "deployments"
    kinds = ", ".join(f"{name} on {sites} sites" for name, sites in plan.kinds) or "nothing"
    yield f"{count} {deployments} on the {plan.testbed.provider} testbed: each {plan.repetitions} x"
    yield f"  {kinds}"
    for (name, sites), why in plan.not_run.items():
        yield f"not run: {name} on {sites} sites: {why}"
    if plan.kinds:
        nodes = max(sites for _, sites in plan.kinds) * len(ROLES)
        needed = max(memory_mb(*kind) for kind in plan.kinds) / 1000
        yield f"up to {nodes} nodes at once, {needed:.1f} GB of memory"
    unknown = [kind for kind in plan.kinds if kind not in plan.seconds]
    known = plan.repetitions * sum(
        plan.seconds[kind] for kind in plan.kinds if kind in plan.seconds
    )
    time = f"{known:.0f} s" if known < 90 else f"{known / 60:.0f} min"
    more = f"; and {len(unknown)} kinds of which no time is known" if unknown else ""
    yield f"about {time}, as cells took without their load{more}"


def once(plan: Planned, kind: Kind) -> tuple[dict[str, float], dict[str, Any]]:
    """One deployment: the seconds of each phase, and what it was made with."""
    name, sites = kind
    clock = PhaseClock(lambda line: None)
    settings, database = plan.experiment.keystone, plan.experiment.database
    with ExitStack() as stack:
        with clock("lease"):
            held = stack.enter_context(
                lease(
                    plan.testbed,
                    sites=sites,
                    purpose=f"benchmark of deploying {name}",
                    memory_mb=memory_mb(name, sites),
                )
            )
        with clock("deploy"):
            made = deploy(held, name, settings, database, clock)
        with clock("health"):
            made.check_health()
        with_what = environment(held.provider, held.wan.backend, made.image, made.versions())
        with clock("release"):
            held.release()
    return {phase.phase: phase.seconds for phase in clock.finished}, with_what


def bootstrap(plan: Planned, tell: Tell) -> None:
    """Deploy, untimed, what has to be bootstrapped: from then on it starts from a dump."""
    for name, sites in plan.kinds:
        dump = dump_of(BACKENDS[name], plan.experiment.keystone)
        if dump is not None and not dump.exists():
            tell(f"{name}: bootstrapped once, untimed")
            once(plan, (name, sites))


def measure(plan: Planned, out: Path | None, tell: Tell) -> list[dict[str, Any]]:
    """Every deployment in its turn; ``out`` has what there is after each."""
    rows: list[dict[str, Any]] = []
    for repetition, kind in plan.turns:
        load = os.getloadavg()[0]
        seconds, with_what = once(plan, kind)
        rows.append(
            {
                "backend": kind[0],
                "sites": kind[1],
                "repetition": repetition,
                "load_before": round(load, 2),
                "seconds": seconds,
            }
        )
        took = timed(rows[-1])
        tell(f"{kind[0]} on {kind[1]} sites, {repetition} of {plan.repetitions}: {took:.1f} s")
        if out is not None:
            document = {"environment": with_what, "deployments": rows}
            write_whole(out, json.dumps(document, indent=1) + "\n")
    return rows


def timed(row: dict[str, Any]) -> float:
    """Seconds from nodes that answer to a Keystone per site that is proven to work."""
    return sum(float(row["seconds"][phase]) for phase in TIMED)


def spread(seconds: Sequence[float]) -> str:
    """Median, and from least to most."""
    return f"{statistics.median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})"


def table(plan: Planned, rows: Sequence[dict[str, Any]]) -> Table:
    """A line for each kind, in seconds."""
    found = Table(title="Deployments, seconds: median (least to most)")
    for column in ("back end", "sites", "n", "deployed, healthy", "wanted", "leased", "released"):
        found.add_column(column, justify="left" if column == "back end" else "right")
    for name, sites in plan.kinds:
        of_kind = [row for row in rows if (row["backend"], row["sites"]) == (name, sites)]
        phases = [row["seconds"] for row in of_kind]
        found.add_row(
            name,
            str(sites),
            str(len(of_kind)),
            spread([timed(row) for row in of_kind]),
            f"≤ {WANTED_S[sites]:g}" if sites in WANTED_S else "",
            spread([phase["lease"] for phase in phases]),
            spread([phase["release"] for phase in phases]),
        )
    return found


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sites", type=int, nargs="+", default=sorted(WANTED_S))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--backends", nargs="+", choices=list(BACKENDS), default=list(BACKENDS))
    parser.add_argument("--testbed", type=Path, default=Path("experiments/testbeds/local.yaml"))
    parser.add_argument("--experiment", type=Path, default=Path("experiments/keystone-2018"))
    parser.add_argument("--out", type=Path, help="a JSON file for every phase of every deployment")
    return parser.parse_args()


def main() -> None:
    """See the module."""
    arguments = options()
    console = Console()

    def tell(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    try:
        plan = planned(arguments)
        for line in header(plan):
            tell(line)
        bootstrap(plan, tell)
        rows = measure(plan, arguments.out, tell)
    except DiscoveryError as error:
        sys.exit(str(error))
    if rows:
        console.print(table(plan, rows))
    tell(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
