"""The burst's program against a Nova that is slow, fails, or never ends; over real HTTP."""

import collections
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from discovery.workload.on_node import burst
from tests.fake_nova import FakeNova
from tests.redis_servers import HOST, free_port

PROGRAM = Path(burst.__file__)


def config_of(nova, folder, **changes):
    return {
        "keystone": nova.keystone,
        "auth": {"username": "u1", "password": "secret", "project_name": "p1"},
        "apis": {f"site-{number}": nova.url for number in (1, 2, 3)},
        "servers": 9, "first": 0, "prefix": "burst", "image": "an-image", "flavor": "a-flavor",
        "zones": {}, "start_at": None, "poll_s": 0.05, "boot_deadline_s": 20.0, "boot_idle_s": 20.0,
        "delete_deadline_s": 20.0, "request_timeout_s": 5.0, "tries": 3,
        "output": str(folder / "burst.json"), **changes,
    }  # fmt: skip


def run(verb, config, folder):
    """The program's summary, and its result file."""
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    done = subprocess.run(
        [sys.executable, PROGRAM, verb, file],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout), json.loads(Path(config["output"]).read_text())


def failing(**kinds):
    """What happens to a server by the last digit of its name."""
    by_digit = {digit: kind for kind, digits in kinds.items() for digit in digits}
    return lambda name: by_digit.get(name[-1])


def by_name(result):
    return {server["name"][-1]: server for server in result["servers"]}


def test_all_are_booted_at_once_and_spread_over_the_apis(tmp_path):
    with FakeNova(build_s=0.3) as nova:
        summary, result = run("boot", config_of(nova, tmp_path, servers=30), tmp_path)
        assert len(nova.servers) == 30
        bodies = [server["body"] for server in nova.servers.values()]
        assert all(
            body["networks"] == "none" and "availability_zone" not in body for body in bodies
        )
    assert (summary["servers"], summary["done"], summary["failures"]) == (30, 30, {})
    spread = collections.Counter(server["api_site"] for server in result["servers"])
    assert spread == {"site-1": 10, "site-2": 10, "site-3": 10}
    for server in result["servers"]:
        assert server["request_start"] <= server["accepted"] <= server["ended"]
        assert (server["failure"], server["host"], server["node"]) == (None, "host-1", "node-1")
        assert server["boot_tries"] == 1
    first = min(server["request_start"] for server in result["servers"])
    last = max(server["ended"] for server in result["servers"])
    assert summary["completion_s"] == pytest.approx(last - first)
    assert summary["completion_s"] > 0.3


def test_watching_costs_a_list_per_poll_and_a_request_per_server(tmp_path):
    with FakeNova(build_s=0.5) as nova:
        _, result = run("boot", config_of(nova, tmp_path, poll_s=0.25), tmp_path)
        lists, looks = nova.count("GET", r"/servers\?"), nova.count("GET", r"/servers/")
        assert nova.count("GET", "/servers/detail") == 0
    assert lists == len(result["polls"]["boot"]) <= 8
    assert (
        9 <= looks <= 18
    )  # a server that was accepted after the list was made is looked at in vain


def test_each_kind_of_failure_is_a_result(tmp_path):
    boot = failing(error="1", never="2", vanish="3", lost="4", dropped="5")
    with FakeNova(boot=boot) as nova:
        config = config_of(nova, tmp_path, boot_deadline_s=3.0)
        summary, result = run("boot", config, tmp_path)
    servers = by_name(result)
    kinds = {digit: server["failure"] for digit, server in servers.items()}
    assert kinds == {
        "0": None, "1": "error", "2": "unfinished", "3": "vanished", "4": None, "5": "no-answer",
        "6": None, "7": None, "8": None,
    }  # fmt: skip
    assert servers["1"]["fault"] == "No valid host was found."
    assert servers["4"]["accepted"] is None
    assert servers["4"]["id"]
    assert "RemoteDisconnected" in servers["5"]["fault"]
    assert summary["failures"] == {"error": 1, "unfinished": 1, "vanished": 1, "no-answer": 1}
    assert summary["done"] == 5


def test_a_burst_in_which_nothing_moves_is_over(tmp_path):
    with FakeNova(boot=failing(never="2"), build_s=1.5) as nova:
        config = config_of(nova, tmp_path, boot_idle_s=2.0)
        began = time.monotonic()
        summary, _ = run("boot", config, tmp_path)
    assert 3.0 < time.monotonic() - began < 10.0
    assert summary["failures"] == {"unfinished": 1}


def test_refused_requests_are_named_and_busy_apis_are_asked_again(tmp_path):
    def boot(name):
        return {"1": (403, "Quota exceeded"), "2": ("once", 503), "3": (503, "busy")}.get(name[-1])

    with FakeNova(boot=boot) as nova:
        _, result = run("boot", config_of(nova, tmp_path), tmp_path)
        made = collections.Counter(server["name"] for server in nova.servers.values())
    servers = by_name(result)
    assert (servers["1"]["failure"], servers["1"]["fault"]) == ("http-403", "Quota exceeded")
    assert (servers["2"]["failure"], servers["2"]["boot_tries"]) == (None, 2)
    assert (servers["3"]["failure"], servers["3"]["boot_tries"]) == ("http-503", 3)
    assert set(made.values()) == {1}


