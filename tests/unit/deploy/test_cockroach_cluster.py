"""What a cluster's role is told, and how its ranges are judged on the node."""

from __future__ import annotations

import importlib.util
import platform
from types import ModuleType

import psycopg2
import pytest

from discovery.deploy.cockroach import cluster, program, zones
from discovery.deploy.playbook import ANSIBLE
from discovery.errors import DeployError, MachineError
from tests.redis_servers import free_port
from tests.unit.deploy import tiny_elf

HOSTS = [f"site-{number}-control" for number in range(1, 10)]
FILES = ANSIBLE / "deploy" / "roles" / "cockroach" / "files"


@pytest.fixture(autouse=True)
def nothing_named(tmp_path, monkeypatch):
    monkeypatch.delenv(program.VARIABLE, raising=False)
    monkeypatch.delenv(program.CHECKSUM_VARIABLE, raising=False)
    monkeypatch.setenv("DISCOVERY_HOME", str(tmp_path / "home"))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stand-in is for amd64")
def test_the_role_is_told_of_the_program_of_places_and_of_zones(tmp_path, monkeypatch):
    named = tiny_elf.cockroach(tmp_path / "cockroach")
    monkeypatch.setenv(program.VARIABLE, str(named))
    told = cluster.variables(HOSTS, ["keystone"], "one-zone")
    assert told["cockroach_source"] == str(named)
    assert told["cockroach_program"] == str(program.find().on_node)
    assert told["cockroach_localities"]["site-4-control"] == "zone=zone-2,site=site-4"
    *system, settings, create, zone = told["cockroach_statements"]
    assert system == zones.system()
    assert settings == zones.settings("one-zone")[0]
    assert create.startswith("CREATE DATABASE")
    assert zone == zones.zone("one-zone", "keystone")
    assert told["cockroach_ranges"]["keystone"]["zones"] == {"zone-1": 3}
    assert told["cockroach_system_ranges"]["system"]["least"] == 3


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stand-in is for amd64")
def test_three_servers_are_told_nothing_of_the_systems_ranges(tmp_path, monkeypatch):
    monkeypatch.setenv(program.VARIABLE, str(tiny_elf.cockroach(tmp_path / "cockroach")))
    told = cluster.variables(HOSTS[:3], ["keystone"], "anywhere")
    assert told["cockroach_statements"][0] == zones.settings("anywhere")[0]
    assert "ALTER RANGE meta CONFIGURE ZONE USING num_replicas = 3;" in zones.system()


def test_a_placement_that_cannot_be_had_is_refused_before_anything_else(monkeypatch):
    with pytest.raises(DeployError, match="one-zone needs 3 servers in zone-1, and 3 sites have 1"):
        cluster.variables(HOSTS[:3], ["keystone"], "one-zone")


def test_without_a_program_it_is_not_run():
    with pytest.raises(DeployError, match="CockroachDB is not run: no CockroachDB binary"):
        cluster.variables(HOSTS[:3], ["keystone"], "spread")


def test_a_program_that_cannot_be_used_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(program.VARIABLE, str(tmp_path))
    with pytest.raises(MachineError, match="names no file"):
        cluster.variables(HOSTS[:3], ["keystone"], "spread")


@pytest.fixture
def ranges() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ranges", FILES / "ranges.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def at(*sites: int) -> tuple[list[int], list[str]]:
    """Replicas on the nodes of these sites of nine, as the server tells them."""
    return list(sites), [zones.locality(site, 9) for site in sites]


@pytest.mark.parametrize(
    ("placement", "sites"),
    [
        ("one-zone", (1, 2, 3)),
        ("two-of-three", (3, 1, 9)),
        ("spread", (2, 5, 8)),
        ("anywhere", (7, 8, 9)),
    ],
)
def test_ranges_that_are_where_they_belong_lack_nothing(ranges, placement, sites):
    wanted = zones.expected(placement, ["keystone"])["keystone"]
    assert ranges.shortages([(44, *at(*sites))], wanted) == []


@pytest.mark.parametrize(
    ("placement", "sites", "said"),
    [
        ("one-zone", (1, 2), "range 44 has 2 of 3 replicas"),
        ("one-zone", (1, 2, 4), "range 44 has 2 of 3 replicas in zone-1"),
        ("two-of-three", (1, 2, 4), "range 44 has 0 of 1 replicas in zone-3"),
        ("spread", (1, 2, 3), "range 44 has 3 of 1 replicas in zone-1"),
        ("anywhere", (1, 2, 3, 4), "range 44 has 4 of 3 replicas"),
    ],
)
def test_a_range_that_is_not_is_named(ranges, placement, sites, said):
    wanted = zones.expected(placement, ["keystone"])["keystone"]
    good = (43, *at(*(zone * 3 - 2 for zone in (1, 2, 3))))
    found = ranges.shortages([(44, *at(*sites))], wanted)
    assert found == [said]
    if placement == "spread":
        assert ranges.shortages([good, (44, *at(*sites))], wanted) == [said]


