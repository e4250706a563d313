"""What the system says of a place that cannot be used, as one error that a person can act on.

A full disk, a forbidden folder or a file where a folder should be is nobody's bug: who writes says
with :func:`storing` what is written and what is safe, and what goes wrong there becomes one
:class:`~discovery.errors.StorageError`. Any other error stays what it is.
"""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from discovery.errors import MachineError, StorageError

# What the running verb is called, for places of which nobody says what they are for.
_at_work = ""
_KEPT = "each file it had written is whole, and all others are as they were"
_NO_PROCESS = (
    "`{verb}` cannot start another process or thread; {kept}; end other programs, or raise the "
    "limit of `ulimit -u`."
)

# A write that fails does not say of which file, so these are believed without a name.
_OF_A_WRITE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE}
)
# With more than that free, it was another disk that a write did not fit on.
_ROOM_BYTES = 1_000_000
_ADVICE = {
    errno.ENOSPC: "free some space on that disk, and run it again",
    errno.EDQUOT: "free some of your quota, and run it again",
    errno.EFBIG: "raise the limit of `ulimit -f`, and run it again",
    errno.EIO: "look at the disk (`dmesg`), or name a place on another",
    errno.ESTALE: "look at the network disk, and run it again",
    errno.EROFS: "name a place on a disk that may be written to",
    errno.EACCES: "name a place that you may use, or become who may",
    errno.EPERM: "name a place that you may use, or become who may",
    errno.ENOTDIR: "name another place, or move that file away",
    errno.EEXIST: "name another place, or move that file away",
    errno.EISDIR: "name a file",
    errno.ELOOP: "mend the symbolic links, or name another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EBUSY: "name a place that is no mount point",
    errno.ENXIO: "name a file",
    errno.ENODEV: "name a file",
    errno.EMFILE: "raise the limit of `ulimit -n`, and run it again",
    errno.ENFILE: "end other programs, or raise the sysctl fs.file-max, and run it again",
}


def tells_of_a_place(error: OSError, *places: Path) -> bool:
    """Whether ``error`` says that a place cannot be used: one of ``places`` or below, if given."""
    if error.errno not in _ADVICE:
        return False
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return True
    names = _names(error)
    if not names:
        return error.errno in _OF_A_WRITE
    return not places or any(
        name.is_relative_to(place.absolute()) or place.absolute().is_relative_to(name)
        for name in names
        for place in places
    )


def _names(error: OSError) -> list[Path]:
    """The paths that ``error`` names; of a copy, first the one that was written."""
    names = (error.filename2, error.filename)
    return [
        Path(os.path.abspath(os.fsdecode(name)))  # noqa: PTH100 (keeps a link's name)
        for name in names
        if isinstance(name, str | bytes)
    ]


def unusable(error: OSError, path: Path | None, what: str, safe: str) -> StorageError:
    """The sentence: ``path``, what it was for (``what``), why not, what is safe, what to do.

    ``error`` is one that tells of a place; the place may be any if ``path`` is None.
    """
    if path is None and (names := _names(error)):
        path = names[0]
    number = error.errno or 0
    subject = f"{path} cannot be used" if path is not None else "a file cannot be written"
    purpose = f" for {what or _at_work}" if what or _at_work else ""
    return StorageError(f"{subject}{purpose}: {_cause(number, path)}; {safe}; {_ADVICE[number]}.")


@contextmanager
def refusals_told(verb: str) -> Iterator[None]:
    """Make what the system refuses anywhere in the body, which is ``verb``, an error of ours.

    The last resort, for places that nobody spoke of with :func:`storing`, and for memory, processes
    and threads. A bug keeps its traceback: what is missing, or wrongly asked, is not told so.
    """
    global _at_work  # noqa: PLW0603 (what this process does is a fact about the process)
    _at_work = f"`{verb}`"
    try:
        yield
    except MemoryError as error:
        raise MachineError(
            f"`{verb}` needs more memory than this machine gives it; {_KEPT}; end other programs, "
            "or raise the limit of `ulimit -v`."
        ) from error
    except OSError as error:
        if _is_of_a_new_process(error):
            raise MachineError(_NO_PROCESS.format(verb=verb, kept=_KEPT)) from error
        if error.errno == errno.ENOENT and "temporary directory" in str(error.strerror):
            raise StorageError(
                f"no folder for temporary files can be written for `{verb}` (the disk may be full);"
                f" {_KEPT}; set TMPDIR to a folder with room."
            ) from error
        if not tells_of_a_place(error):
            raise
        raise unusable(error, None, "", _KEPT) from error
    except subprocess.CalledProcessError as error:
        said = f"{_text(error.stdout)} {_text(error.stderr)}".strip()
        if not any(os.strerror(number) in said for number in _OF_A_WRITE):
            raise
        program = error.cmd if isinstance(error.cmd, str) else error.cmd[0]
        raise StorageError(
            f"`{program}` failed, which `{verb}` needs: {said[-300:]}; {_KEPT}."
        ) from error
    except RuntimeError as error:
        if "can't start new thread" not in str(error):
            raise
        raise MachineError(_NO_PROCESS.format(verb=verb, kept=_KEPT)) from error
    finally:
        _at_work = ""


def _text(said: str | bytes | None) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said or ""


def _is_of_a_new_process(error: OSError) -> bool:
    """Whether ``error`` says that no process could be started, for want of room for it."""
    if error.errno not in (errno.EAGAIN, errno.ENOMEM):
        return False
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(frame.f_code.co_filename == subprocess.__file__ for frame in frames)


@contextmanager
def storing(
    path: Path,
    what: str = "",
    *,
    also: tuple[Path, ...] = (),
    safe: str = "nothing was changed",
    alone: bool = True,
) -> Iterator[None]:
    """Make what the system refuses of ``path``, or of ``also``, a :class:`StorageError`.

    ``what`` is what the place is for (``the tidy tables``), ``safe`` what can be relied on after
    the failure. An error of another place or kind goes through. A full disk that has no name is
    taken for this one's, unless the body writes elsewhere too (not ``alone``) and this one has
    room.
    """
    try:
        yield
    except OSError as error:
        if not tells_of_a_place(error, path, *also):
            raise
        elsewhere = error.errno == errno.ENOSPC and not _names(error) and has_room(path)
        if elsewhere and not alone:
            raise
        raise unusable(error, path, what, safe) from error


def has_room(path: Path) -> bool:
    """Whether the disk of ``path`` has so much free that it cannot be it that is full."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    disk = os.statvfs(there)
    return disk.f_bavail * disk.f_frsize > _ROOM_BYTES


def _cause(number: int, path: Path | None) -> str:
    if number in (errno.ENOTDIR, errno.EEXIST) and path is not None:
        for part in (*reversed(path.parents), path):
            if os.path.lexists(part) and not part.is_dir():
                return f"{part} is no folder"
    if number == errno.EMFILE:
        least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        return f"this program may have no more than {least} files open (at most {most})"
    words = os.strerror(number)
    return words[0].lower() + words[1:]
