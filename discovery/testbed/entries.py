"""A ledger's lines, read without trust: whatever may stand in that file, an entry is whole or none.

A line that is no entry is passed over, and so is a file that is no regular one; who reads says so.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

# Nothing makes a lockfile any more; the ledgers of earlier versions have them.
Kind = Literal[
    "lease", "process", "namespace", "link", "mount", "cgroup", "folder", "lockfile", "reservation"
]
KINDS: tuple[str, ...] = get_args(Kind)

# No entry of ours comes near; a longer line is not even read whole.
LONGEST = 1 << 20
# Seconds since the epoch that every clock and calendar can show.
_LATEST = 1e11
_FIELDS = {"event", "time", "lease", "kind", "name", "details"}
_BEGINNING = b'{"event": "'
# Words and the middles of numbers, which a killed writer can have left unfinished.
_WORDS = ("true", "false", "null", "-", ".", "e-", "e+")


@dataclass(frozen=True)
class Entry:
    """A line of the ledger; ``time`` is in seconds since the epoch."""

    event: Literal["held", "released"]
    time: float
    lease: str
    kind: Kind
    name: str
    details: Mapping[str, Any]


def parse(line: bytes) -> Entry | None:
    """The entry that ``line`` is, or None."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.keys() != _FIELDS:
        return None
    when = found["time"]
    good = (
        found["event"] in ("held", "released")
        and isinstance(when, int | float)
        and not isinstance(when, bool)
        and 0 <= when < _LATEST
        and found["kind"] in KINDS
        and all(_is_name(found[key]) for key in ("lease", "name"))
        and isinstance(found["details"], dict)
    )
    return Entry(**found) if good else None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def is_cut_off(line: bytes) -> bool:
    """Whether ``line`` is the beginning of an entry whose writer was killed.

    What it announced was never made, because making waits for it.
    """
    if not (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)):
        return False
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        rest = error.doc[error.pos :]
        return (
            any(word.startswith(rest) for word in _WORDS)
            or error.msg.startswith("Unterminated string")
            or (error.msg.startswith("Invalid \\") and len(rest) < len("\\u0000"))
        )
    except UnicodeDecodeError as error:
        return error.end >= len(line)
    except (ValueError, RecursionError):
        return False
    return False


@dataclass(frozen=True)
class Odd:
    """Something in the place of the ledger that was passed over: a ``line``, or the file itself.

    ``what`` completes the sentence "the ledger …" for the file.
    """

    line: int = 0
    what: str = ""


def read(path: Path) -> Iterator[tuple[int, Entry] | Odd]:
    """Every entry of the ledger in ``path`` with its line's number, and what is none.

    No file is no entry. Memory is bounded however long a line is. Raises OSError if a regular file
    cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError:
        if (what := not_a_file(path)) is None:
            raise
        yield Odd(what=what)
        return
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        yield Odd(what=not_a_file(path) or "is no regular file")
        return
    with os.fdopen(descriptor, "rb") as file:
        yield from _read_lines(file)


def _read_lines(file: BinaryIO) -> Iterator[tuple[int, Entry] | Odd]:
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST:
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST)
            yield Odd(number)
            continue
        line = line.rstrip(b"\n")
        if (entry := parse(line)) is not None:
            yield number, entry
        elif line and not is_cut_off(line):
            yield Odd(number)


def not_a_file(path: Path) -> str | None:
    """What ``path`` is if it is there and no regular file, for a sentence; else None."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError:
        return "is a symbolic link that leads nowhere" if path.is_symlink() else None
    if stat.S_ISREG(mode):
        return None
    kinds = (
        (stat.S_ISDIR, "is a folder"),
        (stat.S_ISFIFO, "is a pipe"),
        (stat.S_ISSOCK, "is a socket"),
    )
    return next((what for holds, what in kinds if holds(mode)), "is a device")
