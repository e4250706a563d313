"""Shares of a burst, and what its clients answer."""

import collections
import json
from types import SimpleNamespace

import pytest

from discovery.deploy.credentials import Secrets
from discovery.errors import TestbedError
from discovery.workload import burst, remote

NODES = [
    SimpleNamespace(site=f"site-{n}", role="client", alias=f"site-{n}-client") for n in (1, 2, 3)
]
KEYSTONES = {node.site: f"http://{node.site}:5000/v3" for node in NODES}
APIS = {node.site: f"http://{node.site}:8774/v2.1" for node in NODES}
USER = Secrets.fresh().load_users[0]
PLAN = burst.Plan(servers=10, image="i", flavor="f")


def told(plan=PLAN, nodes=NODES, start_at=None):
    return burst.configs(plan, nodes, KEYSTONES, APIS, USER, start_at)


@pytest.mark.parametrize("clients", [1, 2, 3])
@pytest.mark.parametrize("servers", [1, 7, 10, 300])
def test_every_api_has_its_share_whatever_clients_there_are(clients, servers):
    plan = burst.Plan(servers=servers, image="i", flavor="f")
    configs = told(plan, NODES[:clients])
    assert sum(config["servers"] for config in configs.values()) == servers
    spread = collections.Counter(
        number % len(config["apis"])
        for config in configs.values()
        for number in range(config["first"], config["first"] + config["servers"])
    )
    counts = [spread[site] for site in range(len(APIS))]
    assert max(counts) - min(counts) <= 1
    assert len({config["prefix"] for config in configs.values()}) == clients


def test_a_client_logs_in_at_its_own_site():
    assert told()["site-2-client"]["keystone"] == "http://site-2:5000/v3"


class Nodes:
    """In the place of `remote`: what was put there, and what is answered."""

    def __init__(self, monkeypatch, answer):
        self.put = {}
        self.commands = []
        monkeypatch.setattr(remote, "put_program", self._put)
        monkeypatch.setattr(remote, "run", self._run)
        self.answer = answer

    def _put(self, program, config, configs, nodes):
        assert program.is_file()
        self.put = configs

    def _run(self, command, nodes, check, forks):
        assert forks == len(nodes)
        self.commands.append(command)
        return {node.alias: self.answer for node in nodes}


def of(nodes):
    return burst.Burst(PLAN, nodes, KEYSTONES, APIS, USER)


def test_several_clients_begin_together(monkeypatch):
    summary = {"servers": 3, "done": 3, "completion_s": 1.5, "failures": {}}
    there = Nodes(monkeypatch, remote.Answer(True, json.dumps(summary), ""))
    assert of(NODES).boot() == {node.alias: summary for node in NODES}
    (start,) = {config["start_at"] for config in there.put.values()}
    assert start is not None
    assert of(NODES[:1]).boot()
    assert there.put["site-1-client"]["start_at"] is None
    of(NODES).delete()
    assert there.commands[-1].endswith("/opt/rally/bin/python burst.py delete discovery-burst.json")


def test_a_client_that_gives_up_is_named(monkeypatch):
    Nodes(monkeypatch, remote.Answer(False, "", "http://x/v3/auth/tokens answered 500: no"))
    with pytest.raises(TestbedError, match=r"site-1-client: the burst's boot gave up: .* 500: no"):
        of(NODES).boot()
