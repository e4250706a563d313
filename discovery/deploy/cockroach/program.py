"""The program that runs on the nodes: found and checked; or why there is none.

``DISCOVERY_COCKROACH`` names one. Without it, the pinned release is used that `discovery image
bake` has fetched into ``$DISCOVERY_HOME/cockroach/``, where the vendor's site could be reached.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import selectors
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from discovery.deploy.cockroach import release
from discovery.deploy.cockroach.elf import machine_of
from discovery.errors import MachineError
from discovery.testbed.home import home_path
from discovery.whole import sha256

VARIABLE = "DISCOVERY_COCKROACH"
CHECKSUM_VARIABLE = "DISCOVERY_COCKROACH_SHA256"
NONE = f"no CockroachDB binary (set {VARIABLE} to one)"

# The file beside a fetched program that has its checksum.
RECORD = "sha256"

# Where a program lies on a node, by its checksum: one that is there need not be brought again.
ON_NODE = Path("/opt/discovery-cockroach")

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_ANSWER_S = 20  # a program of some 200 MB on a cold and busy disk; a warm one answers in 0.1 s
_ANSWER_BYTES = 4096


class _File(NamedTuple):
    """A file as it is now. What costs a second of 200 MB is found out once of each in a process."""

    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Program:
    """A CockroachDB program that this machine's nodes can run; ``tag`` is its own build tag."""

    path: Path
    tag: str
    sha256: str

    @property
    def on_node(self) -> Path:
        """Its place on a node."""
        return ON_NODE / self.sha256[:16] / "cockroach"


def missing() -> str | None:
    """Why CockroachDB cannot be deployed from here, if it cannot: there is no program.

    One that is there and cannot be used is a mistake, and a :class:`MachineError`.
    """
    return NONE if find() is None else None


def find() -> Program | None:
    """The program to run, checked; ``None`` if there is none.

    Raises :class:`MachineError` in one sentence if the file that ``DISCOVERY_COCKROACH`` names is
    absent, not executable, not CockroachDB, too old, for another machine, or not the file whose
    checksum ``DISCOVERY_COCKROACH_SHA256`` gives.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return check(Path(named), f"{VARIABLE}={named}", os.environ.get(CHECKSUM_VARIABLE))
    fetched = fetched_path()
    if not fetched.is_file():
        return None
    return check(fetched, f"{fetched} (remove it to fetch it anew)", recorded(fetched))


def check(path: Path, name: str, checksum: str | None = None) -> Program:
    """The program at ``path``, proven to be a CockroachDB that this machine can run.

    ``name`` is what it is called where it is refused, with a :class:`MachineError`.
    """
    if not path.is_file():
        raise MachineError(f"{name} names no file")
    if not os.access(path, os.X_OK):
        raise MachineError(f"{name} is not executable: chmod +x it")
    try:
        machine = machine_of(path)
        status = path.stat()
        file = _File(path, status.st_size, status.st_mtime_ns)
        found = _checksum(file)
    except OSError as error:
        raise MachineError(f"{name} cannot be read: {error.strerror}") from None
    if machine is None:
        raise MachineError(f"{name} is not CockroachDB: it is no program for Linux (no ELF file)")
    if machine != architecture():
        raise MachineError(
            f"{name} is a program for {machine}, and the nodes here are {architecture()}"
        )
    if checksum and found != checksum.strip().lower():
        raise MachineError(f"{name} has the SHA-256 {found}, and should have {checksum.strip()}")
    tag = _build_tag(file, name)
    version = release.parse(tag)
    if version is None:
        raise MachineError(f"{name} calls itself {tag}, which is no version of CockroachDB")
    if version < release.OLDEST:
        raise MachineError(
            f"{name} is CockroachDB {tag}, and the oldest that works is {release.OLDEST}"
        )
    return Program(path, tag, found)


def fetched_path() -> Path:
    """Where the pinned release lies once it was fetched; the folder need not be there."""
    return home_path() / "cockroach" / f"{release.PINNED}-{architecture()}" / "cockroach"


def recorded(path: Path) -> str | None:
    """The checksum that was written down when ``path`` was unpacked."""
    record = path.with_name(RECORD)
    return record.read_text(encoding="utf-8").strip() if record.is_file() else None


def architecture() -> str:
    """This machine's, and so its nodes', in the vendor's words."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


@functools.cache
def _checksum(file: _File) -> str:
    return sha256(file.path)


@functools.cache
def _version(file: _File) -> tuple[str, bool]:
    """What it says of its version, and whether in time; a program that says nothing, too, once."""
    return _ask([str(file.path), "version"])


def _build_tag(file: _File, name: str) -> str:
    """What ``cockroach version`` says its build tag is, within some seconds."""
    said, in_time = _version(file)
    fields = dict(re.findall(r"^([A-Z][\w ]*):\s+(\S.*?)\s*$", said, re.MULTILINE))
    # "Distribution" is CCL or OSS: other programs have a version, but not this.
    if "Build Tag" in fields and "Distribution" in fields:
        return str(fields["Build Tag"])
    if not in_time:
        raise MachineError(
            f"{name} is not CockroachDB: asked for its version, it did not answer in {_ANSWER_S} s"
        )
    heard = " ".join(said.split())[:80]
    raise MachineError(
        f"{name} is not CockroachDB: asked for its version, it said "
        + (repr(heard) if heard else "nothing")
    )


def _ask(command: list[str]) -> tuple[str, bool]:
    """The first bytes of a program's output, and whether it ended before the deadline.

    It may be any program: it is not waited for longer, and not listened to for more.
    """
    said = b""
    deadline = time.monotonic() + _ANSWER_S
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return f"{error.strerror}", True
    with process, selectors.DefaultSelector() as selector:
        assert process.stdout is not None
        selector.register(process.stdout, selectors.EVENT_READ)
        try:
            while len(said) < _ANSWER_BYTES:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    return said.decode(errors="replace"), False
                block = os.read(process.stdout.fileno(), _ANSWER_BYTES)
                if not block:
                    break
                said += block
        finally:
            process.kill()
    return said.decode(errors="replace"), True
