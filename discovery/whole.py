"""Files and folders that are there whole, or not at all; and how to tell that one still is.

What is being made lies beside its place under a name of :data:`_PARTIAL`'s form, locked by its
maker. The kernel drops the lock when the maker dies, however it dies, so what a killed program left
is told from what another one makes now, and is removed by who next makes something in that folder.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from discovery.reading import require_regular
from discovery.storage import storing

_PARTIAL = re.compile(r"\..*\.[0-9a-f]{8}\.partial", re.DOTALL)
# A file's name has at most 255 bytes, and ours must be one whatever the name it stands in for.
_LONGEST_STEM = 200

# No file that is hashed is larger: the largest is CockroachDB's program, of 0.3 GB.
_LARGEST = 2**32

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def whole_file(path: Path, what: str = "", mode: int = 0o666) -> Iterator[Path]:
    """A file beside ``path`` that takes its place when the body ends well, and else goes away.

    ``what`` says what the file is, for the :class:`~discovery.errors.StorageError` that is raised
    if it cannot be written; what was there until then is as it was. A new file has what
    the umask leaves of ``mode``, one that is replaced keeps its own. A symbolic link stays, and
    what it points to is replaced. Standard output, a device or a pipe is written to, and never
    replaced.
    """
    with storing(path, what):
        descriptor = _descriptor(path)
        before = _status(path)
        if before is not None:
            _refuse_no_file(path, before.st_mode)
    if descriptor is not None or (before is not None and not stat.S_ISREG(before.st_mode)):
        with _poured(path, what, descriptor) as partial:
            yield partial
        return
    place = Path(os.path.realpath(path))
    with storing(path, what, also=(place,)), _parents(place):
        sweep(place.parent)
        with storing(path, what, also=(place.parent,)):
            partial, lock = _new_file(
                place, mode if before is None else stat.S_IMODE(before.st_mode)
            )
        try:
            with storing(path, what, also=(partial,)):
                yield partial
                if before is not None:
                    _keep_owner_and_mode(partial, before)
                partial.replace(place)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            os.close(lock)


def write_whole(path: Path, text: str, what: str = "") -> None:
    """Write ``text`` to ``path``, whole or not at all; as :func:`whole_file`."""
    with whole_file(path, what) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(path: Path, what: str = "") -> Iterator[Path]:
    """A folder beside ``path`` that takes its place when the body ends well, and else goes away.

    What ``path`` held until then is replaced, in one step where the file system can exchange two
    names. ``what`` says what the folder is, for the :class:`~discovery.errors.StorageError` that
    is raised if it cannot be made; what was there until then is as it was.
    """
    with storing(path, what):
        before = _status(path)
        if before is not None and not stat.S_ISDIR(before.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        if path.is_mount():
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
    place = Path(os.path.realpath(path))
    with storing(path, what, also=(place,), alone=False), _parents(place):
        sweep(place.parent)
        with storing(path, what, also=(place.parent,)):
            partial, lock = _new_folder(place)
        try:
            with storing(path, what, also=(partial,)):
                _try_to_write(partial)
            with storing(path, what, also=(partial,), alone=False):
                yield partial
                if before is not None:
                    _keep_owner_and_mode(partial, before)
                _take_place(partial, place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            os.close(lock)


def sweep(folder: Path, names: re.Pattern[str] = _PARTIAL) -> None:
    """Remove what killed programs left in ``folder`` under such ``names``, which is all ours.

    What a living program has locked stays, and so does what we may not remove.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if names.fullmatch(entry.name):
                _remove_abandoned(Path(entry))


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        OSError: it cannot be read, or is no regular file of a size that ours have.
    """
    require_regular(path, _LARGEST)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _status(path: Path) -> os.stat_result | None:
    """What ``path``, or what it points to, is; None if there is nothing yet."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _descriptor(path: Path) -> int | None:
    """Which of our open files ``path`` is a name of, as ``/dev/stdout`` and ``/dev/fd/3`` are."""
    for _ in range(40):  # as many links as the kernel follows
        if os.path.realpath(path.parent) == f"/proc/{os.getpid()}/fd" and path.name.isdigit():
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _refuse_no_file(path: Path, mode: int) -> None:
    """Raise if ``path`` is what one does not write to as to a file: a folder, a disk, a socket."""
    number = {
        stat.S_IFDIR: errno.EISDIR,
        stat.S_IFBLK: errno.ENODEV,
        stat.S_IFSOCK: errno.ENXIO,
    }.get(stat.S_IFMT(mode))
    if number is not None:
        raise OSError(number, os.strerror(number), str(path))


