"""Bytes between every two nodes of a cell: start the counters, fetch what they saw as a table."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.results.nova_raw import TRAFFIC, TRAFFIC_COLUMNS
from discovery.testbed import Node
from discovery.workload import remote

UNIT = "discovery-traffic"
PROGRAM = Path(__file__).parent / "on_node" / "traffic.py"
PERIOD_S = 1.0
_OUTPUT = "traffic.jsonl"


def start(nodes: Sequence[Node]) -> None:
    """Start counting on ``nodes``, each what it exchanges with all the others."""
    configs = {
        node.alias: {
            "output": f"{remote.WORK_FOLDER}/{_OUTPUT}",
            "peers": {other.address: other.alias for other in nodes if other is not node},
            "period_s": PERIOD_S,
        }
        for node in nodes
    }
    remote.start_program(PROGRAM, "/usr/bin/python3 {program} {config}", UNIT, configs, nodes)


def collect(nodes: Sequence[Node], folder: Path) -> None:
    """Stop counting; write ``traffic.parquet`` into ``folder``."""
    roles = {node.alias: node for node in nodes}
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        files = remote.fetch(_OUTPUT, nodes, Path(temporary), first=remote.stop(UNIT))
        for node in nodes:
            for text in files[node.alias].read_text(encoding="utf-8").splitlines():
                rows.append(_row(json.loads(text), node, roles))
    table = pd.DataFrame(rows, columns=[*TRAFFIC_COLUMNS])
    table.to_parquet(folder / TRAFFIC, index=False)


def _row(line: dict[str, Any], node: Node, nodes: dict[str, Node]) -> dict[str, Any]:
    """A line of the counter's; one of what it missed has no peer."""
    peer = nodes.get(line.get("peer", ""))
    return {
        **line,
        "node": node.alias,
        "site": node.site,
        "role": node.role,
        "peer": peer.alias if peer else None,
        "peer_site": peer.site if peer else None,
        "peer_role": peer.role if peer else None,
    }
