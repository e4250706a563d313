"""Load: the clients that run Rally, step by step, at every site at once."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from discovery.deploy import Deployment
from discovery.errors import MeasuredFailure, TestbedError
from discovery.experiment.cells import Cell
from discovery.testbed import Node
from discovery.workload import rally_task, remote

UNIT = "discovery-load"
PROGRAM = Path(__file__).parent / "on_node" / "load.py"
PYTHON = "/opt/rally/bin/python"
READY_WITHIN_S = 60.0


class Clients:
    """The client nodes that load a cell: one under ``light`` load, all under ``high``.

    Under ``light`` load it is site 2's: site 1 has the server of the one-server back ends, and a
    client beside it would never see the WAN. A cell whose Rally is to run on the database's node,
    as the 2018 study's did, has its first client on site 1's control node instead.
    """

    def __init__(self, cell: Cell, nodes: Sequence[Node], deployment: Deployment) -> None:
        clients = [node for node in nodes if node.role == "client"]
        self.cell = cell
        if cell.rally_on == "database-node":
            beside = deployment.database_nodes[:1]
            self.nodes = [*beside, *clients[1:]] if cell.load == "high" else beside
        else:
            self.nodes = clients if cell.load == "high" else [clients[1]]
        self._deployment = deployment

    def start(self) -> None:
        """Start Rally on every client, and wait until it has validated the tasks and answers.

        To be called before the WAN is shaped; see ``on_node/load.py`` for why.
        """
        tasks = rally_task.tasks(self.cell)
        # One user of each of two projects: Rally logs every one of them in before each scenario.
        users = self._deployment.users[::3]
        configs = {
            node.alias: {
                "tasks": tasks,
                "environment": rally_task.environment(
                    self._deployment.urls[node.site],
                    self._deployment.admin.as_rally(),
                    [user.as_rally() for user in users],
                ),
            }
            for node in self.nodes
        }
        remote.start_program(
            PROGRAM, f"{PYTHON} {{program}} serve {{config}}", UNIT, configs, self.nodes
        )
        wait = (
            f"for i in $(seq {READY_WITHIN_S * 10:.0f}); do test -S /run/discovery-load.sock "
            f"&& exit 0; systemctl is-active -q {UNIT} || break; sleep 0.1; done; "
            f"journalctl -u {UNIT} -n 20 --no-pager >&2; exit 1"
        )
        remote.run(wait, self.nodes)

    def warm_up(self) -> None:
        """Issue tokens through every client, so that connections and caches exist."""
        if self.cell.warm_up_iterations:
            self._run(rally_task.WARM_UP)

    def load(self, tell: Callable[[str], None]) -> None:
        """Run every scenario on all clients at once, one scenario after the other."""
        for number, scenario in enumerate(self.cell.scenarios, 1):
            began = time.monotonic()
            answers = self._run(scenario)
            failed = sum(answer["failed"] for answer in answers.values())
            iterations = sum(answer["iterations"] for answer in answers.values())
            tell(
                f"  {number}/{len(self.cell.scenarios)} {scenario}: {iterations} iterations, "
                f"{failed} failed, {time.monotonic() - began:.1f} s"
            )

    def report(self, folder: Path) -> None:
        """Fetch each client's Rally report as ``folder/<site>.json``."""
        self._ask("report", f"{remote.WORK_FOLDER}/report.json")
        folder.mkdir()
        with tempfile.TemporaryDirectory() as temporary:
            files = remote.fetch("report.json", self.nodes, Path(temporary))
            for node in self.nodes:
                shutil.move(files[node.alias], folder / f"{node.site}.json")

    def _run(self, name: str) -> dict[str, dict[str, Any]]:
        answers = self._ask("run", name)
        for alias, answer in answers.items():
            if answer["status"] == "crashed":
                raise TestbedError(f"{name} on {alias}: Rally gave up: {answer['error']}")
            if not answer["iterations"]:
                raise MeasuredFailure(f"{name} on {alias}: Rally could not begin an iteration")
        return answers

    def _ask(self, verb: str, argument: str) -> dict[str, dict[str, Any]]:
        command = f"cd {remote.WORK_FOLDER} && {PYTHON} {PROGRAM.name} {verb} {argument}"
        return remote.ask(command, self.nodes, "Rally's process is gone")
