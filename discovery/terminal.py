"""The standard streams of a command, whatever the terminal, the locale or the pipe behind them."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from discovery.errors import MachineError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Unread(Exception):  # noqa: N818  (no error: who read it, such as ``head``, had enough)
    """Nobody reads standard output any more."""

    exit_code = 128 + signal.SIGPIPE  # what a shell says of a command that SIGPIPE ended


class _Output(io.FileIO):
    """Standard output that says by errors of ours why it cannot be written."""

    def write(self, content: ReadableBuffer, /) -> int | None:  # type: ignore[override]
        """Write, or say why not."""
        try:
            return super().write(content)
        except BrokenPipeError:
            drop()
            raise Unread("nobody reads standard output any more") from None
        except OSError as error:
            drop()
            raise MachineError(f"Standard output cannot be written: {error.strerror}.") from None


def prepare() -> None:
    """Let no character, no closed stream and no full disk behind one be a bug of ours.

    What the terminal cannot show is shown as an escape. A stream that is closed is the null device,
    so that no file of ours gets its number, and with it what others print.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    if sys.stdout is None or sys.stdout is sys.__stdout__:  # not where a test has put another one
        sys.stdout = _output(sys.stdout.encoding if sys.stdout else "utf-8")


def drop() -> None:
    """Give up what was printed and not written, which Python would try once more at its end."""
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)


def _output(encoding: str) -> io.TextIOWrapper:
    raw = _Output(1, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=os.isatty(1),
    )
