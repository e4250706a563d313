"""What this machine gives a command: files enough to open, and a folder for what is not to last.

All that a command and the programs it starts write for a while only goes into one folder, which it
locks and removes. So what a killed one left, of whichever program, is found by the next and removed
with that folder.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import re
import resource
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from discovery.storage import refusals_told
from discovery.whole import sweep

# A lease of 90 nodes has some 300 sockets open while its WAN is measured.
OPEN_FILES = 4096
_SCRATCH = re.compile(r"discovery-[0-9a-f]{8}\.scratch")


@contextmanager
def ready(verb: str) -> Iterator[None]:
    """Run ``verb`` in the body, on a machine that is as ready for it as we can make it.

    What the machine refuses all the same is a :class:`~discovery.errors.MachineError`.
    """
    with refusals_told(verb), _scratch():
        allow_open_files()
        yield


@contextmanager
def readable() -> Iterator[None]:
    """Make what the body makes as if the umask were 022, whatever it is.

    For what other users' programs must read: an image, a lease's files. It is the whole process's.
    """
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def allow_open_files(wanted: int = OPEN_FILES) -> None:
    """Let this process and its children have ``wanted`` files open, or as many as we may say."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    for limits in ((wanted, max(hard, wanted)), (min(hard, wanted), hard)):
        with suppress(ValueError, OSError):  # only root may raise the second
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return


@contextmanager
def _scratch() -> Iterator[None]:
    """Have a temporary folder of our own, here and in every program that is started.

    A machine that cannot give one is not refused yet: many commands need none.
    """
    folder, lock = _new_folder()
    if folder is None:
        yield
        return
    before = dict(os.environ), tempfile.tempdir
    os.environ |= {"TMPDIR": str(folder), "ANSIBLE_LOCAL_TEMP": str(folder), **_instead(folder)}
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before[1]
        for name in {"TMPDIR", "ANSIBLE_LOCAL_TEMP", *_instead(folder)}:
            if name in before[0]:
                os.environ[name] = before[0][name]
            else:
                os.environ.pop(name, None)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _new_folder() -> tuple[Path | None, int]:
    with suppress(OSError):
        base = Path(tempfile.gettempdir())
        sweep(base, _SCRATCH)
        folder = base / f"discovery-{secrets.token_hex(4)}.scratch"
        folder.mkdir(mode=0o700)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        with suppress(OSError):  # a file system without locks, where nothing is swept
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return folder, lock
    return None, -1


def _instead(folder: Path) -> dict[str, str]:
    """Variables that stand in for what this user lacks: a home to write to, a name."""
    variables: dict[str, str] = {}
    home = os.path.expanduser("~")  # noqa: PTH111 (Path's raises where there is none)
    if not os.access(home, os.W_OK | os.X_OK):
        for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR", "IPYTHONDIR", "ANSIBLE_HOME"):
            if name not in os.environ:
                variables[name] = str(folder / name.lower())
    try:
        getpass.getuser()
    except (KeyError, OSError):  # an OSError from Python 3.13 on
        variables["LOGNAME"] = f"uid{os.geteuid()}"
    return variables
