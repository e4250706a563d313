"""Whether all that know of servers know the same: the API, Nova's databases, Placement, quotas.

`findings` compares what was seen while nothing was going on. Each finding is something that a quiet
Nova must not have, and names the server, project or node that it is about.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from discovery.deploy.credentials import Credentials
from discovery.errors import TestbedError
from discovery.testbed import Node
from discovery.workload import burst, remote

STORED = Path(__file__).parent / "on_node" / "stored.py"
RESULT = "consistency.json"
_CONFIG, _STORED, _SURVEY = "discovery-stored.json", "stored.json", "survey.json"
_VCPU, _MEMORY = 0, 1  # Placement's ids of the resource classes that every release has

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """What is wrong with ``what``: a server's id or name, or a project's id."""

    kind: str
    what: str
    detail: str


def findings(survey: Row, stored: Row, asked: Iterable[Row] = ()) -> list[Finding]:
    """Everything that does not agree.

    ``survey`` is what the API says (``on_node/burst.py survey``), ``stored`` what the databases
    hold (``on_node/stored.py``), ``asked`` the servers of a burst that was not deleted yet.
    """
    servers = {server["id"]: server for server in survey["servers"]}
    return [
        *_asked(servers, asked),
        *_instances(servers, stored),
        *_mappings(servers, stored),
        *_allocations(stored),
        *_quotas(servers.values(), survey["quotas"]),
    ]


def _asked(servers: Mapping[str, Row], asked: Iterable[Row]) -> Iterable[Finding]:
    """Every server that was accepted is there, once."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for key, server in servers.items():
        by_name[server["name"]].append(key)
    for server in asked:
        if server["id"] and server["id"] not in servers:
            yield Finding("lost", server["id"], f"{server['name']} was accepted; the API has none")
        found = by_name[server["name"]]
        if len(found) > 1:
            yield Finding("doubled", server["name"], f"is {len(found)} servers: {', '.join(found)}")


def _instances(servers: Mapping[str, Row], stored: Row) -> Iterable[Finding]:
    """A server is an instance in one cell, or a request to be built, and the other way round."""
    cells: dict[str, list[str]] = defaultdict(list)
    for cell, instances in stored["instances"].items():
        for instance in instances:
            cells[instance["uuid"]].append(cell)
    requested = {request["instance_uuid"] for request in stored["build_requests"]}
    for key, found in cells.items():
        if len(found) > 1:
            yield Finding("in-several-cells", key, f"is in {', '.join(found)}")
        if key not in servers:
            yield Finding("instance-without-server", key, f"is in {found[0]}, not in the API")
        if key in requested:
            yield Finding("built-and-requested", key, f"is in {found[0]}, and a request to build")
    for key in servers:
        if key not in cells and key not in requested:
            yield Finding("server-without-instance", key, "is in the API and in no cell")


def _mappings(servers: Mapping[str, Row], stored: Row) -> Iterable[Finding]:
    """A server has a mapping, to the cell that it is in."""
    live = Counter(
        row["instance_uuid"] for row in stored["mappings"] if not row["queued_for_delete"]
    )
    cell_of = {
        instance["uuid"]: cell.removeprefix("nova_")
        for cell, instances in stored["instances"].items()
        for instance in instances
    }
    for row in stored["mappings"]:
        key, cell = row["instance_uuid"], cell_of.get(row["instance_uuid"])
        if cell and row["cell"] != cell:
            yield Finding("mapped-elsewhere", key, f"is in {cell}, and mapped to {row['cell']}")
    for key in servers:
        if not live[key]:
            yield Finding("server-without-mapping", key, "has no mapping")
    for key, count in live.items():
        if count > 1:
            yield Finding("mapped-twice", key, f"has {count} mappings")
        if key not in servers:
            yield Finding("mapping-without-server", key, "is mapped, and not in the API")


