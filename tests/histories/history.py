"""What clients asked and were told: two lines of JSON for each transaction, in a file per client.

The first line is written before the transaction begins, so that one whose client was killed is
known to have been tried. Each transaction that writes also leaves a row in the table ``commits``,
under its own name: at the end it is known of every transaction, those in doubt included, whether
it is part of the database.
"""

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OK, REFUSED, UNKNOWN, CRASHED = "ok", "refused", "unknown", "crashed"
"""Committed; certainly not; in doubt; and an error that no client should ever see."""


@dataclass(slots=True)
class Operation:
    """One transaction. ``process`` is a life of a client process; its threads share it.

    Times are seconds of the machine's monotonic clock, the same for all processes; ``end`` is
    None where the client was killed. ``survived``: its row is in ``commits``; None for one that
    wrote nothing.
    """

    name: str
    process: str
    thread: int
    workload: str
    plan: dict[str, Any]
    begin: float
    end: float | None = None
    outcome: str = UNKNOWN
    error: str = ""
    message: str = ""
    told: dict[str, Any] = field(default_factory=dict)
    writes: bool = True
    survived: bool = False

    @property
    def ok(self) -> bool:
        """Whether the client was told that it is committed."""
        return self.outcome == OK

    @property
    def known_end(self) -> float:
        """When it was certainly over: never, for one in doubt."""
        return self.end if self.end is not None and self.ok else float("inf")

    def __str__(self) -> str:
        end = "killed" if self.end is None else f"{self.end:.4f}"
        what = f"{self.outcome} {self.error}".strip()
        facts = json.dumps({"plan": self.plan, "told": self.told})
        return f"{self.name} [{self.begin:.4f} – {end}] {self.workload}: {what} {facts}"


class Recorder:
    """One thread's file."""

    def __init__(self, folder: Path, process: str, thread: int) -> None:
        self.process, self.thread = process, thread
        path = folder / f"client-{process}-{thread}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def _write(self, **line: Any) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def begin(self, name: str, workload: str, plan: dict[str, Any]) -> None:
        """A transaction is about to begin."""
        self._write(name=name, workload=workload, plan=plan, begin=time.monotonic())

    def end(self, name: str, outcome: str, told: dict[str, Any], **more: Any) -> None:
        """It is over."""
        self._write(name=name, end=time.monotonic(), outcome=outcome, told=told, **more)

    def note(self, **what: Any) -> None:
        """Something else: counters, the final state."""
        self._write(note=what)

    def close(self) -> None:
        """No more."""
        os.close(self._file)


@dataclass
class History:
    """All of a trial: operations in the order of their begin; what the faults did, and when.

    ``finals`` are the tables as each client saw them when all was over, ``final`` as a new one did.
    ``log``: the transaction and payload of each entry, if the log was kept from its beginning.
    """

    operations: list[Operation]
    final: dict[str, Any]
    finals: dict[str, str]
    counters: Counter[str]
    events: list[tuple[float, str]]
    log: list[tuple[str | None, bytes]] = field(default_factory=list)

    def of(self, workload: str) -> list[Operation]:
        """The operations of one workload."""
        return [op for op in self.operations if op.workload == workload]

    def resolve(self) -> None:
        """Look up in ``commits`` which ones are there, and what those in doubt had found."""
        notes = {name: json.loads(note) for name, note in self.final["commits"]}
        for op in self.operations:
            op.survived = op.name in notes
            if op.survived:
                op.writes = True
                op.told = {**notes[op.name], **op.told}


def read(folder: Path) -> History:
    """The history that clients and faults have left in ``folder``."""
    operations: dict[str, Operation] = {}
    finals: dict[str, str] = {}
    counters: Counter[str] = Counter()
    for path in sorted(folder.glob("client-*.jsonl")):
        _, process, thread = path.stem.rsplit("-", 2)
        last: dict[str, int] = {}
        for text in path.read_text().splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:  # the client was killed while it wrote
                continue
            if "note" in line:
                finals.update(line["note"].get("final", {}))
                last = line["note"].get("counters", last)
            elif "begin" in line:
                operations[line["name"]] = Operation(process=process, thread=int(thread), **line)
            else:
                op = operations[line.pop("name")]
                for key, value in line.items():
                    setattr(op, key, value)
        counters.update(last)
    events = folder / "events.jsonl"
    final = folder / "final.json"
    log = folder / "log.json"
    history = History(
        sorted(operations.values(), key=lambda op: op.begin),
        json.loads(final.read_text()) if final.exists() else {},
        finals,
        counters,
        [tuple(json.loads(x)) for x in events.read_text().splitlines()] if events.exists() else [],
        [(name, bytes.fromhex(x)) for name, x in json.loads(log.read_text())]
        if log.exists()
        else [],
    )
    if history.final:
        history.resolve()
    return history
