"""Load: the clients that run Rally, step by step, at every site at once."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from discovery.errors import MeasuredFailure, TestbedError
from discovery.testbed import Node
from discovery.workload import remote

UNIT = "discovery-load"
PROGRAM = Path(__file__).parent / "on_node" / "load.py"
PYTHON = "/opt/rally/bin/python"
READY_WITHIN_S = 60.0
_LEAD_S, _LEAD_EACH_S = 1.0, 0.25
"""How long it may take to tell clients that are ready when to begin; a late one begins at once."""


class Clients:
    """Client nodes that run the same Rally tasks, one after the other, all nodes in step.

    ``tasks`` and ``options`` are what ``on_node/load.py`` is told, the same on every node, and
    ``environments`` the cloud that each node sees, by its alias.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        tasks: Mapping[str, Any],
        environments: Mapping[str, Any],
        options: Mapping[str, float] | None = None,
    ) -> None:
        self.nodes = list(nodes)
        self.scenarios = [name for name, task in tasks.items() if task["keep"]]
        self._warm_up = [name for name in tasks if name not in self.scenarios]
        self.configs = {
            node.alias: {
                "tasks": tasks,
                "environment": environments[node.alias],
                "options": options or {},
            }
            for node in nodes
        }

    def start(self) -> None:
        """Start Rally on every client, and wait until it has validated the tasks and answers.

        To be called before the WAN is shaped; see ``on_node/load.py`` for why.
        """
        remote.start_program(
            PROGRAM, f"{PYTHON} {{program}} serve {{config}}", UNIT, self.configs, self.nodes
        )
        wait = (
            f"for i in $(seq {READY_WITHIN_S * 10:.0f}); do test -S /run/discovery-load.sock "
            f"&& exit 0; systemctl is-active -q {UNIT} || break; sleep 0.1; done; "
            f"journalctl -u {UNIT} -n 20 --no-pager >&2; exit 1"
        )
        remote.run(wait, self.nodes)

    def warm_up(self) -> None:
        """Run what enters no report, so that connections and caches exist."""
        for name in self._warm_up:
            self._run(name)

    def load(self, tell: Callable[[str], None]) -> None:
        """Run every scenario, one after the other; each begins on all clients at once."""
        for number, scenario in enumerate(self.scenarios, 1):
            began = time.monotonic()
            answers = self._run(scenario)
            failed = sum(answer["failed"] for answer in answers.values())
            iterations = sum(answer["iterations"] for answer in answers.values())
            tell(
                f"  {number}/{len(self.scenarios)} {scenario}: {iterations} iterations, "
                f"{failed} failed, {time.monotonic() - began:.1f} s{_apart(answers)}"
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
        answers = self._ask("run", name) if len(self.nodes) == 1 else self._together(name)
        for alias, answer in answers.items():
            if answer["status"] == "crashed":
                raise TestbedError(f"{name} on {alias}: Rally gave up: {answer['error']}")
            if not answer["iterations"]:
                raise MeasuredFailure(f"{name} on {alias}: Rally could not begin an iteration")
        return answers

    def _together(self, name: str) -> dict[str, dict[str, Any]]:
        """Set ``name`` up on every client, and begin it where it could be, at one moment."""
        answers = self._ask("prepare", name)
        ready = [node for node in self.nodes if answers[node.alias]["status"] == "ready"]
        if not ready:
            return answers
        begin = time.time() + _LEAD_S + _LEAD_EACH_S * len(ready)
        return answers | self._ask("begin", str(begin), ready)

    def _ask(
        self, verb: str, argument: str, nodes: Sequence[Node] | None = None
    ) -> dict[str, dict[str, Any]]:
        command = f"cd {remote.WORK_FOLDER} && {PYTHON} {PROGRAM.name} {verb} {argument}"
        return remote.ask(command, nodes or self.nodes, "Rally's process is gone")


def _apart(answers: Mapping[str, dict[str, Any]]) -> str:
    """How far apart several clients began, by their own clocks."""
    began = [answer["began"] for answer in answers.values()]
    return f", begun within {max(began) - min(began):.1f} s" if len(began) > 1 else ""
