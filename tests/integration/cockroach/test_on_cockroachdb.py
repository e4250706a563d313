"""The drivers on a real CockroachDB, where there is a program: DISCOVERY_COCKROACH names it."""

import os
import re
import subprocess
import time
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from discovery.cockroach.foreign_keys import is_ours, name
from discovery.deploy.cockroach import program, zones
from tests.postgresql_stand_in import HOST, Says, StandIn
from tests.redis_servers import free_port

UNIT = (
    Path(program.__file__).parents[1]
    / "ansible/deploy/roles/cockroach/templates/discovery-cockroach.service.j2"
)
NAMED = os.environ.get(program.VARIABLE)
DRAINS = Says("57P01", "server is not accepting clients, try another node")


@pytest.fixture(scope="module")
def binary():
    """The program that is named, as it came into the tests' environment."""
    if not NAMED:
        pytest.skip(f"not run: {program.NONE}")
    return program.check(Path(NAMED), f"{program.VARIABLE}={NAMED}")


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    """One server, in memory; its SQL port."""
    folder = tmp_path_factory.mktemp("cockroach")
    port, http = free_port(), free_port()
    command = [
        *(binary.path, "start-single-node", "--insecure", "--store=type=mem,size=640MiB"),
        *(f"--listen-addr={HOST}:{port}", f"--http-addr={HOST}:{http}"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, "COCKROACH_SKIP_ENABLING_DIAGNOSTIC_REPORTING": "true"},
        )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                psycopg2.connect(host=HOST, port=port, user="root", dbname="defaultdb").close()
                break
            except psycopg2.OperationalError:
                time.sleep(0.2)
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        yield port
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def engine(server, request):
    """An engine on a new database."""
    plain = sa.create_engine(
        f"cockroachdb+oslo://root@{HOST}:{server}/defaultdb?sslmode=disable",
        isolation_level="AUTOCOMMIT",
    )
    database = "d" + re.sub(r"\W", "_", request.node.name)[:40]
    with plain.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {database}")
    plain.dispose()
    url = f"cockroachdb+oslo://root@{HOST}:{server}/{database}?sslmode=disable"
    made = sa.create_engine(url)
    yield made
    made.dispose()


def test_it_knows_every_option_of_the_unit(binary):
    done = subprocess.run(
        [binary.path, "start", "--help"], capture_output=True, text=True, check=True
    )
    options = set(re.findall(r"--[a-z-]+", UNIT.read_text().partition("ExecStart=")[2]))
    assert {option for option in options if option not in done.stdout} == set()


@pytest.mark.parametrize("placement", zones.PLACEMENTS)
def test_it_takes_the_statements_of_a_cluster(engine, placement):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in [*zones.system(), *zones.settings(placement)]:
            connection.exec_driver_sql(statement)


def test_foreign_keys_are_indexed_as_by_mysql(engine):
    with engine.begin() as connection:
        op = Operations(MigrationContext.configure(connection))
        op.create_table("parent", sa.Column("id", sa.Integer, primary_key=True))
        op.create_table(
            "child",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("a", sa.Integer, sa.ForeignKey("parent.id")),
            sa.Column("b", sa.Integer),
        )
    with engine.begin() as connection:
        op = Operations(MigrationContext.configure(connection))
        op.create_foreign_key("fk_b", "child", "parent", ["b"], ["id"])
    with engine.begin() as connection:
        op = Operations(MigrationContext.configure(connection))
        op.create_index("theirs", "child", ["a", "id"])
    found = {one["name"]: one["column_names"] for one in sa.inspect(engine).get_indexes("child")}
    assert found["theirs"] == ["a", "id"]
    assert [one for one in found if is_ours(one)] == [name("child", ["b"])]


def test_a_setting_that_it_does_not_know_is_taken_silently(server):
    url = f"cockroachdb+oslo://root@{HOST}:{server}/defaultdb?sslmode=disable"
    made = sa.create_engine(url + "&autocommit_before_ddl=off")
    with made.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    made.dispose()


def test_the_next_host_is_asked_where_one_drains(server):
    with StandIn(DRAINS) as drains:
        url = f"cockroachdb+oslo://root@{HOST}:{drains.port}/defaultdb?sslmode=disable"
        made = sa.create_engine(f"{url}&host={HOST}:{server}")
        with made.connect() as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1
        made.dispose()
        assert drains.met >= 1
