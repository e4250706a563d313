"""What a measurement has started, written down, so that nothing of it outlives its end.

Every program is started with a mark in its environment, which what it starts inherits, and stands
in ``started.jsonl`` of the run's folder by its process id and start (Redis overwrites its
environment with its title). An orderly end, SIGTERM and Ctrl-C end them all; after a SIGKILL, the
next run does.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from discovery.testbed.processes import alive, kill, start_time

MARK = "DISCOVERY_SERVICES_RUN"
LEDGER = "started.jsonl"


@dataclass(frozen=True)
class Ended:
    """How a program ended: its status (None: given up after its time), and its last words."""

    status: int | None
    said: str


class Started:
    """The programs of this run; ``folder`` is for its files, and goes with it."""

    def __init__(self, folder):
        self.folder = folder
        self._ledger = folder / LEDGER

    def note(self, pid):
        """Write a process down that was started."""
        with self._ledger.open("a") as file:
            file.write(json.dumps([pid, start_time(pid)]) + "\n")


@contextlib.contextmanager
def run_in(runs):
    """A run below the folder ``runs``; what dead ones left there is ended and removed first."""
    runs.mkdir(parents=True, exist_ok=True)
    for left in sorted(runs.iterdir()):
        if not _is_running(left):
            end_all(left)
            shutil.rmtree(left, ignore_errors=True)
    folder = runs / f"{os.getpid()}-{start_time(os.getpid())}-{secrets.token_hex(2)}"
    folder.mkdir()
    folder.chmod(0o755)
    os.environ[MARK] = str(folder)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield Started(folder)
    finally:
        del os.environ[MARK]
        end_all(folder)
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_):
    raise KeyboardInterrupt


def _is_running(folder):
    pid, started, *_ = folder.name.split("-")
    return alive(int(pid), int(started))


def end_all(folder):
    """End what the run of ``folder`` has started and what that has started, whoever is left."""
    ledger = folder / LEDGER
    for line in ledger.read_text().splitlines() if ledger.exists() else ():
        with contextlib.suppress(ValueError):  # a line that its writer did not finish
            kill(*json.loads(line))
    while found := list(_marked(folder)):
        for pid in found:
            kill(pid, start_time(pid))


def _marked(folder):
    mark = f"{MARK}={folder}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended while we looked
            marked = mark in (entry / "environ").read_bytes().split(b"\0")
            if marked and start_time(int(entry.name)) is not None:
                yield int(entry.name)


def ended(started, command, folder, seconds, environment=None):
    """Run a program in ``folder`` to its end; after ``seconds``, end it and what it has started."""
    log = started.folder / f"said-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.note(process.pid)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said = log.read_bytes()[-20_000:].decode(errors="replace")
    log.unlink()
    return Ended(status, said)
