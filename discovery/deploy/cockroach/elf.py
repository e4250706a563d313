"""What an executable's first bytes say: is it a program for Linux, and for which machine."""

from __future__ import annotations

import struct
from pathlib import Path

# e_machine of the ELF header, in the words of CockroachDB's vendor (and of Debian).
MACHINES = {
    0x03: "i386",
    0x28: "arm",
    0x3E: "amd64",
    0xB7: "arm64",
    0xF3: "riscv64",
    0x15: "ppc64",
    0x16: "s390x",
}
_HEADER = struct.Struct("4s B B 10x 2x")  # magic, class, byte order, padding, type
_BYTE_ORDER = {1: "<", 2: ">"}


def machine_of(path: Path) -> str | None:
    """The machine that the program at ``path`` is for; ``None`` if it is no ELF file.

    A machine that has no name here is told by its number. Raises :class:`OSError`.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER.size + 2)
    if len(start) < _HEADER.size + 2:
        return None
    magic, _, order = _HEADER.unpack_from(start)
    if magic != b"\x7fELF" or order not in _BYTE_ORDER:
        return None
    (number,) = struct.unpack_from(f"{_BYTE_ORDER[order]}H", start, _HEADER.size)
    return MACHINES.get(number, f"machine {number:#x}")
