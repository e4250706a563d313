"""Where this machine's state lives: ``$DISCOVERY_HOME``, shared by every clone on the machine."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from discovery.errors import MachineError, StorageError

DEFAULT = Path("/var/lib/discovery")
LEDGER = "ledger.jsonl"
LOCK = "lock"

# A Unix socket's path has at most 107 bytes; ssh's connection sockets live in
# leases/<id>/ssh/<10 characters>, and ssh adds 17 more while it makes one.
_LONGEST = 107 - len("/leases/123456/ssh/") - 10 - 17


def home_path() -> Path:
    """Where the state folder is, or would be: for who only looks."""
    return Path(os.environ.get("DISCOVERY_HOME") or DEFAULT).absolute()


def home() -> Path:
    """The state folder, made if absent; a :class:`StorageError` if it cannot be written."""
    path = home_path()
    try:
        (path / "leases").mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            only_read = os.statvfs(path).f_flag & os.ST_RDONLY
            raise _refused(
                path, "written", "its disk is read-only" if only_read else "it is another user's"
            )
    except OSError as error:
        raise _refused(path, "made", os.strerror(error.errno or 0).lower()) from error
    return path


def _refused(path: Path, what: str, why: str) -> StorageError:
    return StorageError(
        f"The state folder {path} cannot be {what} ({why}), which holds leases and the node image; "
        "nothing was changed; run as root, or set DISCOVERY_HOME to a folder that you may write to."
    )


def home_mark(path: Path | None = None) -> str:
    """What the names of all that is made for a state folder carry: 8 hexadecimal digits.

    The same folder has the same mark by whichever links it is reached, and when it is gone.
    """
    return _digest(os.path.realpath(path or home_path()))


def machine_mark() -> str:
    """Likewise for what is made elsewhere: it tells this machine's state folder from others'."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        machine = ""
    return _digest(f"{machine} {platform.node()} {os.path.realpath(home_path())}")


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:8]


def refuse_long_home() -> None:
    """A :class:`MachineError` if the sockets of a lease would have too long a path."""
    path = home()
    if len(os.fsencode(path)) > _LONGEST:
        raise MachineError(
            f"DISCOVERY_HOME={path} is too long for the sockets inside it; "
            f"choose a path of at most {_LONGEST} bytes."
        )


def ledger_path() -> Path:
    """The append-only list of everything that was made and is to be removed."""
    return home() / LEDGER


def lock_path() -> Path:
    """The file whose lock the run that has the testbed holds."""
    return home() / LOCK


def lease_folder(lease_id: str) -> Path:
    """Keys, hosts file, consoles and sockets of one lease."""
    return home() / "leases" / lease_id
