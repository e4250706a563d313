"""What the system says of a place that cannot be used, as one error that a person can act on.

A full disk, a forbidden folder or a file where a folder should be is nobody's bug: who writes says
with :func:`storing` what is written and what is safe, and what goes wrong there becomes one
:class:`~discovery.errors.StorageError`. Any other error stays what it is.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from discovery.errors import StorageError

# A write that fails does not say of which file, so these are believed without a name.
_OF_A_WRITE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE}
)
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
    if not isinstance(error.filename, str | bytes):
        return error.errno in _OF_A_WRITE
    name = Path(os.path.abspath(os.fsdecode(error.filename)))  # noqa: PTH100 (keeps a link's name)
    return not places or any(
        name.is_relative_to(place.absolute()) or place.absolute().is_relative_to(name)
        for place in places
    )


def unusable(error: OSError, path: Path | None, what: str, safe: str) -> StorageError:
    """The sentence: ``path``, what it was for (``what``), why not, what is safe, what to do."""
    if path is None and isinstance(error.filename, str | bytes):
        path = Path(os.fsdecode(error.filename))
    number = error.errno or errno.EIO
    subject = f"{path} cannot be used" if path is not None else "this machine refuses"
    purpose = f" for {what}" if what else ""
    return StorageError(
        f"{subject}{purpose}: {_cause(number, path)}; {safe}; {_ADVICE.get(number, 'look at it')}."
    )


@contextmanager
def storing(
    path: Path, what: str = "", *, also: tuple[Path, ...] = (), safe: str = "nothing was changed"
) -> Iterator[None]:
    """Make what the system refuses of ``path``, or of ``also``, a :class:`StorageError`.

    ``what`` is what the place is for (``the tidy tables``), ``safe`` what can be relied on after
    the failure. An error of another place or kind goes through.
    """
    try:
        yield
    except OSError as error:
        if not tells_of_a_place(error, path, *also):
            raise
        raise unusable(error, path, what, safe) from error


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
