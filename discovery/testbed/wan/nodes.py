"""Pings between the control nodes of every site, through EnOSlib."""

from __future__ import annotations

from collections.abc import Sequence

import enoslib as en

from discovery.errors import WanError
from discovery.testbed.leases import Node
from discovery.testbed.wan.measure import parse_pings, ping_command
from discovery.testbed.wan.sites import Pair, ordered_pairs


class NodePing:
    """A :class:`discovery.testbed.wan.measure.Ping` from and to the control nodes of ``nodes``."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._controls = {node.site: node for node in nodes if node.role == "control"}

    def __call__(self, count: int, timeout_ms: int) -> dict[Pair, list[float | None]]:
        """One command, the same on every node at once; a node pings itself too, unheeded."""
        nodes = list(self._controls.values())
        command = ping_command([node.address for node in nodes], count, timeout_ms)
        results = en.run_command(
            command,
            task_name="Measure round trips",
            roles=[node.host for node in nodes],
            on_error_continue=True,
        )
        outputs = {result.host: result for result in results}
        answers: dict[Pair, list[float | None]] = {}
        for source, destination in ordered_pairs(self._controls):
            alias = self._controls[source].alias
            if alias not in outputs or not outputs[alias].ok():
                raise WanError(f"{alias} cannot be reached, so its round trips are not measured.")
            found = parse_pings(outputs[alias].payload["stdout"], count)
            address = self._controls[destination].address
            answers[source, destination] = found.get(address, [None] * count)
        return answers
