"""Histories written by hand: one line for each transaction."""

import itertools
from collections import Counter
from typing import Any

from tests.histories.checkers import Promises, check
from tests.histories.history import OK, History, Operation

EMPTY = ("commits", "accounts", "elements", "lists", "names", "parents", "children", "tags")


def history(
    operations: list[Operation],
    events: list[tuple[float, str]] | None = None,
    finals: dict[str, str] | None = None,
    lost: tuple[str, ...] = (),
    **final: Any,
) -> History:
    """A history whose acknowledged writers are there at the end, but for the ``lost``."""
    for op in operations:
        op.survived = op.writes and op.outcome == OK and op.name not in lost
    tables = {**{name: [] for name in EMPTY}, **final}
    return History(operations, tables, finals or {}, Counter(), events or [])


def appends(
    name: str,
    *steps: tuple[Any, ...],
    at: tuple[float, float] = (0.0, 100.0),
    outcome: str = OK,
    process: str = "",
) -> Operation:
    """A transaction of lists: ``("r", key, what it read)``, ``("a", key, value)``,
    ``("w", key, what it read, value)``; lists as words in a string.
    """
    plan, read = [], []
    for kind, key, *rest in steps:
        plan.append([kind, key] if kind == "r" else [kind, key, rest[-1]])
        read.append(None if kind == "a" else rest[0].split())
    return Operation(
        name=name,
        process=process or name,
        thread=0,
        workload="appends",
        plan={"do": "append", "steps": plan},
        begin=at[0],
        end=at[1],
        outcome=outcome,
        told={"read": read},
        writes=any(step[0] != "r" for step in steps),
    )


def lists(**contents: str) -> dict[str, Any]:
    """The table at the end."""
    return {"lists": [[key, text] for key, text in contents.items()]}


_names = itertools.count()


def operation(
    workload: str,
    do: str,
    at: tuple[float, float] = (0.0, 100.0),
    *,
    name: str = "",
    plan: dict[str, Any] | None = None,
    process: str = "p",
    outcome: str = OK,
    writes: bool = True,
    error: str = "",
    **told: Any,
) -> Operation:
    """One transaction of any other workload."""
    return Operation(
        name=name or f"t{next(_names)}",
        process=process,
        thread=0,
        workload=workload,
        plan={"do": do, **(plan or {})},
        begin=at[0],
        end=at[1],
        outcome=outcome,
        error=error,
        told=told,
        writes=writes,
    )


def anomalies(history: History, **promises: Any) -> list[str]:
    """The names of what is wrong, each once."""
    return sorted({found.anomaly for found in check(history, Promises(**promises))})
