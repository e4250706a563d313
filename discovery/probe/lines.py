"""The format of a record: a header, and a line per call.

The header is JSON of a constant length, rewritten in place as its counters grow. A call's line has
tab-separated fields, in the order of `Call`'s; times are whole microseconds. The file is longer
than what was written: the rest of it is zero bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discovery.probe.errors import RecordError

VERSION = 1
SUFFIX = ".calls"


@dataclass(frozen=True)
class Header:
    """Of which process a record is.

    ``strays``: statements that belong to no call. ``lost``: calls that found no room on the disk.
    """

    process: str
    pid: int
    host: str
    site: str
    strays: int = 0
    lost: int = 0

    def line(self) -> bytes:
        """The first line."""
        text = json.dumps(
            {
                "probe": VERSION,
                "process": self.process,
                "pid": self.pid,
                "host": self.host,
                "site": self.site,
            }
        )
        return f'{text[:-1]}, "strays": {self.strays:12d}, "lost": {self.lost:12d}}}\n'.encode()


@dataclass(frozen=True)
class Call:
    """A call that has ended.

    ``start`` (s, epoch) and ``duration_s`` of the outermost function, ``module.function`` without
    ``nova.``. ``statements`` were given to SQLAlchemy; ``round_trips`` were waited for, those of
    opening ``connections`` not among them. ``db_errors`` the database raised, also those
    that Nova tried again after. ``database`` is the first one that was asked, and ``error`` the
    class that the caller got; both may be empty.
    """

    start: float
    duration_s: float
    statements: int
    round_trips: int
    connections: int
    db_errors: int
    database: str
    error: str
    function: str


def line(
    start: float, duration_s: float, statements: int, round_trips: int, connections: int,
    db_errors: int, database: str, error: str, function: str,
) -> bytes:  # fmt: skip
    """A call's line; the arguments are those of `Call`."""
    return (
        f"{start * 1e6:.0f}\t{duration_s * 1e6:.0f}\t{statements}\t{round_trips}\t{connections}\t"
        f"{db_errors}\t{database}\t{error}\t{function}\n"
    ).encode()


def read(path: Path) -> tuple[Header, list[Call]]:
    """A record; a line that was being written when its process was killed is left out.

    Raises:
        RecordError: it is none, of another version, or has a line that is none.
    """
    content = path.read_bytes().rstrip(b"\0")
    first, _, rest = content.partition(b"\n")
    try:
        fields = json.loads(first)
        version = fields.pop("probe")
        if version != VERSION:
            raise RecordError(f"{path}: is of version {version}; this reads version {VERSION}")
        header = Header(**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RecordError(f"{path}: does not begin with a header of the probe's") from None
    return header, list(_calls(path, rest))


def _calls(path: Path, rest: bytes) -> Iterator[Call]:
    whole, newline, _ = rest.rpartition(b"\n")
    for number, text in enumerate((whole + newline).decode().splitlines(), 2):
        fields: list[Any] = text.split("\t")
        try:
            start, duration, statements, trips, connections, errors, database, error, name = fields
            yield Call(
                int(start) / 1e6, int(duration) / 1e6, int(statements), int(trips),
                int(connections), int(errors), database, error, name,
            )  # fmt: skip
        except ValueError:
            raise RecordError(f"{path}: line {number} is not a call: {text[:100]!r}") from None
