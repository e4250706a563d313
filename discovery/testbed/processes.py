"""Processes by identity: a pid alone may have been given to another process since."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from discovery.errors import TestbedError
from discovery.testbed.home import home_mark

# Set in the environment of a run that holds a lease, to the lease's folder: every program it
# starts inherits it, so that even a program started a moment before the run died is found.
LEASE_VARIABLE = "DISCOVERY_LEASE"
# Set beside it, to the run itself: "<pid> <its start>", or "kept" for a lease that outlives it.
RUN_VARIABLE = "DISCOVERY_RUN"
KEPT = "kept"

_fork_name: bytes | None = None


def own(folder: Path, *, kept: bool = False) -> None:
    """From now on, whatever this process starts or forks belongs to the lease of ``folder``.

    ``kept``: and the lease is to stay when this process has ended.
    """
    global _fork_name  # noqa: PLW0603 (what this process holds is a fact about the process)
    os.environ[LEASE_VARIABLE] = str(folder)
    os.environ[RUN_VARIABLE] = KEPT if kept else _run()
    _fork_name = _name(folder)


def marked(folder: Path) -> dict[str, str]:
    """The environment of a program that belongs to the lease of ``folder``, owned or not."""
    if os.environ.get(LEASE_VARIABLE) == str(folder):
        return dict(os.environ)
    return {**os.environ, LEASE_VARIABLE: str(folder), RUN_VARIABLE: _run()}


def _run() -> str:
    return f"{os.getpid()} {start_time(os.getpid())}"


def disown(folder: Path) -> None:
    """From now on, what this process starts does not belong to the lease of ``folder``."""
    global _fork_name  # noqa: PLW0603
    if os.environ.get(LEASE_VARIABLE) == str(folder):
        del os.environ[LEASE_VARIABLE]
        os.environ.pop(RUN_VARIABLE, None)
        _fork_name = None


def _name_fork() -> None:
    # A fork that runs no new program shows the environment that its parent was started with. So
    # it gets a name: Ansible's workers can outlive a killed run.
    if _fork_name is not None:
        Path("/proc/self/comm").write_bytes(_fork_name)


os.register_at_fork(after_in_child=_name_fork)


def _name(folder: Path) -> bytes:
    return f"dw-{folder.name}-{home_mark(folder.parent.parent)}".encode()[:15]


@cache
def boot_id() -> str:
    """This boot of the machine; what an earlier boot ran is gone."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """When ``pid`` started, in clock ticks since boot; None if there is no such process."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def alive(pid: int, started: int | None) -> bool:
    """Whether the process that had ``pid`` when it started at ``started`` still runs."""
    return started is not None and start_time(pid) == started


def kill(pid: int, started: int | None, *, timeout: float = 5.0) -> None:
    """Kill exactly that process and wait (s) until it is gone; one that is gone is no error."""
    if not alive(pid, started):
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if alive(pid, started):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)
    deadline = time.monotonic() + timeout
    while alive(pid, started):
        if time.monotonic() > deadline:
            raise TestbedError(f"Process {pid} does not die; look at it with `ps {pid}`.")
        time.sleep(0.005)


def kill_all_of(folder: Path) -> None:
    """Kill every program that belongs to the lease of ``folder``, until none is left.

    Those are the programs that a run started after it called :func:`own`, its forks, and every ssh
    that uses a file of the folder; unless this very process descends from them or they from it.
    """
    while found := [pid for pid in _pids() if belongs(pid, folder)]:
        for pid in found:
            kill(pid, start_time(pid))


def is_marked(pid: int, folder: Path) -> bool:
    """Whether ``pid`` is a program, a fork or an ssh of the lease of ``folder``."""
    path, name = os.fsencode(folder), _read(pid, "comm").strip()
    if name == _name(folder):
        return True
    # A connection's master overwrites its environment with its title.
    if name == b"ssh" and path + b"/" in _read(pid, "cmdline"):
        return True
    of = _variables(pid).get(LEASE_VARIABLE)
    return of is not None and same_place(Path(of), folder)


@dataclass(frozen=True)
class Marked:
    """A process with the mark of the lease of ``folder``, and the run that started it, if told.

    ``run`` is its pid and start; ``kept`` says that the lease is to outlive its run.
    """

    pid: int
    folder: Path
    run: tuple[int, int] | None
    kept: bool


def all_marked() -> Iterator[Marked]:
    """Every process that carries a lease's mark in its environment, whosesoever state folder's."""
    for pid in _pids():
        variables = _variables(pid)
        if not (of := variables.get(LEASE_VARIABLE)):
            continue
        told = variables.get(RUN_VARIABLE, "")
        numbers = [int(word) for word in told.split() if word.isascii() and word.isdecimal()]
        run = (numbers[0], numbers[1]) if len(numbers) == 2 else None
        yield Marked(pid, Path(of), run, told == KEPT)


def named_forks(mark: str) -> Iterator[tuple[int, str]]:
    """Every fork that is named for a lease of the state folder of ``mark``: pid and lease."""
    for pid in _pids():
        words = _read(pid, "comm").strip().decode("ascii", "replace").split("-")
        if len(words) == 3 and words[0] == "dw" and words[2] == mark[:5]:
            yield pid, words[1]


def uses(pid: int, files: Iterable[Path]) -> bool | None:
    """Whether ``pid`` has one of ``files`` open, also one that was removed; None if not told."""
    wanted = {os.path.realpath(file) for file in files}
    try:
        open_files = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return None
    for one in open_files:
        try:
            target = os.readlink(one)  # noqa: PTH115 (what follows is no path where it is removed)
        except OSError:
            continue
        if target.removesuffix(" (deleted)") in wanted:
            return True
    return False


def same_place(one: Path, other: Path) -> bool:
    """Whether both are the same name in the same folder, by whichever links that is reached."""
    return one == other or (
        one.name == other.name and os.path.realpath(one.parent) == os.path.realpath(other.parent)
    )


def _variables(pid: int) -> dict[str, str]:
    """The environment that ``pid`` was started with, of what begins with ``DISCOVERY_``."""
    content = _read(pid, "environ")
    if b"DISCOVERY_" not in content:
        return {}
    pairs = (line.partition(b"=") for line in content.split(b"\0"))
    return {
        os.fsdecode(key): os.fsdecode(value)
        for key, _, value in pairs
        if key.startswith(b"DISCOVERY_")
    }


def belongs(pid: int, folder: Path) -> bool:
    """Whether ``pid`` is marked for ``folder``'s lease, and no ancestor or descendant of ours."""
    if not is_marked(pid, folder):
        return False
    return pid not in descent(os.getpid()) and os.getpid() not in descent(pid)


def descent(pid: int) -> list[int]:
    """``pid``, its parent, and so on up to 1."""
    line = [pid]
    while pid > 1 and (fields := _stat(pid)) is not None:
        pid = int(fields[1])
        line.append(pid)
    return line


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _stat(pid: int) -> list[str] | None:
    """The fields of ``/proc/<pid>/stat`` after the program's name (state, parent, …)."""
    text = _read(pid, "stat")
    return text[text.rindex(b")") + 2 :].decode().split() if text else None


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it ended while we looked
        return b""


def wait_until(condition: Callable[[], bool], *, timeout: float) -> bool:
    """Whether ``condition`` became true within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
