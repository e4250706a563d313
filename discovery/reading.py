"""Reading files that somebody else wrote: regular files alone, and no more of one than expected.

A pipe would be waited for, and a device never ends; neither is what a path in a configuration
means. Each refusal is an :class:`OSError` whose ``strerror`` says why.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

MOST_RESULT = 2**28
"""The most bytes of a file of results; the largest of ours has 2 MB."""
MOST_CONFIGURATION = 2**20
"""The most bytes of a file that a user wrote by hand; ours have 30,000."""

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def is_there(path: Path) -> bool:
    """Whether something has this name: a link that leads nowhere has, and what we may not see."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    return True


def require_regular(path: Path, most: int | None = None) -> None:
    """Raise an :class:`OSError` unless ``path`` is a regular file of at most ``most`` bytes."""
    try:
        state = path.stat()
    except ValueError:  # a path with a NUL
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path)) from None
    _require_regular(state.st_mode, path)
    if most is not None and state.st_size > most:
        raise OSError(errno.EFBIG, f"Has more than {most:,} bytes", str(path))


def parse_json(text: str) -> Any:
    """The JSON document in ``text``.

    Raises:
        ValueError: it is cut off or not JSON, has a key twice, numbers that JSON does not know or
            no table can hold, or is nested too deep to be ours.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_once_each, parse_constant=_no_number, parse_int=_whole
        )
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _whole(text: str) -> int:
    """A number that a table can hold: in 64 bits."""
    number = int(text) if len(text) <= 20 else 2**63
    return number if -(2**63) <= number < 2**63 else _no_number(text[:30])


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def read_bytes(path: Path, most: int) -> bytes:
    """The content of the regular file ``path``, which has at most ``most`` bytes.

    Raises:
        OSError: it is no regular file, is larger, or cannot be read.
    """
    require_regular(path, most)
    # It may have become another since, so the open may not wait, and is looked at once more.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        _require_regular(os.fstat(descriptor).st_mode, path)
        content = file.read(most + 1)
    if content is None:  # a file of the kernel's that has nothing to say now, such as /proc/kmsg
        raise BlockingIOError(errno.EAGAIN, "Is no regular file: it would be waited for", str(path))
    if len(content) > most:
        raise OSError(errno.EFBIG, f"Has more than {most:,} bytes", str(path))
    return content


def read_text(path: Path, most: int) -> str:
    """The content of :func:`read_bytes` as text.

    Raises:
        OSError: as there.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_bytes(path, most).decode("utf-8")


def _require_regular(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise OSError(errno.EINVAL, f"Is {kind}, and no regular file", str(path))
