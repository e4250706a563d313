"""What Nova's and Placement's databases hold of the servers that there are; on a control node.

``stored.py CONFIG OUTPUT`` writes one JSON object. CONFIG is ``{database: SQLAlchemy URL}`` with
``nova_api``, ``nova_cell0``, ``nova_cell1`` and ``placement``, of any back end whose driver is
installed here. Nothing is judged: that is `discovery.workload.consistency`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

CELLS = ("nova_cell0", "nova_cell1")
INSTANCES = (
    "SELECT uuid, display_name, vm_state, task_state, host, node, project_id, vcpus, memory_mb "
    "FROM instances WHERE deleted = 0"
)
MAPPINGS = (
    "SELECT m.instance_uuid, m.project_id, m.queued_for_delete, c.name AS cell "
    "FROM instance_mappings m LEFT JOIN cell_mappings c ON m.cell_id = c.id"
)
BUILD_REQUESTS = "SELECT instance_uuid, project_id FROM build_requests"
ALLOCATIONS = (
    "SELECT a.consumer_id, p.name AS node, a.resource_class_id, a.used "
    "FROM allocations a JOIN resource_providers p ON a.resource_provider_id = p.id"
)


def rows(url: str, *statements: str) -> list[list[dict[str, Any]]]:
    """The rows of each statement, all of one transaction."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return [
                [dict(row) for row in connection.execute(sa.text(statement)).mappings()]
                for statement in statements
            ]
    finally:
        engine.dispose()


def stored(urls: dict[str, str]) -> dict[str, Any]:
    """All of it."""
    mappings, requests = rows(urls["nova_api"], MAPPINGS, BUILD_REQUESTS)
    (allocations,) = rows(urls["placement"], ALLOCATIONS)
    return {
        "instances": {cell: rows(urls[cell], INSTANCES)[0] for cell in CELLS},
        "mappings": [
            {**row, "queued_for_delete": bool(row["queued_for_delete"])} for row in mappings
        ],
        "build_requests": requests,
        "allocations": allocations,
    }


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(json.dumps(stored(given)) + "\n", encoding="utf-8")
