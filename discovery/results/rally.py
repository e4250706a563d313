"""Rally's JSON report → iterations and atomic actions.

The format is that of ``rally task report --json`` of Rally 5.1 (``format_version`` 1.2):
``tasks[].subtasks[].workloads[]``, and in each workload ``data[]``, an entry per iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from discovery.errors import ResultError
from discovery.results.files import Count, Epoch, Name, Seconds, plain, read_json
from discovery.workload.nova_scenarios import NOVA_SCENARIOS
from discovery.workload.scenarios import SCENARIOS

_BY_PLUGIN = {
    **{scenario.rally: scenario.name for scenario in SCENARIOS.values()},
    **{scenario.rally: scenario.name for scenario in NOVA_SCENARIOS.values()},
}


class _Reported(BaseModel):
    """Base of what is read of Rally's report; the rest of it is nobody's here."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class _Action(_Reported):
    name: Name
    started_at: Epoch | None
    finished_at: Epoch | None = None
    failed: bool = False


class _Iteration(_Reported):
    timestamp: Epoch
    duration: Seconds
    idle_duration: Seconds
    error: tuple[str, ...]
    atomic_actions: tuple[_Action, ...]


class _Constant(_Reported):
    times: Count
    concurrency: Count


class _Runner(_Reported):
    constant: _Constant


class _Workload(_Reported):
    scenario: Annotated[dict[str, Any], Field(min_length=1, max_length=1)]
    runner: _Runner
    data: tuple[_Iteration, ...]
    total_iteration_count: Count
    failed_iteration_count: Count | None = None
    start_time: Epoch | None
    load_duration: Seconds

    @model_validator(mode="after")
    def _has_begun(self) -> _Workload:
        if self.data and self.start_time is None:
            raise ValueError(f"start_time is null, but there are {len(self.data)} iterations")
        return self


class _Subtask(_Reported):
    workloads: tuple[_Workload, ...]


class _Task(_Reported):
    subtasks: tuple[_Subtask, ...]


class _Info(_Reported):
    format_version: str


class _Report(_Reported):
    info: _Info
    tasks: tuple[_Task, ...]


@dataclass(frozen=True)
class Action:
    """A top-level atomic action: a call of Keystone's API.

    ``start`` is in s since the epoch. ``duration_s`` is ``None`` when the iteration was
    interrupted before the action's end was recorded; it then counts as failed.
    """

    name: str
    start: float
    duration_s: float | None
    failed: bool


@dataclass(frozen=True)
class Iteration:
    """One execution of a scenario.

    ``start`` in s since the epoch; ``duration_s`` without ``idle_s``, the time Rally slept;
    ``error`` is ``"Class: message"``, or ``None`` when it succeeded.
    """

    start: float
    duration_s: float
    idle_s: float
    error: str | None
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class Workload:
    """All iterations of a scenario from one client, in the order in which they began.

    ``times`` is how many Rally was told to run, and ``concurrency`` how many of them at once.
    ``start`` (s, epoch) and ``load_s`` (s) frame the load alone: Rally's contexts lie outside.
    ``start`` is ``None`` when not one iteration began.
    """

    scenario: str
    start: float | None
    load_s: float
    times: int
    concurrency: int
    iterations: tuple[Iteration, ...]


def read_report(path: Path) -> tuple[Workload, ...]:
    """The workloads in a Rally report; a :class:`ResultError` if it is cut off or not one."""
    report = read_json(
        path,
        _Report,
        version=None,
        what="Rally's report",
        instead="this is not a whole Rally report; run the cell again",
    )
    version = report.info.format_version
    if version.partition(".")[0] != "1":
        raise ResultError(
            f"{path}: is a Rally report of format {plain(version)}, but only format 1 is known; "
            "use Rally 5.1."
        )
    return tuple(
        _workload(path, item)
        for task in report.tasks
        for subtask in task.subtasks
        for item in subtask.workloads
    )


def _workload(path: Path, item: _Workload) -> Workload:
    (plugin,) = item.scenario
    if plugin not in _BY_PLUGIN:
        raise ResultError(
            f"{path}: holds the Rally scenario {plain(plugin)}, which no declared scenario stands "
            f"for; known are {', '.join(sorted(_BY_PLUGIN))}."
        )
    failed = sum(1 for one in item.data if one.error)
    for what, counted, found in (
        ("iterations", item.total_iteration_count, len(item.data)),
        ("failed iterations", item.failed_iteration_count, failed),
    ):
        if counted is not None and counted != found:
            raise ResultError(
                f"{path}: {plugin} has {found} {what}, but Rally counted {counted}; run the cell "
                "again."
            )
    return Workload(
        scenario=_BY_PLUGIN[plugin],
        start=item.start_time,
        load_s=item.load_duration,
        times=item.runner.constant.times,
        concurrency=item.runner.constant.concurrency,
        iterations=tuple(sorted(map(_iteration, item.data), key=lambda one: one.start)),
    )


def _iteration(entry: _Iteration) -> Iteration:
    return Iteration(
        start=entry.timestamp,
        duration_s=entry.duration,
        idle_s=entry.idle_duration,
        # Rally's third element is the traceback, which stays in the raw file.
        error=": ".join(part.strip() for part in entry.error[:2]) if entry.error else None,
        actions=tuple(_actions(entry.atomic_actions)),
    )


def _actions(entries: tuple[_Action, ...]) -> Iterator[Action]:
    """Rally's top-level actions, which partition the iteration; children lie inside them."""
    for entry in entries:
        started, finished = entry.started_at, entry.finished_at
        if started is None:
            continue  # created but never entered: no time was spent in it
        yield Action(
            name=entry.name,
            start=started,
            duration_s=None if finished is None else finished - started,
            failed=entry.failed or finished is None,
        )
