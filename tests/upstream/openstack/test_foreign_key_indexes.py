"""Every table of Keystone, Nova, Placement and Glance, made on PostgreSQL by their own commands.

Which foreign keys have no index, is asked of PostgreSQL itself: none with ours, and without them
those of ``foreign_keys_without_index.txt``. MySQL has none; CockroachDB has PostgreSQL's.
"""

import base64
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.postgresql_servers import postgresql_server

FOLDER = Path(__file__).parent
MEMORY = re.compile(r" at 0x[0-9a-f]+")
MODELS = FOLDER / "cockroach/compare_models.py"
LISTED = FOLDER / "foreign_keys_without_index.txt"
CONFIGURATION = """
[DEFAULT]
transport_url = fake:/
[{section}]
connection = {connection}
[api_database]
connection = {api}
[fernet_tokens]
key_repository = {keys}
[fernet_receipts]
key_repository = {keys}
"""
SYNC = {
    "keystone": ("keystone", "database", ("db_sync",)),
    "nova_api": ("nova", "database", ("api_db", "sync")),
    "nova": ("nova", "database", ("db", "sync", "--local_cell")),
    "placement": ("placement", "placement_database", ("db", "sync")),
    "glance": ("glance", "database", ("db_sync",)),
}
# Foreign keys and indexes (whole ones, that are ordered), with their columns in order.
KEYS = """
SELECT c.conrelid::regclass::text, array_agg(a.attname::text ORDER BY k.place)
FROM pg_constraint c, unnest(c.conkey) WITH ORDINALITY k(number, place), pg_attribute a
WHERE c.contype = 'f' AND a.attrelid = c.conrelid AND a.attnum = k.number
GROUP BY c.oid, c.conrelid ORDER BY 1, 2
"""
INDEXES = """
SELECT i.indrelid::regclass::text, x.relname::text, array_agg(a.attname::text ORDER BY k.place)
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree',
    unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place), pg_attribute a
WHERE i.indpred IS NULL AND i.indisvalid AND a.attrelid = i.indrelid AND a.attnum = k.number
GROUP BY i.indexrelid, i.indrelid, x.relname
"""


def make(openstack, folder, server, database, **options):
    """A service's tables, by its own command."""
    service, section, words = SYNC[database]
    keys = folder / "keys"
    keys.mkdir(exist_ok=True)
    (keys / "0").write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
    file = folder / f"{database}.conf"
    url = server.url(database, **options)
    api = server.url("nova_api", **options)
    file.write_text(CONFIGURATION.format(section=section, connection=url, api=api, keys=keys))
    server.create(database)
    command = [openstack / f"{service}-manage", "--config-file", file, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, f"{database}: {done.stdout[-2000:]}{done.stderr[-4000:]}"


def begun(server, database, *, ours):
    """What rows can be found by: table and columns, of all indexes or of all but ours."""
    return {
        (table, *columns[:length])
        for table, name, columns in server.ask(database, INDEXES)
        if ours or not name.startswith("fkidx_")
        for length in range(1, len(columns) + 1)
    }


def lacking(server, database, *, ours=True):
    """The foreign keys that have no index."""
    there = begun(server, database, ours=ours)
    return [
        f"{database}.{table}({', '.join(columns)})"
        for table, columns in server.ask(database, KEYS)
        if (table, *columns) not in there
    ]


@pytest.fixture(scope="module")
def made(openstack, tmp_path_factory):
    """A server with all databases, made with our indexes."""
    folder = tmp_path_factory.mktemp("services")
    with postgresql_server() as server:
        for database in SYNC:
            make(openstack, folder, server, database)
        yield server


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_foreign_key_is_without_an_index(made):
    assert sum(len(made.ask(database, KEYS)) for database in SYNC) > 60
    assert [key for database in SYNC for key in lacking(made, database)] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_those_that_postgresql_and_cockroachdb_leave_without(made):
    """As they are listed; with no index of ours for any other."""
    found = [key for database in SYNC for key in dict.fromkeys(lacking(made, database, ours=False))]
    assert found == LISTED.read_text().splitlines()
    ours = [
        name.startswith("fkidx_") for database in SYNC for _, name, _ in made.ask(database, INDEXES)
    ]
    assert sum(ours) <= len(found)


def differences(openstack, folder, server):
    """What alembic finds that Keystone's models do not have, or have otherwise."""
    command = [openstack / "python", MODELS, server.url("keystone"), folder / "keystone.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("difference:")]
    return sorted(MEMORY.sub("", line) for line in said)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_off_leaves_them_so(openstack, made, tmp_path):
    """And Keystone's comparison of its models with its tables says the same of both."""
    with postgresql_server() as server:
        make(openstack, tmp_path, server, "keystone", foreign_key_indexes="off")
        with_ours = differences(openstack, tmp_path, made)
        assert with_ours == differences(openstack, tmp_path, server)
        wanted = [key for key in LISTED.read_text().splitlines() if key.startswith("keystone.")]
        assert list(dict.fromkeys(lacking(server, "keystone"))) == wanted
        assert {"keystone.password(local_user_id)"} <= set(wanted)
