"""What is read of Nova's and Placement's databases, on tables of their own models."""

import json
import subprocess
from pathlib import Path

import pytest

from discovery.workload import consistency
from tests.postgresql_servers import postgresql_server

DATABASES = ("nova_api", "nova_cell0", "nova_cell1", "placement")
MAKE = Path(__file__).parent / "probe" / "store_servers.py"


@pytest.fixture(params=["sqlite", "postgresql", "rome"])
def urls(request, tmp_path):
    if request.param == "sqlite":
        yield {name: f"sqlite:///{tmp_path}/{name}.db" for name in DATABASES}
    elif request.param == "rome":
        single = request.getfixturevalue("single")
        yield {name: single.url(f"stored_{name}") for name in DATABASES}
    else:
        with postgresql_server() as server:
            for name in DATABASES:
                server.create(name)
            yield {name: server.url(name, "psycopg2", sslmode="disable") for name in DATABASES}


def test_servers_that_there_are_are_read_and_those_deleted_are_not(openstack, urls, tmp_path):
    python = openstack / "python"
    made = subprocess.run(
        [python, MAKE, json.dumps(urls)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-3000:]
    keys = json.loads(made.stdout.splitlines()[-1])
    config, output = tmp_path / "config.json", tmp_path / "stored.json"
    config.write_text(json.dumps(urls))
    subprocess.run([python, consistency.STORED, config, output], check=True)
    stored = json.loads(output.read_text())
    cells = {
        cell: [(row["uuid"], row["vm_state"], row["vcpus"]) for row in rows]
        for cell, rows in stored["instances"].items()
    }
    assert cells == {
        "nova_cell0": [(keys["failed"], "error", 2)], "nova_cell1": [(keys["one"], "active", 2)],
    }  # fmt: skip
    mapped = {
        row["instance_uuid"]: (row["cell"], row["queued_for_delete"]) for row in stored["mappings"]
    }
    assert mapped == {
        keys["one"]: ("cell1", False), keys["gone"]: ("cell1", True),
        keys["failed"]: ("cell0", False), keys["asked"]: (None, False),
    }  # fmt: skip
    assert [row["instance_uuid"] for row in stored["build_requests"]] == [keys["asked"]]
    survey = {
        "servers": [
            {"id": keys[name], "name": name, "project": "p", "vcpus": 2, "memory_mb": 512}
            for name in ("one", "failed", "asked")
        ],
        "quotas": {"p": {"instances": 3, "cores": 6, "ram": 3 * 512}},
    }
    assert consistency.findings(survey, stored) == []
    assert consistency.counts(survey, stored)["consumers"] == 1
