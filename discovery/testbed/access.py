"""How the nodes of a lease are reached from another process than the one that leased them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from discovery.errors import TestbedError
from discovery.testbed.environment import SSH_OPTIONS
from discovery.testbed.leases import Node

FILE = "nodes.json"


@dataclass(frozen=True)
class Access:
    """A node and how ssh gets there."""

    alias: str
    site: str
    role: str
    address: str
    host: str
    user: str | None
    port: int | None
    keyfile: str | None
    ssh_arguments: str

    def command(self) -> list[str]:
        """The ssh command to the node; no connection of it outlives it."""
        command = ["ssh", "-o", "ControlMaster=no", *SSH_OPTIONS]
        if self.user:
            command += ["-l", self.user]
        if self.port:
            command += ["-p", str(self.port)]
        if self.keyfile:
            command += ["-i", self.keyfile]
        return [*command, *shlex.split(self.ssh_arguments), self.host]


def write_access(folder: Path, nodes: Sequence[Node]) -> None:
    """Write how ``nodes`` are reached into their lease's folder."""
    content = [
        asdict(
            Access(
                node.alias,
                node.site,
                node.role,
                node.address,
                str(node.host.address),
                node.host.user,
                node.host.port,
                str(node.host.keyfile) if node.host.keyfile else None,
                node.host.extra.get("ansible_ssh_common_args", ""),
            )
        )
        for node in nodes
    ]
    temporary = folder / f"{FILE}.tmp"
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / FILE)


def read_access(folder: Path) -> list[Access]:
    """The nodes of the lease in ``folder``; a :class:`TestbedError` if it never came up."""
    try:
        return [Access(**item) for item in json.loads((folder / FILE).read_bytes())]
    except FileNotFoundError:
        raise TestbedError(
            f"Lease {folder.name} has no nodes: it was never whole; release it with "
            f"`discovery testbed down`."
        ) from None
