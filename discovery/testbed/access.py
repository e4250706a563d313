"""How the nodes of a lease are reached from another process than the one that leased them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from discovery.errors import TestbedError
from discovery.testbed.environment import SSH_OPTIONS, sockets_folder
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

    def command(self, folder: Path, *options: str) -> list[str]:
        """The ssh command to the node, for the lease in ``folder``."""
        command = ["ssh", *SSH_OPTIONS, "-o", f"ControlPath={sockets_folder(folder)}/{self.alias}"]
        if self.user:
            command += ["-l", self.user]
        if self.port:
            command += ["-p", str(self.port)]
        if self.keyfile:
            command += ["-i", self.keyfile]
        return [*command, *shlex.split(self.ssh_arguments), *options, self.host]


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