def test_an_api_that_is_down_costs_its_servers_and_no_others(tmp_path):
    with FakeNova() as nova:
        apis = {"site-1": nova.url, "site-2": f"http://{HOST}:{free_port()}/v2.1"}
        config = config_of(nova, tmp_path, apis=apis, servers=6)
        summary, result = run("boot", config, tmp_path)
    kinds = collections.Counter((s["api_site"], s["failure"]) for s in result["servers"])
    assert kinds == {("site-1", None): 3, ("site-2", "no-connection"): 3}
    assert {s["boot_tries"] for s in result["servers"] if s["failure"]} == {3}
    assert any(poll["error"] for poll in result["polls"]["boot"])
    assert summary["done"] == 3


def test_a_token_that_ended_is_renewed(tmp_path):
    with FakeNova(tokens=7) as nova:
        summary, _ = run("boot", config_of(nova, tmp_path), tmp_path)
        assert nova.count("POST", "/v3/auth/tokens") > 1
    assert summary["done"] == 9


def test_pages_of_a_list_are_followed(tmp_path):
    with FakeNova(build_s=0.5, limit=2) as nova:
        summary, _ = run("boot", config_of(nova, tmp_path), tmp_path)
        assert nova.count("GET", "marker=") > 0
    assert summary["done"] == 9


def test_servers_go_where_their_zone_is(tmp_path):
    zones = {"site-1": "zone-1", "site-2": "zone-2", "site-3": "zone-3"}
    with FakeNova() as nova:
        _, result = run("boot", config_of(nova, tmp_path, zones=zones), tmp_path)
        asked = {server["name"]: server["zone"] for server in nova.servers.values()}
    assert asked == {s["name"]: zones[s["api_site"]] for s in result["servers"]}


def test_nothing_is_requested_before_the_appointed_time(tmp_path):
    start = time.time() + 2.0
    with FakeNova() as nova:
        _, result = run("boot", config_of(nova, tmp_path, start_at=start), tmp_path)
    assert min(server["request_start"] for server in result["servers"]) >= start


def test_they_are_deleted_and_those_that_stay_are_named(tmp_path):
    slow = {"6": 0.5, "7": 1e9}
    boot = failing(error="1", dropped="5")
    with FakeNova(boot=boot, delete_s=lambda name: slow.get(name[-1], 0.05)) as nova:
        config = config_of(nova, tmp_path, delete_deadline_s=2.0)
        run("boot", config, tmp_path)
        summary, result = run("delete", config, tmp_path)
        assert {server["name"][-1] for server in nova.alive()} == {"7"}
    servers = by_name(result)
    assert (summary["servers"], summary["done"]) == (8, 7)
    assert summary["failures"] == {"unfinished": 1}
    assert servers["7"]["delete_failure"] == "unfinished"
    assert servers["5"]["delete_start"] is None
    assert servers["1"]["failure"] == "error"  # what the boot had seen is still there
    assert servers["6"]["gone"] - servers["6"]["delete_accepted"] >= 0.45
    assert summary["completion_s"] >= 0.45


def test_a_keystone_that_refuses_is_named(tmp_path):
    with FakeNova() as nova:
        config = config_of(nova, tmp_path, keystone=nova.url)
        file = tmp_path / "config.json"
        file.write_text(json.dumps(config))
        done = subprocess.run(
            [sys.executable, PROGRAM, "boot", file], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert "/v2.1/auth/tokens answered 401: who are you?" in done.stderr
    assert not Path(config["output"]).exists()


def test_a_survey_has_every_server_and_what_its_project_uses(tmp_path):
    with FakeNova(boot=failing(error="1"), limit=4) as nova:
        config = config_of(nova, tmp_path)
        _, result = run("boot", config, tmp_path)
        asked = {**config, "projects": [result["project"], "empty"], "output": str(tmp_path / "s")}
        file = tmp_path / "config.json"
        file.write_text(json.dumps(asked))
        subprocess.run([sys.executable, PROGRAM, "survey", file], check=True)
        assert nova.count("GET", r"servers/detail\?all_tenants=1.*marker=") > 0
    survey = json.loads((tmp_path / "s").read_text())
    assert {s["id"] for s in survey["servers"]} == {s["id"] for s in result["servers"]}
    assert sorted({s["status"] for s in survey["servers"]}) == ["ACTIVE", "ERROR"]
    assert set(survey["quotas"]) == {"project-1", "empty"}
    assert survey["quotas"]["project-1"] == {"instances": 9, "cores": 9, "ram": 9 * 512}
    assert survey["servers"][0]["memory_mb"] == 512
