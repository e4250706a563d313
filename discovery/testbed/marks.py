"""What leases of a state folder have made, found on this machine by its marks, without a ledger.

Names carry the lease's id and the state folder's mark; programs carry the path of the lease's
folder in their environment, and tell of the run that started them. So state folders stand side by
side, and none finds what is another's.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from discovery.errors import MachineError
from discovery.testbed import processes
from discovery.testbed.home import home_mark
from discovery.testbed.ledger import Held, Kind, is_run
from discovery.testbed.local.cgroups import hierarchies
from discovery.testbed.local.network import NAMESPACES
from discovery.testbed.local.nodes import PROPAGATE
from discovery.testbed.ours import LEASE

INTERFACES = Path("/sys/class/net")


@dataclass(frozen=True)
class Run:
    """The run that made a lease, as its programs tell: ``pid`` and ``start`` of one that lives.

    ``kept`` says that the lease was to outlive its run.
    """

    pid: int = 0
    start: int | None = None
    kept: bool = False


@dataclass(frozen=True)
class Found:
    """What was found of a lease: its things, and its run."""

    things: tuple[Held, ...]
    run: Run


def find(home: Path) -> dict[str, Found]:
    """Every lease of the state folder ``home`` of which this machine has something.

    Processes of ours, our ancestors and our descendants do not count.
    """
    things: dict[str, list[Held]] = {}
    runs: dict[str, Run] = {}
    for thing in _named(home):
        things.setdefault(thing.lease, []).append(thing)
    for thing, run in _running(home):
        things.setdefault(thing.lease, []).append(thing)
        known = runs.get(thing.lease, Run())
        runs[thing.lease] = Run(
            run.pid or known.pid, run.start or known.start, run.kept or known.kept
        )
    found = {
        lease: Found((*some, *_links(home, lease)), runs.get(lease, Run()))
        for lease, some in things.items()
    }
    # The programs alone of a run that lives are no lease: it has released that one, and they are
    # about to end, or are still of use to it.
    return {
        lease: one
        for lease, one in found.items()
        if not (one.run.pid and all(thing.kind == "process" for thing in one.things))
    }


def things(home: Path, lease: str) -> list[Held]:
    """What has to be removed of ``lease`` when none of its programs runs any more."""
    return [*(thing for thing in _named(home) if thing.lease == lease), *_links(home, lease)]


def _named(home: Path) -> Iterator[Held]:
    """Namespaces, cgroups, mounts and folders."""
    pattern = re.compile(rf"dw-([0-9a-f]{{6}})-{home_mark(home)}(-.*)?")
    places: list[tuple[Kind, Path, bool]] = [
        ("namespace", NAMESPACES, False),
        ("folder", PROPAGATE, True),
        *(("cgroup", hierarchy, True) for hierarchy in _hierarchies()),
    ]
    for kind, place, whole_path in places:
        for path in _entries(place):
            if match := pattern.fullmatch(path.name):
                yield _held(match[1], kind, str(path) if whole_path else path.name, path)
    leases = home / "leases"
    for path in _entries(leases):
        if LEASE.fullmatch(path.name):
            yield _held(path.name, "folder", str(path), path)
    yield from _mounts(leases)


def _mounts(leases: Path) -> Iterator[Held]:
    """What is mounted inside of a lease's folder, innermost first."""
    root = Path(os.path.realpath(leases))
    for line in reversed(Path("/proc/self/mountinfo").read_bytes().splitlines()):
        path = Path(os.fsdecode(_unescaped(line.split()[4])))
        if path.is_relative_to(root) and len(path.relative_to(root).parts) > 1:
            lease = path.relative_to(root).parts[0]
            if LEASE.fullmatch(lease):
                yield _held(lease, "mount", str(path), path)


def _unescaped(text: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), text)


def _links(home: Path, lease: str) -> Iterator[Held]:
    """A link has no room for a mark: it is of the lease, unless that is another folder's."""
    mark = f"dw-{lease}-{home_mark(home)}"
    if all(f"{path.name}-".startswith(f"{mark}-") for path in NAMESPACES.glob(f"dw-{lease}-*")):
        for path in _entries(INTERFACES):
            if re.fullmatch(rf"dw-{lease}-s\d{{1,3}}", path.name):
                yield _held(lease, "link", path.name, path)


def _running(home: Path) -> Iterator[tuple[Held, Run]]:
    leases = Path(os.path.realpath(home / "leases"))
    for found in processes.all_marked():
        lease = found.folder.name
        if LEASE.fullmatch(lease) and Path(os.path.realpath(found.folder.parent)) == leases:
            yield from _process(found.pid, home, lease, _run(found, home))
    for pid, lease in processes.named_forks(home_mark(home)):
        if LEASE.fullmatch(lease):
            runs = [parent for parent in processes.descent(pid)[1:] if is_run(parent, home)]
            run = Run(runs[0], processes.start_time(runs[0])) if runs else Run()
            yield from _process(pid, home, lease, run)


def _process(pid: int, home: Path, lease: str, run: Run) -> Iterator[tuple[Held, Run]]:
    if processes.belongs(pid, home / "leases" / lease):
        details = {"start": processes.start_time(pid), "boot": processes.boot_id()}
        yield Held(lease, "process", str(pid), time.time(), details), run


def _run(found: processes.Marked, home: Path) -> Run:
    if found.run is None or not processes.alive(*found.run) or not is_run(found.run[0], home):
        return Run(kept=found.kept)
    return Run(*found.run)


def _held(lease: str, kind: Kind, name: str, path: Path) -> Held:
    try:
        since = path.lstat().st_mtime
    except OSError:
        since = time.time()
    return Held(lease, kind, name, since, {})


def _hierarchies() -> list[Path]:
    try:
        return hierarchies()
    except MachineError:
        return []


def _entries(folder: Path) -> Iterable[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
