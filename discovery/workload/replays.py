"""What the replay of requests counted at each Keystone of a cell, fetched, as one file."""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

from discovery.deploy import Deployment
from discovery.workload import remote

FOLDER = "/run/discovery-keystone"  # as the unit of Keystone says
_END = "-- end of totals"
_READ = (
    f"cat {FOLDER}/*.totals.json 2>/dev/null; echo '{_END}'; cat {FOLDER}/*.jsonl 2>/dev/null; true"
)


def collect(deployment: Deployment, folder: Path) -> None:
    """Write ``replays.json`` into ``folder``, where the cell's Keystones replay requests.

    It counts from the start of the Keystones on, so that health check and warm-up are in it.
    """
    if not deployment.replays:
        return
    nodes = deployment.control_nodes
    answers = remote.run(_READ, nodes)
    sites = {node.site: counted(answers[node.alias].stdout) for node in nodes}
    record = json.dumps({"schema_version": 1, "sites": sites}, indent=1)
    (folder / "replays.json").write_text(record + "\n", encoding="utf-8")


def counted(text: str) -> dict[str, Any]:
    """The totals of a Keystone's processes, added up, and its requests that met an error."""
    totals, _, requests = text.partition(_END)
    added: collections.Counter[str] = collections.Counter()
    for line in totals.split("\n"):
        if line.strip():
            added.update(json.loads(line))
    return {
        "totals": dict(added),
        "requests": [json.loads(line) for line in requests.split("\n") if line.strip()],
    }