def test_the_systems_own_ranges_may_have_more(ranges):
    wanted = cluster._SYSTEM["system"]
    assert ranges.shortages([(1, *at(1, 2, 3, 4, 5))], wanted) == []
    assert ranges.shortages([(1, *at(1, 2))], wanted) == ["range 1 has 2 of 3 replicas"]


def test_a_database_without_a_range_is_not_there_yet(ranges):
    wanted = zones.expected("spread", ["keystone"])["keystone"]
    assert ranges.shortages([], wanted) == ["there is no range yet"]


def test_a_cluster_that_never_gets_there_is_given_up_in_one_sentence(ranges, monkeypatch):
    looks = []

    def look(connect, wanted):
        looks.append(connect)
        return ["2 of 49 ranges of keystone lack replicas: range 44 has 2 of 3 replicas"]

    monkeypatch.setattr(ranges, "look", look)
    monkeypatch.setattr(ranges, "PERIOD_S", 0.01)
    with pytest.raises(SystemExit) as raised:
        ranges.main({"connect": {}, "wanted": {}, "deadline_s": 0.05})
    assert raised.value.code == (
        "after 0.05 s, 2 of 49 ranges of keystone lack replicas: range 44 has 2 of 3 replicas; see"
        " that every server runs and reaches the others (journalctl --unit discovery-cockroach on"
        " each node), or give it more time (cockroach_deadline_s)"
    )
    assert len(looks) > 1


def test_a_cluster_that_gets_there_is_waited_for(ranges, monkeypatch):
    answers = [["not yet"], ["not yet"], []]
    monkeypatch.setattr(ranges, "look", lambda connect, wanted: answers.pop(0))
    monkeypatch.setattr(ranges, "PERIOD_S", 0.0)
    ranges.main({"connect": {}, "wanted": {}, "deadline_s": 5})
    assert answers == []


class Server:
    """A connection, and its cursor, to a server that has these ranges in its one database.

    Every statement is kept. ``fails``: it answers none that asks for ranges.
    """

    def __init__(self, ranges, fails=None):
        self.ranges, self.fails = ranges, fails
        self.statements: list[str] = []
        self.closed = False

    def cursor(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def execute(self, statement):
        self.statements.append(statement)
        if self.fails and "RANGES" in statement:
            raise self.fails

    def fetchall(self):
        return self.ranges

    def close(self):
        self.closed = True


def looked(ranges, monkeypatch, server):
    monkeypatch.setattr(psycopg2, "connect", lambda **_: server)
    return ranges.look({}, zones.expected("anywhere", ["keystone"]))


def test_a_look_names_some_ranges_of_many(ranges, monkeypatch):
    # As 21.1 answers, where two tables share a range.
    server = Server([(44, *at(1, 2)), (44, *at(1, 2)), (45, *at(1, 2, 3))])
    assert looked(ranges, monkeypatch, server) == [
        "1 of 2 ranges of keystone lack replicas: range 44 has 2 of 3 replicas"
    ]
    assert server.closed
    many = Server([(number, *at(1)) for number in range(50)])
    (said,) = looked(ranges, monkeypatch, many)
    assert said.startswith("50 of 50 ranges of keystone lack replicas: range 0 has 1 of 3")
    assert said.count("has 1 of 3") == ranges.EXAMPLES
    assert looked(ranges, monkeypatch, Server([(44, *at(1, 2, 3))])) == []


def test_a_look_has_an_end_where_a_server_has_no_answer(ranges, monkeypatch):
    server = Server([], psycopg2.Error("query execution canceled due to\nstatement timeout"))
    assert looked(ranges, monkeypatch, server) == [
        "query execution canceled due to statement timeout"
    ]
    assert server.statements[0] == "SET statement_timeout = '10s'"
    assert server.closed


def test_a_server_that_is_not_there_is_said(ranges):
    nobody = {"host": "127.0.0.1", "port": free_port(), "dbname": "system", "connect_timeout": 3}
    (said,) = ranges.look(nobody, {})
    assert "Connection refused" in said
    assert "\n" not in said
