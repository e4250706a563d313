"""Probes on every node of a cell: start them, fetch what they saw, write it as tables."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from discovery.results.raw import COUNTER_COLUMNS, SYSTEM_COLUMNS, UNIT_COLUMNS
from discovery.testbed import Node
from discovery.workload import remote

UNIT = "discovery-sample"
PROGRAM = Path(__file__).parent / "on_node" / "sample.py"
SYSTEM_PERIOD_S = 1.0
COUNTER_PERIOD_S = 0.1


def start(nodes: Sequence[Node], counters: Mapping[str, Any], servers: Sequence[Node]) -> None:
    """Start sampling on ``nodes``; on ``servers`` their database's ``counters``, too.

    ``counters`` is how they are read; see :class:`discovery.deploy.backends.Backend`.
    """
    read = {**counters, "period_s": COUNTER_PERIOD_S}
    asked = {node.alias for node in servers}
    configs = {
        node.alias: {
            "output": f"{remote.WORK_FOLDER}/samples.jsonl",
            "interface_address": node.address,
            "period_s": SYSTEM_PERIOD_S,
            "counters": read if node.alias in asked else None,
        }
        for node in nodes
    }
    clients = [node for node in nodes if node.role == "client"]
    others = [node for node in nodes if node.role != "client"]
    for python, chosen in (("/opt/openstack", others), ("/opt/rally", clients)):
        command = f"{python}/bin/python {{program}} {{config}}"
        remote.start_program(PROGRAM, command, UNIT, configs, chosen)


def collect(nodes: Sequence[Node], folder: Path) -> None:
    """Stop sampling; write what was seen of nodes, units and database servers into ``folder``."""
    rows: dict[str, list[dict[str, Any]]] = {"system": [], "unit": [], "counter": []}
    with tempfile.TemporaryDirectory() as temporary:
        files = remote.fetch("samples.jsonl", nodes, Path(temporary), first=remote.stop(UNIT))
        for node in nodes:
            for line in files[node.alias].read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                record.update(node=node.alias, site=node.site, role=node.role)
                rows[record["kind"]].append(record)
    for kind, columns, name in (
        ("system", SYSTEM_COLUMNS, "system"),
        ("unit", UNIT_COLUMNS, "units"),
        ("counter", COUNTER_COLUMNS, "counters"),
    ):
        table = pd.DataFrame(rows[kind], columns=[*columns])
        table.to_parquet(folder / f"{name}.parquet", index=False)
