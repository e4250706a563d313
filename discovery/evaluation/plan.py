"""What a tier would take, said before anything is leased: cells, nodes, time, memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.table import Table

from discovery.errors import ConfigError
from discovery.evaluation.console import Terminal
from discovery.evaluation.needs import (
    lacks,
    memory_mb,
    missing_parts,
    most_fake_nodes,
    nodes,
    roles,
    seen,
)
from discovery.evaluation.times import Estimate, estimate, measured_times, read_times
from discovery.experiment.load import load_cells, load_parts
from discovery.experiment.nova_cells import NovaCell
from discovery.experiment.run import Run
from discovery.experiment.studies import AnyCell
from discovery.testbed.config import Testbed
from discovery.testbed.load import load_testbed

_REST = 58  # characters that the other columns of a plan take, with their frame
_REASONS = 6  # how many are told after the table, which has each
_KEPT_FREE_MB = 500  # a margin for Snakemake, Ansible and whatever else runs here


@dataclass(frozen=True)
class PlannedCell:
    """One cell: its nodes, the memory they need, and what is known of it.

    ``part`` names the part of the tier that has it, such as ``also[0]``. ``estimate`` is ``None``
    where no earlier run of its back end and load is known. ``done`` says that its result is there;
    ``why_not`` why it cannot run here, if it cannot.
    """

    cell: AnyCell
    part: str
    nodes: int
    memory_mb: int
    estimate: Estimate | None
    done: bool
    why_not: str | None

    @property
    def to_run(self) -> bool:
        """Whether it would be measured now."""
        return not self.done and self.why_not is None


@dataclass(frozen=True)
class Plan:
    """The cells of a tier on a testbed. ``memory_mb`` is what this machine has, where it counts."""

    experiment: str
    tier: str
    provider: str
    cells: tuple[PlannedCell, ...]
    memory_mb: int | None

    @property
    def to_run(self) -> list[PlannedCell]:
        """The cells that would be measured now."""
        return [planned for planned in self.cells if planned.to_run]

    @property
    def impossible(self) -> bool:
        """Whether no cell can be run, and not because all are done."""
        return not self.to_run and any(one.why_not is not None for one in self.cells)

    @property
    def minutes(self) -> float | None:
        """Wall time of the cells to run, one after the other; ``None`` if one is unknown."""
        return _total_minutes(self.to_run)

    @property
    def node_hours(self) -> float | None:
        """Nodes times the hours they are held; ``None`` if a cell's time is unknown."""
        known = [(planned.nodes, planned.estimate) for planned in self.to_run]
        if any(expected is None for _, expected in known):
            return None
        return sum(nodes * expected.seconds for nodes, expected in known if expected) / 3600


def _total_minutes(cells: Sequence[PlannedCell]) -> float | None:
    seconds = [planned.estimate.seconds for planned in cells if planned.estimate]
    return sum(seconds) / 60 if len(seconds) == len(cells) else None


def plan(experiment: Path, tier: str, testbed: Path, results: Path) -> Plan:
    """What ``tier`` of the experiment in folder ``experiment`` would take on ``testbed``.

    ``results`` is the folder of all tiers' results: what is there is not measured again, and says
    how long cells take here; else the experiment's ``times.csv`` says it. Leases nothing. Raises
    :class:`ConfigError`.
    """
    cells = load_cells(experiment, tier)
    part_of = {
        cell.id: part for part, inside in load_parts(experiment, tier).items() for cell in inside
    }
    held = load_testbed(testbed)
    here = measured_times(results.glob(f"{experiment.resolve().name}/*/raw/*/cell.json"))
    elsewhere = read_times(experiment / "times.csv")
    raw = results / experiment.resolve().name / tier / "raw"
    missing = missing_parts(cells)
    there = memory_there_mb() if held.on_this_machine else None
    return Plan(
        experiment=experiment.resolve().name,
        tier=tier,
        provider=held.provider,
        cells=tuple(
            PlannedCell(
                cell=cell,
                part=part_of[cell.id],
                nodes=nodes(cell),
                memory_mb=memory_mb(cell),
                estimate=_first(
                    estimate(cell, here, "measured here"),
                    estimate(cell, elsewhere, f"{experiment.name}/times.csv"),
                ),
                done=done,
                why_not=None
                if done
                else held.shortage(roles(cell)) or _why_not(cell, there) or lacks(cell, missing),
            )
            for cell in cells
            for done in [(raw / cell.id / "cell.json").is_file()]
        ),
        memory_mb=there,
    )


