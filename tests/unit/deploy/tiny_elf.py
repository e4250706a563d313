"""Programs of 200 bytes for Linux, put together by hand: they say something, and end or do not.

They stand for a binary that a user names: real executables, so that they are refused, or taken, for
what they do and not for how they are made.
"""

from __future__ import annotations

import struct
from pathlib import Path

_BASE = 0x400000
_HEADERS = 64 + 56
_EXIT = bytes.fromhex("b83c000000 31ff 0f05".replace(" ", ""))  # exit(0)
_WAIT = bytes.fromhex("b822000000 0f05 ebf7".replace(" ", ""))  # pause(), again and again

COCKROACH = """\
Build Tag:        {tag}
Build Time:       2023/06/16 21:31:17
Distribution:     CCL
Platform:         linux amd64 (x86_64-pc-linux-gnu)
Go Version:       go1.19.4
"""


def program(text: str = "", *, waits: bool = False, machine: int = 0x3E) -> bytes:
    """An ELF file for amd64 that writes ``text``; ``waits``: it never ends.

    Another ``machine`` changes the header alone.
    """
    said = text.encode()
    code = (
        b"\xb8\x01\x00\x00\x00"  # write(
        + b"\xbf\x01\x00\x00\x00"  # standard output,
        + b"\x48\x8d\x35"  # the text,
        + struct.pack("<i", 33 - 17)
        + b"\xba"  # its length)
        + struct.pack("<I", len(said))
        + b"\x0f\x05"
        + (_WAIT if waits else _EXIT)
    )
    assert len(code) == 33
    size = _HEADERS + len(code) + len(said)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code + said


def write(path: Path, content: bytes) -> Path:
    """``content`` as an executable at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def cockroach(path: Path, tag: str = "v23.1.4") -> Path:
    """A program that answers as CockroachDB of that version does, and does nothing else."""
    return write(path, program(COCKROACH.format(tag=tag)))
