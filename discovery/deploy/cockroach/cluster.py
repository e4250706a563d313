"""What the playbooks are told of a CockroachDB cluster: program, localities, SQL, ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from discovery.deploy.cockroach import program, zones
from discovery.errors import DeployError

# Until the system's own ranges have heard that three are enough, some may have more.
_SYSTEM: dict[str, Any] = {"system": {"least": zones.REPLICAS, "most": None, "zones": {}}}


def variables(hosts: Sequence[str], services: Sequence[str], placement: str) -> dict[str, Any]:
    """The role's variables for servers on ``hosts`` (aliases, in the order of their sites).

    Raises :class:`DeployError` if so many servers cannot have ``placement``, or if there is no
    program, and :class:`MachineError` if there is one that cannot be used.
    """
    lack = zones.lacks(placement, len(hosts))
    if lack is not None:
        raise DeployError(f"CockroachDB cannot be deployed: {lack}")
    found = program.find()
    if found is None:
        raise DeployError(f"CockroachDB is not run: {program.NONE}")
    return {
        "cockroach_source": str(found.path.absolute()),
        "cockroach_program": str(found.on_node),
        "cockroach_localities": {
            host: zones.locality(number, len(hosts)) for number, host in enumerate(hosts, 1)
        },
        "cockroach_statements": [
            # Three servers have three replicas of everything, whatever is wanted.
            *(zones.system() if len(hosts) > zones.REPLICAS else ()),
            *zones.settings(placement),
            *zones.databases(placement, services),
        ],
        "cockroach_system_ranges": _SYSTEM,
        "cockroach_ranges": zones.expected(placement, services),
    }
