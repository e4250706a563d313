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
    """The nodes of the lease in ``folder``; a :class:`TestbedError` if they are not known there."""
    path = folder / FILE
    try:
        nodes = [Access(**item) for item in json.loads(path.read_bytes())]
    except FileNotFoundError:
        raise TestbedError(
            f"Lease {folder.name} has no nodes: it was never whole, or its folder {folder} was "
            "removed; release it with `discovery testbed down`."
        ) from None
    except (OSError, ValueError, TypeError, RecursionError):
        nodes = []
    if not nodes or not all(map(_is_whole, nodes)):
        raise TestbedError(
            f"{path} is not the list of nodes that the workbench wrote; release the lease with "
            "`discovery testbed down` and take a new one."
        )
    return nodes


def _is_whole(node: Access) -> bool:
    texts = (node.alias, node.site, node.role, node.address, node.host, node.ssh_arguments)
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(text, str | None) for text in (node.user, node.keyfile))
        and isinstance(node.port, int | None)
    )