def check_testbed(cells: Iterable[AnyCell], testbed: Testbed, run: Run) -> None:
    """Refuse a tier with cells that ``testbed`` cannot hold, before the first of them is leased.

    Raises :class:`ConfigError`, with how many and what the first of them lacks.
    """
    planned = list(cells)
    short = [(cell, why) for cell in planned for why in [testbed.shortage(roles(cell))] if why]
    if short:
        first, why = short[0]
        raise ConfigError(
            f"cannot hold {len(short)} of the {len(planned)} cells of tier {run.tier}: "
            f"{first.id} {why}",
            file=testbed.file,
            key="provider",
            value=testbed.provider,
            allowed="a testbed that holds all cells, or a tier with fewer (`discovery plan` "
            "says which)",
        )


def check_memory(cells: Iterable[AnyCell], testbed: Testbed, run: Run) -> None:
    """Refuse a tier with more sites, or fake nodes, than this machine's memory holds.

    On a testbed elsewhere, this machine only drives nodes. Raises :class:`ConfigError`.
    """
    if not testbed.on_this_machine:
        return
    there = memory_there_mb()
    for cell in cells:
        why_not = _why_not(cell, there)
        if why_not is not None:
            _check_fake_nodes(cell, there, why_not, run)
            fits = [sites for sites in range(2, cell.sites) if not _lacks(cell, sites, there)]
            raise ConfigError(
                why_not,
                file=run.folder / "experiment.yaml",
                key=f"tiers.{run.tier}.sites",
                value=cell.sites,
                allowed=f"at most {max(fits)} sites here, or another testbed"
                if fits
                else "another testbed: this machine is too small for one",
            )


def _check_fake_nodes(cell: AnyCell, there_mb: int, why_not: str, run: Run) -> None:
    """Refuse a cell that would fit with fewer fake nodes."""
    if isinstance(cell, NovaCell) and (most := most_fake_nodes(cell, there_mb)) >= 1:
        raise ConfigError(
            f"{cell.sites} sites of so many: {why_not}",
            file=run.folder / "experiment.yaml",
            key=f"tiers.{run.tier}.fake_nodes",
            value=cell.fake_nodes,
            allowed=f"at most {most} here, or another testbed",
        )


