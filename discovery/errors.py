"""The one error tree of the workbench.

    DiscoveryError
    ├── ConfigError          a file the user wrote says something that cannot be
    │   └── ClaimError       … and that file declares claims
    ├── MachineError         this machine lacks something (root, disk, a program that works)
    │   └── StorageError     … a place to write to: full, forbidden, or taken by something else
    ├── TestbedError         the testbed broke; a cell that meets it is an *accident*
    │   ├── BusyError        another run holds this machine's testbed
    │   └── WanError         the WAN is not what was asked for
    ├── DeployError          a variant could not be deployed (an *accident* too)
    ├── MeasuredFailure      the system under test broke: that is a result
    ├── UsageError           the command line names what there is not
    ├── Interrupted          the user ended it (Ctrl-C)
    ├── ResultError          a result file cannot be trusted (cut off, other schema version)
    └── ArchiveError         an archive cannot be read

A user's mistake is told in one sentence and without a traceback: `discovery.cli` prints
``str(error)`` and exits with the class's ``exit_code``. Everything that is not in this tree is a
bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

_LONGEST_SENTENCE = 4_000
_MOST_NAMES = 40


class DiscoveryError(Exception):
    """Base of every error that the workbench raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigError(DiscoveryError):
    """A configuration file holds something that is not allowed; nothing has been leased.

    ``file`` is where, ``key`` the dotted path in it, ``value`` what was found, ``allowed`` what
    may stand there (a sentence, or the values).
    """

    exit_code = 2

    def __init__(
        self,
        message: str = "",
        *,
        file: Path | str,
        key: str | None = None,
        value: object = None,
        allowed: str | Iterable[object] | None = None,
    ) -> None:
        self.file = Path(file)
        self.key = key
        self.value = value
        if allowed is None or isinstance(allowed, str):
            self.allowed = allowed
        else:
            names = [str(item) for item in allowed]
            more = f", … ({len(names):,} in all)" if len(names) > _MOST_NAMES else ""
            self.allowed = "one of " + ", ".join(names[:_MOST_NAMES]) + more
        self.message = message
        super().__init__(str(self))

    def __str__(self) -> str:
        """Name the file, then the key and its value, what is wrong, and what is allowed."""
        parts = [shortened(str(self.file), most=1_000)]
        if self.key is not None:
            value = "" if self.value is None else f" = {shortened(repr(self.value))}"
            parts.append(shortened(self.key) + value)
        if self.message:
            parts.append(self.message)
        text = ": ".join(parts)
        return f"{text}; allowed: {self.allowed}" if self.allowed else text


def shortened(text: str, most: int = 160) -> str:
    """``text``, or if it is long its beginning and its length: a sentence has to be read."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def sentence(error: BaseException) -> str:
    """What ``error`` says, in one line of printable characters that no terminal obeys.

    A line break becomes a space; of other control characters, and of halves of characters (bytes
    of a file's name that are no UTF-8), the escape is shown.
    """
    lines = " ".join(filter(None, map(str.strip, str(error).splitlines())))
    shown = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in lines
    )
    return shown if len(shown) <= _LONGEST_SENTENCE else f"{shown[:_LONGEST_SENTENCE]} …"


class UsageError(DiscoveryError):
    """The command line names a command, option or value that there is not."""

    exit_code = 2


class Interrupted(DiscoveryError):  # noqa: N818  (what the user wanted, not a mistake)
    """The user ended the command; what it held has been released."""

    exit_code = 130


class MachineError(DiscoveryError):
    """This machine lacks something; the message says what, and how to get it."""

    exit_code = 3


class StorageError(MachineError):
    """A place cannot be written or read; the message says which, what for, and what is safe."""


class TestbedError(DiscoveryError):
    """Nodes could not be leased, reached or released."""

    __test__ = False  # not a pytest class, whatever its name says
    exit_code = 4


class BusyError(TestbedError):
    """Another run on this machine holds the testbed."""


class WanError(TestbedError):
    """The WAN could not be shaped, or its measured round trips are not the ones asked for."""


class DeployError(DiscoveryError):
    """A variant could not be installed, configured or started."""

    exit_code = 5


class MeasuredFailure(DiscoveryError):  # noqa: N818  (a result, not a mistake)
    """The system under test broke under the conditions of the cell: a result, not an accident."""

    exit_code = 6


class ResultError(DiscoveryError):
    """A raw or tidy result file is cut off, inconsistent, or of another schema version."""

    exit_code = 7


class ClaimError(ConfigError):
    """A claim names a table, column or level that does not exist, or an unknown relation."""


class ArchiveError(DiscoveryError):
    """An archive of results cannot be read."""

    exit_code = 8
