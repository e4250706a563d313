"""EnOSlib and Ansible, configured once for the process that holds a lease.

Whatever they leave behind lives in the lease's folder and is removed with it: connection sockets,
temporary playbooks, Ansible's temporary files.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from discovery.testbed.processes import own

FORKS = 8
# A node that was killed says no good-bye, so ssh must notice by itself.
SSH_OPTIONS = (
    *("-o", "ControlMaster=auto", "-o", "ControlPersist=60s"),
    *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"),
)


def sockets_folder(folder: Path) -> Path:
    """Where ssh's connection sockets of the lease in ``folder`` are."""
    return folder / "ssh"


def configure(folder: Path, *, kept: bool = False) -> None:
    """Point EnOSlib and Ansible, and every program started from now on, to the lease ``folder``.

    ``kept``: the lease is to stay when this process has ended.
    """
    sockets_folder(folder).mkdir(mode=0o700, exist_ok=True)
    own(folder, kept=kept)
    os.environ.update(
        {
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS": "ignore",  # site-1 is a fine name
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets_folder(folder)),
            "ANSIBLE_SSH_ARGS": " ".join(SSH_OPTIONS),
            # What a task is given stays out of a node's log, which may be kept and read by others.
            "ANSIBLE_NO_TARGET_SYSLOG": "True",
        }
    )
    import enoslib  # noqa: PLC0415 (takes 1.5 s, and reads the environment)
    import enoslib.api  # noqa: PLC0415
    from ansible import constants  # type: ignore[import-untyped]  # noqa: PLC0415

    enoslib.set_config(ansible_stdout="noop", ansible_forks=FORKS, display="raw")

    def in_lease(**_: Any) -> Any:
        return tempfile.NamedTemporaryFile(dir=folder)

    # EnOSlib writes the playbook of `actions` into the current folder, which may be the user's
    # repository, and a killed run leaves it there.
    enoslib.api.NamedTemporaryFile = in_lease
    _ansible_temporary(constants, folder / "ansible")


def restore() -> None:
    """Let EnOSlib and Ansible forget the lease's folder, if this process goes on without it."""
    if "enoslib.api" not in sys.modules:
        return
    import enoslib.api  # noqa: PLC0415
    from ansible import constants  # noqa: PLC0415

    enoslib.api.NamedTemporaryFile = tempfile.NamedTemporaryFile
    constants.DEFAULT_LOCAL_TMP = tempfile.gettempdir()


def _ansible_temporary(constants: Any, folder: Path) -> None:
    """Move Ansible's folder for temporary files, which it makes at import in the user's home."""
    folder.mkdir(mode=0o700, exist_ok=True)
    made_at_import = Path(constants.DEFAULT_LOCAL_TMP)
    constants.DEFAULT_LOCAL_TMP = str(folder)
    if made_at_import.name.startswith("ansible-local-") and made_at_import.is_dir():
        made_at_import.rmdir()