def memory_there_mb() -> int:
    """MB that nodes may take on this machine: what is available now, less what stays free."""
    return max(0, psutil.virtual_memory().available // 10**6 - _KEPT_FREE_MB)


def progress(planned: Plan, cell_id: str) -> str:
    """One line for whoever watches: which cell of how many this is, and the time left."""
    done = sum(one.done for one in planned.cells)
    line = f"cell {done + 1} of {done + len(planned.to_run)}: {cell_id}"
    this = next((one for one in planned.cells if one.cell.id == cell_id), None)
    if this is not None and this.estimate is not None:
        line += f", about {_minutes(this.estimate.seconds / 60)}"
    if planned.minutes is not None and len(planned.to_run) > 1:
        line += f"; {_minutes(planned.minutes)} left in all"
    return line


def render(planned: Plan) -> None:
    """Print the plan."""
    console = Terminal()
    longest = max(len(one.cell.id) for one in planned.cells)
    table = Table(title=f"{planned.experiment}, {planned.tier} tier, {planned.provider} testbed")
    for heading in ("cell", "nodes", "memory", "time", "known from"):
        numeric = heading in ("nodes", "memory", "time")
        # A long id is folded where the terminal is narrow, so that no number is cut off.
        table.add_column(
            heading,
            justify="right" if numeric else "left",
            no_wrap=numeric,
            overflow="fold",
            min_width=min(longest, console.width - _REST) if heading == "cell" else None,
        )
    for one in planned.cells:
        expected = one.estimate
        table.add_row(
            one.cell.id,
            str(one.nodes),
            f"{one.memory_mb / 1000:.1f} GB",
            "done" if one.done else _minutes(expected.seconds / 60) if expected else "?",
            f"not run: {one.why_not}"
            if one.why_not
            else (expected.source if expected else seen(one.cell)),
        )
    console.print(table)
    console.print(summary(planned), highlight=False)


def summary(planned: Plan) -> str:
    """The plan in a few sentences: what would run, for how long, on how much."""
    run, cells = planned.to_run, planned.cells
    lines = [f"{len(run)} of {len(cells)} cells to run"]
    if any(one.done for one in cells):
        lines[0] += f", {sum(one.done for one in cells)} done"
    if run:
        lines[0] += f"; up to {max(one.nodes for one in run)} nodes at once"
        if planned.minutes is not None and planned.node_hours is not None:
            lines[0] += f", {_minutes(planned.minutes)}, {planned.node_hours:.1f} node-hours"
        else:
            unknown = sum(one.estimate is None for one in run)
            lines[0] += f"; the time of {unknown} is unknown until a cell like it has run"
    lines += _parts(run)
    if planned.memory_mb is not None:
        most = max(one.memory_mb for one in run or cells)
        lines.append(f"memory: {most / 1000:.1f} GB needed, {planned.memory_mb / 1000:.1f} GB free")
    reasons = Counter(one.why_not for one in cells if one.why_not).most_common()
    for why, count in reasons[:_REASONS]:
        lines.append(f"not run: {_cells(count)}: {why}")
    if len(reasons) > _REASONS:
        others = sum(count for _, count in reasons[_REASONS:])
        lines.append(f"not run: {_cells(others)} for {len(reasons) - _REASONS} reasons like these")
    return ".\n".join(lines) + "."


def _cells(count: int) -> str:
    return f"{count} {'cells' if count > 1 else 'cell'}"


def _parts(run: Sequence[PlannedCell]) -> list[str]:
    """How long each part of the tier takes, where it has several, and what that is known from."""
    parts = {one.part: [other for other in run if other.part == one.part] for one in run}
    lines = []
    for part, cells in parts.items() if len(parts) > 1 else ():
        known = [one.estimate for one in cells if one.estimate is not None]
        counts = {
            "measured": sum(one.exact for one in known),
            "estimated": sum(not one.exact for one in known),
            "unknown": len(cells) - len(known),
        }
        time = _minutes(sum(one.seconds for one in known) / 60)
        told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        least = f"at least {time}" if counts["unknown"] else time
        lines.append(
            f"{part}: {len(cells)} {'cells' if len(cells) > 1 else 'cell'}, "
            f"{f'{least} ({told})' if known else 'time unknown'}"
        )
    return lines


def _first(*estimates: Estimate | None) -> Estimate | None:
    """The first that is of the very kind of cell; else the first there is."""
    known = [one for one in estimates if one is not None]
    return next(iter([one for one in known if one.exact] or known), None)


def _why_not(cell: AnyCell, there_mb: int | None) -> str | None:
    if there_mb is None or not _lacks(cell, cell.sites, there_mb):
        return None
    need = memory_mb(cell) / 1000
    return f"needs {need:.1f} GB of memory and {there_mb / 1000:.1f} GB are free"


def _lacks(cell: AnyCell, sites: int, there_mb: int) -> bool:
    return memory_mb(cell, sites) > there_mb


def _minutes(minutes: float) -> str:
    return f"{minutes * 60:.0f} s" if minutes < 1.5 else f"{minutes:.0f} min"
