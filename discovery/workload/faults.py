"""Faults: what is broken on purpose while a cell on Nova is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from discovery.deploy.nova import NovaDeployment
from discovery.deploy.nova.layout import CLUSTER
from discovery.experiment.nova import Fault
from discovery.workload import remote

FILE = "faults.json"
AFTER_S = 15.0


def arm(fault: Fault, deployment: NovaDeployment) -> list[dict[str, Any]]:
    """Let the node itself do it in :data:`AFTER_S` s; what, where, and when (s, epoch).

    The first master of the Redis Cluster has Nova's cell, the database that is asked most.
    """
    if fault == "none":
        return []
    node = deployment.servers(CLUSTER)[0]
    kill = "systemctl kill --signal=KILL discovery-redis"
    answer = remote.run(
        f"systemd-run --quiet --on-active={AFTER_S:g} --timer-property=AccuracySec=50ms {kill}"
        " && date +%s.%N",
        [node],
    )[node.alias]
    at = float(answer.stdout) + AFTER_S
    return [{"fault": fault, "node": node.alias, "site": node.site, "time": at}]


def write(faults: list[dict[str, Any]], folder: Path) -> None:
    """Write ``faults.json``, where there were any."""
    if faults:
        text = json.dumps({"schema_version": 1, "faults": faults}, indent=1)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")
