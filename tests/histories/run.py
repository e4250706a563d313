"""One trial: servers, clients, faults until enough was done, then the check."""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from discovery.rome.feed import STALE_AFTER_S
from tests.histories import client
from tests.histories.checkers import Promises, Violation, check
from tests.histories.faults import FAULTS, Clients, Fault
from tests.histories.history import OK, REFUSED, UNKNOWN, History, read
from tests.histories.profile import Profile

_START_S = 30.0
_END_S = 90.0
_processes = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Trial:
    """A fault, how it is run, and for how long: so many transactions and so many strokes."""

    fault: str
    transactions: int = 200
    strokes: int = 2
    options: dict[str, Any] = field(default_factory=dict)
    isolation: str | None = None
    profile: Profile = field(default_factory=Profile)
    longest_s: float = 1800.0
    sabotage: str | None = None


@dataclass(frozen=True)
class Report:
    """What came of a trial. ``seconds``: from the first transaction to the last."""

    trial: Trial
    history: History
    violations: list[Violation]
    strokes: int
    seconds: float

    def outcomes(self) -> Counter[str]:
        """Transactions by outcome; ``ok`` ones that wrote are also counted as ``commits``."""
        counts = Counter(op.outcome for op in self.history.operations)
        counts["commits"] = sum(op.ok and op.writes for op in self.history.operations)
        return counts

    def errors(self) -> Counter[str]:
        """Errors that reached clients."""
        return Counter(op.error for op in self.history.operations if op.error)

    def line(self) -> dict[str, Any]:
        """One row of a table."""
        counts, errors, counters = self.outcomes(), self.errors(), self.history.counters
        total = len(self.history.operations)
        return {
            "fault": self.trial.fault,
            **self.trial.options,
            "isolation": self.trial.isolation or "default",
            "transactions": total,
            "ok": counts[OK],
            "refused": counts[REFUSED],
            "in doubt": counts[UNKNOWN],
            "strokes": self.strokes,
            "violations": len(self.violations),
            "anomalies": dict(Counter(violation.anomaly for violation in self.violations)),
            "conflicts": counters["conflicts"],
            "run again": counters["replayed"],
            "deadlocks": errors["Deadlock"],
            "tails lost": errors["TailLost"],
            "lost connections": errors["ConnectionLost"],
            "errors": dict(errors),
            "lost commits": sum(
                op.ok and op.writes and not op.survived for op in self.history.operations
            ),
            "per second": round(total / self.seconds, 1),
        }


def witnesses(violations: list[Violation], each: int = 2, longest: int = 3000) -> list[str]:
    """The first ones of each anomaly, for people."""
    seen: Counter[str] = Counter()
    texts = []
    for violation in violations:
        seen[violation.anomaly] += 1
        if seen[violation.anomaly] <= each:
            texts.append(str(violation)[:longest])
    return texts


