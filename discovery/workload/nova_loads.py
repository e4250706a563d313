"""The loads of a cell on Nova: many servers at once, or Rally's scenarios one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from discovery.deploy.nova import NovaDeployment
from discovery.deploy.nova.deployment import FLAVORS, IMAGE
from discovery.experiment.nova_cells import NovaCell
from discovery.workload import consistency, faults
from discovery.workload.burst import Burst, Plan
from discovery.workload.clients import nova_clients
from discovery.workload.subject import Step, Tell


class Load(Protocol):
    """What is done to a Nova that was deployed; lines for the user go to the cell's ``tell``."""

    def prepare(self) -> None:
        """Do what is done before the WAN is shaped."""

    def steps(self, folder: Path) -> list[tuple[str, Step]]:
        """The phases of the load, in order; what they write goes to ``folder``."""

    def report(self, folder: Path) -> None:
        """Write what the clients saw into ``folder``, also of a load that broke off."""


class BurstLoad:
    """Boot all servers at once, look whether all that know of them agree, delete them.

    One client, on the last site: far from site 1, where the one server of some back ends is. It is
    one, so that all requests go out by one clock; each is sent to the API that it is for.
    """

    def __init__(self, cell: NovaCell, deployment: NovaDeployment, tell: Tell) -> None:
        self._cell, self._deployment, self._tell = cell, deployment, tell
        plan = Plan(
            servers=cell.servers,
            image=IMAGE["id"],
            flavor=FLAVORS[0]["id"],
            zones=deployment.zones,
        )
        self._burst = Burst(
            plan,
            deployment.of("client")[-1:],
            deployment.keystone_urls,
            deployment.nova_urls,
            deployment.users[0],
        )

    def prepare(self) -> None:
        """Nothing: the clients' program is copied when it is started."""

    def steps(self, folder: Path) -> list[tuple[str, Step]]:
        """Boot, look, delete."""
        return [
            ("boot", lambda: self._boot(folder)),
            ("look", lambda: self._look(folder)),
            ("delete", lambda: self._say("deleted", self._burst.delete())),
        ]

    def report(self, folder: Path) -> None:
        """Each client's record of its servers, as ``burst/<site>.json``."""
        self._burst.report(folder)

    def _boot(self, folder: Path) -> None:
        faults.write(faults.arm(self._cell.fault, self._deployment), folder)
        self._say("booted", self._burst.boot())

    def _look(self, folder: Path) -> None:
        """Whether all that know of servers know the same, now that none is deleted."""
        deployment, burst = self._deployment, self._burst
        records = burst.records()
        asked = [server for record in records for server in record["servers"]]
        projects = sorted({record["project"] for record in records})
        control = deployment.of("control")[0]
        found = consistency.check(
            burst.nodes[0],
            control,
            deployment.database_urls(control),
            deployment.keystone_url,
            deployment.nova_urls,
            deployment.admin,
            asked,
            projects,
        )
        text = json.dumps(found, indent=1) + "\n"
        (folder / consistency.RESULT).write_text(text, encoding="utf-8")
        kinds = sorted({finding["kind"] for finding in found["findings"]})
        self._tell(f"  consistency: {len(found['findings'])} findings {', '.join(kinds)}".rstrip())

    def _say(self, verb: str, summaries: Mapping[str, Mapping[str, Any]]) -> None:
        for alias, summary in summaries.items():
            said = f"  {verb} from {alias}: {summary['done']} of {summary['servers']} servers"
            if summary["completion_s"] is not None:
                said += f" in {summary['completion_s']:.1f} s"
            failed = (f"{count} {kind}" for kind, count in summary["failures"].items())
            self._tell("; ".join((said, *failed)))


class RallyLoad:
    """Rally's scenarios of Nova's REST API, from a client far from site 1."""

    def __init__(self, cell: NovaCell, deployment: NovaDeployment, tell: Tell) -> None:
        self._clients = nova_clients(cell, deployment)
        self._tell = tell

    def prepare(self) -> None:
        """Start Rally, and let it validate its tasks."""
        self._clients.start()

    def steps(self, folder: Path) -> list[tuple[str, Step]]:
        """All scenarios."""
        return [("load", lambda: self._clients.load(self._tell))]

    def report(self, folder: Path) -> None:
        """Rally's report, as ``rally/<site>.json``."""
        self._clients.report(folder / "rally")


def load_of(cell: NovaCell, deployment: NovaDeployment, tell: Tell) -> Load:
    """The load that ``cell`` asks for."""
    kind = BurstLoad if cell.workload == "burst" else RallyLoad
    return kind(cell, deployment, tell)
