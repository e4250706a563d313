"""What every command keeps to, whatever it is given; and how a case is held against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.fuzz.cases import Case, remove
from tests.fuzz.runner import Asked, Came
from tests.fuzz.world import CHECKOUT, copy_world, snapshot

KNOWN_CODES = range(10)
"""Those of ``discovery.errors`` and ``discovery.cli``; 0 is taken, 1 a check that failed."""
LONGEST_SENTENCE = 5_000


@dataclass(frozen=True)
class Fault:
    """How a case broke the contract: ``kind`` is *traceback*, *hang*, *taken* or *untidy*."""

    kind: str
    case: str
    why: str


COUNTS = pytest.StashKey[tuple[int, list[Fault]]]()
"""Where a run of the tests keeps how many cases there were, and their faults."""


class Runner:
    """The process of :mod:`tests.fuzz.runner`, asked one command at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.runner"],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, asked: Asked) -> Came:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(asked)) + "\n")
        self._process.stdin.flush()
        return Came(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


def check(case: Case, base: Path, scratch: Path, runner: Runner) -> list[Fault] | None:
    """The faults of a case; ``None`` if the world cannot be damaged so."""
    states: list[dict[str, str]] = []
    came = run_case(case, base, scratch, runner, states)
    return None if came is None else [*judge(case, came, *states)]


def run_case(
    case: Case,
    base: Path,
    scratch: Path,
    runner: Runner,
    states: list[dict[str, str]] | None = None,
) -> Came | None:
    """Run a case in a copy of the world ``base``; ``states`` gets that before and after."""
    world = scratch / "world"
    remove(world)
    copy_world(base, world)
    try:
        if not case.change(world):
            return None
        before = snapshot(world)
        came = runner.run(Asked(case.arguments, str(world), _environment(world), case.stdin))
        if states is not None:
            states += before, snapshot(world)
        return came
    finally:
        remove(world)


def _environment(world: Path) -> dict[str, str]:
    return {"DISCOVERY_HOME": str(world / "home"), "HOME": str(world), "COLUMNS": "100"}


def judge(
    case: Case, came: Came, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[Fault]:
    """How what came of a case breaks the contract."""
    last = came.err.strip().rpartition("\n")[2][:300]
    if came.code < 0:
        yield Fault("hang", case.name, f"ended by signal {-came.code} after {came.seconds} s")
        return
    if "Traceback" in came.err:
        yield Fault("traceback", case.name, last)
        return
    if case.certain and came.code == 0:
        yield Fault("taken", case.name, "exit code 0")
    if came.code not in KNOWN_CODES:
        yield Fault("untidy", case.name, f"exit code {came.code}: {last}")
    if came.code and before != after:
        changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
        yield Fault("untidy", case.name, f"refused, and yet changed {', '.join(changed[:5])}")
    if came.code and came.code != 1:
        yield from _sentence(case, came)


def _sentence(case: Case, came: Came) -> Iterator[Fault]:
    lines = came.err.rstrip("\n").split("\n")
    said = [line for line in lines if line.startswith("discovery: ")]
    if len(said) != 1 or said[0] != lines[-1] or len(lines) > 1:
        yield Fault("untidy", case.name, f"not one sentence: {came.err[:300]!r}")
    elif not said[0].isprintable():
        yield Fault("untidy", case.name, f"not printable: {said[0][:300]!r}")
    elif len(said[0]) > LONGEST_SENTENCE:
        yield Fault("untidy", case.name, f"a sentence of {len(said[0]):,} characters")
    elif case.names and case.names not in said[0]:
        yield Fault("untidy", case.name, f"does not name {case.names}: {said[0][:300]}")


def in_a_process(case: Case, base: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    """Run a case as its user would, in a process of its own."""
    world = scratch / "world"
    remove(world)
    copy_world(base, world)
    case.change(world)
    try:
        return subprocess.run(
            [sys.executable, "-c", "from discovery.cli import main; main()", *case.arguments],
            cwd=world,
            env={**os.environ, **_environment(world), "PYTHONPATH": str(CHECKOUT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
    finally:
        remove(world)


def counts(faults: Iterable[Fault]) -> str:
    """How many faults of each kind."""
    found = Counter(fault.kind for fault in faults)
    kinds = ("traceback", "hang", "taken", "untidy")
    return ", ".join(f"{kind} {found[kind]}" for kind in kinds)
