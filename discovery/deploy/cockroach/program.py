"""The program that runs on the nodes: found, checked, fetched; or why there is none.

``DISCOVERY_COCKROACH`` names one. Without it, the pinned release is used that `discovery image
bake` has fetched into ``$DISCOVERY_HOME/cockroach/``, where the vendor's site could be reached.
"""

from __future__ import annotations

import http.client
import os
import platform
import re
import selectors
import shutil
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from discovery.deploy.cockroach import release
from discovery.deploy.cockroach.elf import machine_of
from discovery.errors import MachineError
from discovery.whole import sha256, whole_folder

VARIABLE = "DISCOVERY_COCKROACH"
CHECKSUM_VARIABLE = "DISCOVERY_COCKROACH_SHA256"
NONE = f"no CockroachDB binary (set {VARIABLE} to one)"

# Where a program lies on a node, by its checksum: one that is there need not be brought again.
ON_NODE = Path("/opt/discovery-cockroach")

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_ANSWER_S = 20  # a program of some 200 MB on a cold and busy disk; a warm one answers in 0.1 s
_ANSWER_BYTES = 4096
_PATIENCE_S = 10  # for the vendor's site, until it answers and between its bytes
_RECORD = "sha256"


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
    return check(fetched, f"{fetched} (remove it to fetch it anew)", _recorded(fetched))


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
        found = sha256(path)
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
    tag = _build_tag(path, name)
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
    # Not at the top: the testbed's package imports the image, which imports this.
    from discovery.testbed.home import DEFAULT  # noqa: PLC0415

    home = Path(os.environ.get("DISCOVERY_HOME") or DEFAULT).absolute()
    return home / "cockroach" / f"{release.PINNED}-{architecture()}" / "cockroach"


def fetch(progress: Callable[[str], None], site: str = release.SITE) -> Program | None:
    """Fetch the pinned release from its vendor unless there is a program; ``None`` if none is had.

    A site that cannot be reached is told to ``progress`` and is no error. An archive that is not
    the pinned one is a :class:`MachineError`: somebody has changed it.
    """
    there = find()
    if there is not None or architecture() not in release.CHECKSUMS:
        return there
    url = f"{site}/{release.archive(architecture())}.tgz"
    path = fetched_path()
    try:
        wanted = release.CHECKSUMS[architecture()] or _published(f"{url}.sha256sum")
        progress(f"CockroachDB {release.PINNED} from {site}")
        with whole_folder(path.parent) as folder:
            archive = folder / "archive.tgz"
            _download(url, archive)
            found = sha256(archive)
            if found != wanted:
                raise MachineError(f"{url} has the SHA-256 {found}, and should have {wanted}")
            _unpack(archive, folder / path.name, url)
            archive.unlink()
    except (OSError, http.client.HTTPException) as error:
        progress(f"not run: {NONE}; {url}: {getattr(error, 'reason', error)}")
        return None
    return check(path, str(path), _recorded(path))


def architecture() -> str:
    """This machine's, and so its nodes', in the vendor's words."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _recorded(path: Path) -> str | None:
    """The checksum that was written down when ``path`` was unpacked."""
    record = path.with_name(_RECORD)
    return record.read_text(encoding="utf-8").strip() if record.is_file() else None


def _published(url: str) -> str:
    """The checksum that the vendor has beside an archive: the first word of the file."""
    with urllib.request.urlopen(url, timeout=_PATIENCE_S) as answer:
        words = answer.read(_ANSWER_BYTES).decode(errors="replace").split()
    if not words or not re.fullmatch("[0-9a-f]{64}", words[0]):
        raise MachineError(f"{url} holds no SHA-256")
    return str(words[0])


def _download(url: str, path: Path) -> None:
    with urllib.request.urlopen(url, timeout=_PATIENCE_S) as answer, path.open("wb") as out:
        shutil.copyfileobj(answer, out, 1 << 20)
        size = answer.headers.get("Content-Length")
        if size is not None and int(size) != out.tell():
            raise ConnectionError(f"the download ended after {out.tell()} of {size} bytes")


def _unpack(archive: Path, path: Path, url: str) -> None:
    """The program out of its archive, and its checksum beside it."""
    member = f"{release.archive(architecture())}/cockroach"
    try:
        with tarfile.open(archive, "r:gz") as packed:
            inside = packed.extractfile(member)
            if inside is None:
                raise KeyError(member)
            with inside, path.open("wb") as out:
                shutil.copyfileobj(inside, out, 1 << 20)
    except (KeyError, tarfile.TarError):
        raise MachineError(f"{url} is no archive with {member} in it") from None
    path.chmod(0o755)
    path.with_name(_RECORD).write_text(sha256(path) + "\n", encoding="utf-8")


def _build_tag(path: Path, name: str) -> str:
    """What ``cockroach version`` says its build tag is, within some seconds."""
    said, in_time = _ask([str(path), "version"])
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