class ClientProcesses(Clients):
    """The client processes of a trial."""

    def __init__(self, urls: list[str], trial: Trial, folder: Path) -> None:
        profile = trial.profile
        self.urls, self.trial, self.folder = urls, trial, folder
        self.phase = _processes.RawValue("i", client.RUN)
        self.done = _processes.RawArray("q", profile.processes * profile.threads)
        self.idle = _processes.RawArray("b", profile.processes)
        self.lives = [0] * profile.processes
        self.running = [self._start(number) for number in range(profile.processes)]

    def _start(self, number: int) -> Any:
        job = client.Job(
            url=self.urls[number % len(self.urls)],
            isolation=self.trial.isolation,
            profile=self.trial.profile,
            folder=self.folder,
            number=number,
            life=self.lives[number],
            phase=self.phase,
            done=self.done,
            idle=self.idle,
            sabotage=self.trial.sabotage,
        )
        process = _processes.Process(target=client.main, args=(job,))
        process.start()
        return process

    def kill_one(self, rng: random.Random) -> None:
        """SIGKILL, and another in its place."""
        number = rng.randrange(len(self.running))
        self.running[number].kill()
        self.running[number].join()
        self.lives[number] += 1
        self.running[number] = self._start(number)

    def stop_one(self, rng: random.Random, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later."""
        pid = rng.choice(self.running).pid
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    def total(self) -> int:
        """Transactions that are over."""
        return sum(self.done)

    def check_alive(self) -> None:
        """No client has ended by itself."""
        for process in self.running:
            assert process.is_alive(), f"a client ended with {process.exitcode}"

    def stop(self) -> None:
        """Let each finish what it is at."""
        self.phase.value = client.STOP
        deadline = time.monotonic() + _END_S
        while not all(self.idle):
            assert time.monotonic() < deadline, "clients do not finish"
            self.check_alive()
            time.sleep(0.01)

    def last_look(self) -> None:
        """Let each write down what it sees at the end, and end."""
        self.phase.value = client.LAST_LOOK
        for process in self.running:
            process.join(_END_S)
            assert process.exitcode == 0, f"a client ended with {process.exitcode}"

    def end(self) -> None:
        """Whatever happened."""
        for process in self.running:
            if process.is_alive():
                process.kill()
            process.join()


def in_process(target: Any, *args: Any) -> None:
    """Run something in a process of its own, so that this one keeps no replica."""
    process = _processes.Process(target=target, args=args)
    process.start()
    process.join(_END_S)
    if process.is_alive():
        process.kill()
    assert process.exitcode == 0, f"{target.__name__} ended with {process.exitcode}"


@contextlib.contextmanager
def notes(folder: Path) -> Iterator[Any]:
    """A function that writes down an event with its time."""
    with (folder / "events.jsonl").open("a") as file:

        def note(what: str) -> None:
            file.write(json.dumps([time.monotonic(), what]) + "\n")
            file.flush()

        yield note


def run(trial: Trial, folder: Path, *, kind: type[Fault] | None = None) -> Report:
    """Run ``trial`` and check what came of it; the history stays in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    _processes.set_forkserver_preload(["tests.histories.client", "discovery.rome"])
    kind = kind or FAULTS[trial.fault]
    wanted = tuple(name for name in trial.profile.workloads if name in kind.workloads)
    trial = replace(trial, profile=replace(trial.profile, workloads=wanted))
    with notes(folder) as note:
        fault = kind(folder, note, trial.profile.seed)
        with fault.servers(**trial.options) as urls:
            in_process(client.prepare, urls[0], trial.profile)
            clients = ClientProcesses(urls, trial, folder)
            try:
                strokes, seconds = _strike(trial, fault, clients)
                clients.stop()
                in_process(client.conclude, urls[0], folder)
                if (folder / "final.json").exists():
                    clients.last_look()
            finally:
                clients.end()
    history = read(folder)
    if not history.final:
        what = (folder / "final.error").read_text()
        violations = [Violation("all", "unreadable database", what)]
        return Report(trial, history, violations, strokes, seconds)
    push = trial.options.get("fresh") == "push"
    promises = Promises(
        staleness=None if kind.stale else STALE_AFTER_S if push else 0.0,
        failover=kind.failover,
        keeps_acknowledged=not kind.failover or "wait" in kind.options,
        serializable=trial.isolation == "SERIALIZABLE",
    )
    violations = check(history, promises)
    damage = folder / "damage.json"
    if damage.exists() and (what := json.loads(damage.read_text())):
        violations.append(Violation("all", "rows that lack what was committed", what))
    return Report(trial, history, violations, strokes, seconds)


def _strike(trial: Trial, fault: Fault, clients: ClientProcesses) -> tuple[int, float]:
    """Strokes until there were enough of them and of transactions; their number, and seconds."""
    deadline = time.monotonic() + _START_S
    while not clients.total():
        clients.check_alive()
        assert time.monotonic() < deadline, "no client has done anything"
        time.sleep(0.01)
    begin = time.monotonic()
    strokes = 0
    while strokes < trial.strokes or clients.total() < trial.transactions:
        if time.monotonic() - begin > trial.longest_s:
            break
        fault.pause()
        clients.check_alive()
        fault.strike(clients)
        strokes += 1
    fault.pause()
    return strokes, time.monotonic() - begin
