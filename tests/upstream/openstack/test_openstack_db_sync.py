"""The schemas of Keystone, Nova, Placement and Glance, made on ROME by their own commands, twice.

The second time changes nothing. ``DISCOVERY_UPSTREAM=full`` does it on a cluster, too. What each
command took is printed (``pytest -s``) and kept as a property of the test's report.
"""

import base64
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

FOLDER = Path(__file__).parent
TABLES = {
    "keystone": {"user", "local_user", "project", "role", "assignment"},
    "nova_api": {"cell_mappings", "flavors", "instance_mappings", "request_specs"},
    "nova_cell0": {"instances", "shadow_instances", "services", "compute_nodes"},
    "nova_cell1": {"instances", "shadow_instances", "services", "compute_nodes"},
    "placement": {"resource_providers", "allocations", "inventories"},
    "glance": {"images", "image_properties"},
}
CONFIGURATION = """
[DEFAULT]
transport_url = fake:/
use_stderr = true
[{section}]
connection = {connection}
[api_database]
connection = {api}
[fernet_tokens]
key_repository = {keys}
[fernet_receipts]
key_repository = {keys}
"""


class Commands:
    """The commands of one installation, whose databases are on one Redis or cluster."""

    def __init__(self, openstack, folder, url):
        self.openstack = openstack
        self.folder = folder
        self.url = url
        self.seconds = {}
        keys = folder / "fernet-keys"  # Keystone's own is below /etc, and has to be there
        keys.mkdir()
        (keys / "0").write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
        for name, database, section in (
            ("keystone", "keystone", "database"),
            ("nova", "nova_cell1", "database"),
            ("placement", "placement", "placement_database"),
            ("glance", "glance", "database"),
        ):
            text = CONFIGURATION.format(
                section=section, connection=url(database), api=url("nova_api"), keys=keys
            )
            (folder / f"{name}.conf").write_text(text)

    def run(self, turn, service, *arguments):
        """One command, and what it said of itself: seconds, round trips, commits."""
        name = f"{service}-manage {' '.join(arguments[:2])}"
        output = self.folder / f"{turn} {name}.json"
        began = time.monotonic()
        done = subprocess.run(
            [
                *(self.openstack / "python", FOLDER / "count_round_trips.py", output),
                *(self.openstack / f"{service}-manage", "--config-file"),
                *(self.folder / f"{service}.conf", *arguments),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        assert done.returncode == 0, f"{name}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        took = {"seconds": round(time.monotonic() - began, 1)}
        self.seconds[f"{turn} {name}"] = took | json.loads(output.read_text())
        return self.seconds[f"{turn} {name}"]

    def keystone_and_glance(self):
        """Keystone's schema and first users, Glance's schema; twice."""
        for turn in (1, 2):
            self.run(turn, "keystone", "db_sync")
            self.run(turn, "glance", "db_sync")
            if turn == 1:
                self.run(turn, "keystone", "bootstrap", "--bootstrap-password", "secret")

    def nova_and_placement(self):
        """Nova's three databases, with cell0 mapped, and Placement's; twice."""
        for turn in (1, 2):
            self.run(turn, "nova", "api_db", "sync")
            self.run(
                *(turn, "nova", "cell_v2", "map_cell0"),
                *("--database_connection", self.url("nova_cell0")),
            )
            self.run(turn, "nova", "db", "sync")
            self.run(turn, "placement", "db", "sync")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shape", ["single", "cluster"])
def test_schemas_are_made_once(shape, request, openstack, full, tmp_path, record_property):
    if shape == "cluster" and not full:
        pytest.skip("with DISCOVERY_UPSTREAM=full")
    servers = request.getfixturevalue(shape)
    commands = Commands(openstack, tmp_path, servers.url)
    with ThreadPoolExecutor(2) as pool:
        for done in [
            pool.submit(commands.keystone_and_glance),
            pool.submit(commands.nova_and_placement),
        ]:
            done.result()
    for name, took in sorted(commands.seconds.items()):
        print(shape, name, took)
        record_property(name, took)

    again = {name: took for name, took in commands.seconds.items() if name.startswith("2")}
    assert {name: took["commits"] for name, took in again.items()} == dict.fromkeys(again, 0)
    for database, tables in TABLES.items():
        engine = sa.create_engine(servers.url(database))
        assert tables <= set(sa.inspect(engine).get_table_names())
        engine.dispose()
    engine = sa.create_engine(servers.url("keystone"))
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT name FROM local_user")) == "admin"
    engine.dispose()
    engine = sa.create_engine(servers.url("nova_api"))
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT name FROM cell_mappings")) == "cell0"
    engine.dispose()