def _allocations(stored: Row) -> Iterable[Finding]:
    """An active server has what its flavor says, on its node; nobody else has anything."""
    instances = {row["uuid"]: row for row in stored["instances"]["nova_cell1"]}
    used: dict[str, dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in stored["allocations"]:
        used[row["consumer_id"]][row["node"]][row["resource_class_id"]] = row["used"]
    for consumer, nodes in used.items():
        if consumer not in instances:
            held = ", ".join(sorted(nodes))
            yield Finding("allocation-without-instance", consumer, f"holds resources of {held}")
    for key, instance in instances.items():
        if instance["vm_state"] != "active":
            continue
        nodes = used.get(key, {})
        if not nodes:
            yield Finding("instance-without-allocation", key, f"is active on {instance['node']}")
        elif set(nodes) != {instance["node"]}:
            held = ", ".join(sorted(nodes))
            yield Finding("allocated-elsewhere", key, f"is on {instance['node']}, not {held}")
        else:
            held_here = nodes[instance["node"]]
            have = held_here.get(_VCPU), held_here.get(_MEMORY)
            want = instance["vcpus"], instance["memory_mb"]
            if have != want:
                yield Finding(
                    "allocated-otherwise", key, f"has {have} (VCPU, MB), and should have {want}"
                )


def _quotas(servers: Iterable[Row], quotas: Mapping[str, Row]) -> Iterable[Finding]:
    """What a project is said to use is what its servers are."""
    real: dict[str, Counter[str]] = defaultdict(Counter)
    for server in servers:
        real[server["project"]].update(instances=1, cores=server["vcpus"], ram=server["memory_mb"])
    for project, used in quotas.items():
        for resource in ("instances", "cores", "ram"):
            if used[resource] != real[project][resource]:
                yield Finding(
                    "quota",
                    project,
                    f"is said to use {used[resource]} {resource}; its servers are "
                    f"{real[project][resource]}",
                )


def counts(survey: Row, stored: Row) -> dict[str, int]:
    """How many each of them knows of."""
    return {
        "servers": len(survey["servers"]),
        **{cell: len(instances) for cell, instances in stored["instances"].items()},
        "build_requests": len(stored["build_requests"]),
        "mappings": sum(not row["queued_for_delete"] for row in stored["mappings"]),
        "consumers": len({row["consumer_id"] for row in stored["allocations"]}),
        "quota_instances": sum(used["instances"] for used in survey["quotas"].values()),
    }


def placed(stored: Row) -> dict[str, dict[str, str | None]]:
    """Where each instance of the cell is, by its id: only administrators may ask the API for it."""
    return {
        row["uuid"]: {"host": row["host"], "node": row["node"]}
        for row in stored["instances"]["nova_cell1"]
    }


def check(
    client: Node,
    control: Node,
    urls: Mapping[str, str],
    keystone: str,
    apis: Mapping[str, str],
    admin: Credentials,
    asked: Sequence[Row],
    projects: Sequence[str],
) -> dict[str, Any]:
    """``{"counts", "findings", "placed"}`` of a quiet Nova, for ``consistency.json``.

    ``client`` asks the API as ``admin``, ``control`` reads the databases ``urls`` as it reaches
    them; ``asked`` and ``projects`` are the servers and projects of the burst's records.
    """
    survey_config = {
        "keystone": keystone,
        "auth": asdict(admin),
        "apis": dict(apis),
        "projects": [*projects],
        "request_timeout_s": 120.0,
        "output": f"{remote.WORK_FOLDER}/{_SURVEY}",
    }
    survey = _run(
        client, burst.PROGRAM, "discovery-survey.json", survey_config, _SURVEY,
        f"{burst.PYTHON} {burst.PROGRAM.name} survey discovery-survey.json",
    )  # fmt: skip
    stored = _run(
        control, STORED, _CONFIG, dict(urls), _STORED,
        f"/opt/openstack/bin/python {STORED.name} {_CONFIG} {_STORED}",
    )  # fmt: skip
    found = findings(survey, stored, asked)
    return {
        "schema_version": 1,
        "counts": counts(survey, stored),
        "findings": [asdict(one) for one in found],
        "placed": placed(stored),
    }


def _run(
    node: Node, program: Path, config: str, told: dict[str, Any], output: str, command: str
) -> Any:
    remote.put_program(program, config, {node.alias: told}, [node])
    remote.run(f"cd {remote.WORK_FOLDER} && {command}", [node])
    with tempfile.TemporaryDirectory() as folder:
        file = remote.fetch(output, [node], Path(folder))[node.alias]
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            raise TestbedError(f"{node.alias}: {program.name} wrote no JSON") from None
