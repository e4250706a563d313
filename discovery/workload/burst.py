"""A burst: many servers booted at once through the sites' Novas, from one or more client nodes."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from discovery.deploy.credentials import Credentials
from discovery.testbed import Node
from discovery.workload import remote

PROGRAM = Path(__file__).parent / "on_node" / "burst.py"
PYTHON = "/opt/rally/bin/python"
CONFIG = "discovery-burst.json"
FOLDER = "burst"
_OUTPUT = "burst.json"
_LEAD_S = 10.0


@dataclass(frozen=True)
class Plan:
    """What is booted: ``servers`` in all, of an image and a flavor (ids).

    ``zones``: where a server is to be, by the site of its API; everywhere where there are none.
    Deadlines are in s from the first request on. A burst in which no server has ended for
    ``boot_idle_s`` is over: those that are left are stuck, and Nova does not notice (the longest
    time-out of a call within a boot is 60 s). ``poll_s`` is between two looks, and how late a
    server may be seen to be ACTIVE; ``tries`` are those of a request that was not executed.
    """

    servers: int
    image: str
    flavor: str
    zones: Mapping[str, str] = field(default_factory=dict)
    boot_deadline_s: float = 3600.0
    boot_idle_s: float = 180.0
    delete_deadline_s: float = 600.0
    request_timeout_s: float = 120.0
    poll_s: float = 0.5
    tries: int = 3


def configs(
    plan: Plan,
    nodes: Sequence[Node],
    keystones: Mapping[str, str],
    apis: Mapping[str, str],
    user: Credentials,
    start_at: float | None,
) -> dict[str, dict[str, Any]]:
    """What each client is told, by alias; each has its share, and every API has its share of all.

    ``keystones`` and ``apis`` are URLs by site; a client logs in at its own site's Keystone.
    """
    told = {}
    first = 0
    for number, node in enumerate(nodes):
        share = plan.servers // len(nodes) + (number < plan.servers % len(nodes))
        told[node.alias] = {
            "keystone": keystones[node.site],
            "auth": {
                "username": user.username,
                "password": user.password,
                "project_name": user.project_name,
            },
            "apis": dict(apis),
            "servers": share,
            "first": first,
            "prefix": f"burst-{node.site}",
            "image": plan.image,
            "flavor": plan.flavor,
            "zones": dict(plan.zones),
            "start_at": start_at,
            "poll_s": plan.poll_s,
            "boot_deadline_s": plan.boot_deadline_s,
            "boot_idle_s": plan.boot_idle_s,
            "delete_deadline_s": plan.delete_deadline_s,
            "request_timeout_s": plan.request_timeout_s,
            "tries": plan.tries,
            "output": f"{remote.WORK_FOLDER}/{_OUTPUT}",
        }
        first += share
    return told


class Burst:
    """One burst of one cell: `boot`, look at what there is, `delete`, `report`."""

    def __init__(
        self,
        plan: Plan,
        nodes: Sequence[Node],
        keystones: Mapping[str, str],
        apis: Mapping[str, str],
        user: Credentials,
    ) -> None:
        self.nodes = [*nodes]
        self._told = (plan, nodes, keystones, apis, user)

    def boot(self) -> dict[str, dict[str, Any]]:
        """Boot all at once; each client's summary (see ``on_node/burst.py``) by alias.

        Several clients begin together, by their own clocks, some seconds from now.
        """
        start_at = time.time() + _LEAD_S if len(self.nodes) > 1 else None
        remote.put_program(PROGRAM, CONFIG, configs(*self._told, start_at), self.nodes)
        return self._run("boot")

    def delete(self) -> dict[str, dict[str, Any]]:
        """Delete what was booted; each client's summary by alias."""
        return self._run("delete")

    def records(self) -> list[dict[str, Any]]:
        """Each client's record as it is now: what it asked for, and what it saw."""
        with tempfile.TemporaryDirectory() as temporary:
            files = remote.fetch(_OUTPUT, self.nodes, Path(temporary))
            return [json.loads(file.read_text(encoding="utf-8")) for file in files.values()]

    def report(self, folder: Path) -> None:
        """Fetch each client's record as ``folder/burst/<site>.json``."""
        (folder / FOLDER).mkdir()
        with tempfile.TemporaryDirectory() as temporary:
            files = remote.fetch(_OUTPUT, self.nodes, Path(temporary))
            for node in self.nodes:
                shutil.move(files[node.alias], folder / FOLDER / f"{node.site}.json")

    def _run(self, verb: str) -> dict[str, dict[str, Any]]:
        command = f"cd {remote.WORK_FOLDER} && {PYTHON} {PROGRAM.name} {verb} {CONFIG}"
        return remote.ask(command, self.nodes, f"the burst's {verb} gave up")
