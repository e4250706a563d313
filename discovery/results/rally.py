"""Rally's JSON report → iterations and atomic actions.

The format is that of ``rally task report --json`` of Rally 5.1 (``format_version`` 1.2):
``tasks[].subtasks[].workloads[]``, and in each workload ``data[]``, an entry per iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discovery.errors import ResultError
from discovery.reading import MOST_RESULT, parse_json, read_text
from discovery.workload.nova_scenarios import NOVA_SCENARIOS
from discovery.workload.scenarios import SCENARIOS

_BY_PLUGIN = {
    **{scenario.rally: scenario.name for scenario in SCENARIOS.values()},
    **{scenario.rally: scenario.name for scenario in NOVA_SCENARIOS.values()},
}


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
    """All iterations of a scenario from one client.

    ``start`` (s, epoch) and ``load_s`` (s) frame the load alone: Rally's contexts lie outside.
    ``start`` is ``None`` when not one iteration began.
    """

    scenario: str
    start: float | None
    load_s: float
    iterations: tuple[Iteration, ...]


def read_report(path: Path) -> tuple[Workload, ...]:
    """The workloads in a Rally report; a :class:`ResultError` if it is cut off or not one."""
    try:
        report: Any = parse_json(read_text(path, MOST_RESULT))
    except ValueError as error:
        raise ResultError(
            f"{path}: Rally's report is cut off or not JSON ({error}); run the cell again."
        ) from None
    try:
        version = str(report["info"]["format_version"])
        if version.partition(".")[0] != "1":
            raise ResultError(
                f"{path}: is a Rally report of format {version}, but only format 1 is known; "
                "use Rally 5.1."
            )
        return tuple(
            _workload(path, item)
            for task in report["tasks"]
            for subtask in task["subtasks"]
            for item in subtask["workloads"]
        )
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ResultError(
            f"{path}: is not a whole Rally report ({type(error).__name__}: {error}); run the cell "
            "again."
        ) from None


def _workload(path: Path, item: dict[str, Any]) -> Workload:
    plugin = next(iter(item["scenario"]))
    if plugin not in _BY_PLUGIN:
        raise ResultError(
            f"{path}: holds the Rally scenario {plugin}, which no declared scenario stands for; "
            f"known are {', '.join(sorted(_BY_PLUGIN))}."
        )
    if len(item["data"]) != item["total_iteration_count"]:
        raise ResultError(
            f"{path}: {plugin} has {len(item['data'])} iterations, but Rally counted "
            f"{item['total_iteration_count']}; run the cell again."
        )
    iterations = sorted((_iteration(entry) for entry in item["data"]), key=lambda one: one.start)
    return Workload(
        scenario=_BY_PLUGIN[plugin],
        start=None if item["start_time"] is None else float(item["start_time"]),
        load_s=float(item["load_duration"]),
        iterations=tuple(iterations),
    )


def _iteration(entry: dict[str, Any]) -> Iteration:
    error = entry["error"]
    return Iteration(
        start=float(entry["timestamp"]),
        duration_s=float(entry["duration"]),
        idle_s=float(entry["idle_duration"]),
        # Rally's third element is the traceback, which stays in the raw file.
        error=": ".join(str(part).strip() for part in error[:2]) if error else None,
        actions=tuple(_actions(entry["atomic_actions"])),
    )


def _actions(entries: list[dict[str, Any]]) -> Iterator[Action]:
    """Rally's top-level actions, which partition the iteration; children lie inside them."""
    for entry in entries:
        started, finished = entry["started_at"], entry.get("finished_at")
        if started is None:
            continue  # created but never entered: no time was spent in it
        yield Action(
            name=str(entry["name"]),
            start=float(started),
            duration_s=None if finished is None else float(finished) - float(started),
            failed=bool(entry.get("failed", False)) or finished is None,
        )