@contextmanager
def _poured(path: Path, what: str, descriptor: int | None) -> Iterator[Path]:
    """A temporary file whose content goes into ``path``, or our ``descriptor``, at the end."""
    with storing(Path(tempfile.gettempdir()), what):
        handle, name = tempfile.mkstemp()
        os.close(handle)
        try:
            yield Path(name)
            with storing(path, what, safe="a part of it may be there"):
                target = path if descriptor is None else os.dup(descriptor)
                with Path(name).open("rb") as made, open(target, "wb") as out:  # noqa: PTH123
                    shutil.copyfileobj(made, out)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def _parents(place: Path) -> Iterator[None]:
    """Make the folders above ``place``; if the body fails, those that were made go again."""
    made = [folder for folder in place.parents if not folder.exists()]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):  # something else is in it by now
                folder.rmdir()
        raise


def _new_file(place: Path, mode: int) -> tuple[Path, int]:
    """An empty file beside ``place``, and the descriptor that holds its lock."""
    while True:
        partial = _beside(place)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(partial, flags, mode & 0o777 | stat.S_IWUSR)
        if _lock(descriptor):
            return partial, descriptor


def _new_folder(place: Path) -> tuple[Path, int]:
    """An empty folder beside ``place``, and the descriptor that holds its lock."""
    while True:
        partial = _beside(place)
        partial.mkdir()
        with suppress(FileNotFoundError):  # swept before it was locked
            descriptor = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if _lock(descriptor):
                return partial, descriptor


def _try_to_write(folder: Path) -> None:
    """Raise if ``folder`` has no room for a block: what is to fill it may take an hour to make."""
    trial = folder / "trial"
    trial.write_bytes(bytes(4096))
    trial.unlink()


def _beside(place: Path) -> Path:
    stem = os.fsdecode(os.fsencode(place.name)[:_LONGEST_STEM])
    return place.with_name(f".{stem}.{secrets.token_hex(4)}.partial")


def _lock(descriptor: int) -> bool:
    """Lock what we have just made; False, and it is closed, if a sweep was faster."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    except OSError:  # a file system without locks: there, nothing can be swept either
        return True
    if os.fstat(descriptor).st_nlink == 0:
        os.close(descriptor)
        return False
    return True


def _remove_abandoned(partial: Path) -> None:
    """Remove ``partial`` if its maker is dead: then nobody holds its lock, and we can."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(OSError):
        descriptor = os.open(partial, flags)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
            else:
                partial.unlink()
        finally:
            os.close(descriptor)


def _keep_owner_and_mode(partial: Path, before: os.stat_result) -> None:
    now = partial.stat()
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        with suppress(PermissionError):  # only root may give a file away
            os.chown(partial, before.st_uid, before.st_gid)
    partial.chmod(stat.S_IMODE(before.st_mode))


def _take_place(partial: Path, place: Path) -> None:
    """Give the folder ``partial`` the name ``place``; what had it has ``partial``'s then."""
    if not os.path.lexists(place):
        partial.rename(place)
    elif not _exchange(partial, place):
        aside = _beside(place)
        place.rename(aside)
        try:
            partial.rename(place)
        except OSError:
            aside.rename(place)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one step; False where the file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    if done == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS):
        return False
    raise OSError(number, os.strerror(number), str(other))
