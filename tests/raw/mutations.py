"""Single mutations of a raw cell, each of which nobody could have measured.

A number in place of another that could be true, or another name, is none of them: nothing can tell.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from discovery.whole import sha256

HOSTILE: tuple[Any, ...] = (
    True, -1, -0.5, 1e300, 10**30, float("nan"), float("inf"), [], {}, [[1]], {"a": 1}, "1",
    "\x1b[31m\x00", None,
)  # fmt: skip

# Keys whose values may be any text, may be missing, or are none of a table's.
TEXTS = ("error", "message", "fault", "detail", "method", "path", "outcome", "format_version")
NULLABLE = (
    "failure", "commit", "placement", "zone", "accepted", "host", "node", "delete_start",
    "delete_accepted", "gone", "delete_failure", "id", "redis_nodes", "rate_mbit", "replay",
    "started_at", "finished_at", "failed_iteration_count",
)  # fmt: skip
UNREAD = (
    "config", "polls", "children", "output", "statistics", "sla", "sla_results", "hooks",
    "contexts", "contexts_results", "args",
)  # fmt: skip
# Lists and objects of which less, or more, may have been measured.
OPEN = (
    "totals",
    "requests",
    "atomic_actions",
    "phases",
    "findings",
    "counts",
    "placed",
    "packages",
    "error",
    "files",
)

Path_ = tuple[str | int, ...]


def places(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Where in a document there is a value; of a list's items the first and the last."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = [*value.items()]
    elif isinstance(value, list):
        items = [(number, value[number]) for number in sorted({0, len(value) - 1}) if value]
    for key, item in items:
        if key not in UNREAD:
            yield (*at, key)
            yield from places(item, (*at, key))


def mutations(document: Any) -> Iterator[tuple[str, Any]]:
    """Changed copies of ``document``, and what was changed."""
    for at in places(document):
        for change, mutated in changes(document, at):
            yield f"{'.'.join(map(str, at))}: {change}", mutated


def changes(document: Any, at: Path_) -> Iterator[tuple[str, Any]]:
    parent, key = _of(document, at[:-1]), at[-1]
    value = parent[key]
    for hostile in HOSTILE:
        if not _plausible(hostile, value, at):
            changed = copy.deepcopy(document)
            _of(changed, at[:-1])[key] = hostile
            yield f"is {hostile!r}", changed
    if any(name in OPEN for name in at):
        return
    if isinstance(parent, list):
        for change, items in (
            ("is gone", [*parent[:key], *parent[key + 1 :]]),
            ("is there twice", [*parent, parent[key]]),
            ("is first", [parent[key], *parent[:key], *parent[key + 1 :]]),
        ):
            changed = copy.deepcopy(document)
            _of(changed, at[:-1])[:] = copy.deepcopy(items)
            yield change, changed
    elif key not in NULLABLE and key not in TEXTS:
        changed = copy.deepcopy(document)
        del _of(changed, at[:-1])[key]
        yield "is gone", changed


def _of(document: Any, at: Path_) -> Any:
    for key in at:
        document = document[key]
    return document


def _plausible(hostile: Any, value: Any, at: Path_) -> bool:
    """Whether ``hostile`` could stand there as well as ``value`` does."""
    key = next(str(name) for name in reversed(at) if isinstance(name, str))
    if hostile is None:
        return value is None or key in NULLABLE or key in TEXTS
    if isinstance(hostile, str):
        benign = hostile.isprintable() and isinstance(value, str | None)
        return key in TEXTS or benign
    if isinstance(hostile, list | dict) and type(hostile) is type(value):
        return not hostile or (key in OPEN and isinstance(hostile, dict))
    return hostile is True and value is False


def write(source: Path, target: Path, name: str, content: bytes) -> Path:
    """A copy of the cell ``source`` in ``target`` with another file ``name``, listed as it is."""
    folder = target / source.name
    shutil.copytree(source, folder, copy_function=_link)
    (folder / name).unlink()
    (folder / name).write_bytes(content)
    if name != "cell.json":
        manifest = json.loads((folder / "cell.json").read_bytes())
        manifest["files"][name] = sha256(folder / name)
        (folder / "cell.json").unlink()
        (folder / "cell.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)
