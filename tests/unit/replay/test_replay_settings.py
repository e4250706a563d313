"""Settings, what is refused, the waits, and what is counted."""

import importlib
import json
import multiprocessing
import os
import sys
import threading
import wsgiref.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.replay.backoff import Backoff
from discovery.replay.counters import Counters, template
from discovery.replay.errors import SettingsError
from discovery.replay.settings import Settings, read


def test_defaults_are_those_of_the_class():
    assert read({}) == Settings()
    assert read({"PATH": "/bin", "REPLAYED": "x"}) == Settings()


def test_all_of_them(tmp_path):
    environment = {
        "REPLAY": "off", "REPLAY_TRIES": "3", "REPLAY_BASE_MS": "1.5", "REPLAY_CAP_MS": "2",
        "REPLAY_BODY_KIB": "4", "REPLAY_COUNTERS": str(tmp_path),
    }  # fmt: skip
    assert read(environment) == Settings(
        enabled=False, tries=3, backoff=Backoff(0.0015, 0.002), body=4096, counters=tmp_path
    )
    options = {"enabled": "on", "tries": "9"}
    mixed = read(environment, options)
    assert (mixed.enabled, mixed.tries, mixed.body) == (True, 9, 4096)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("REPLAY", "yes", "REPLAY=yes: must be on or off"),
        ("REPLAY_TRIES", "0", "REPLAY_TRIES=0: must be a whole number from 1 to 1000"),
        ("REPLAY_TRIES", "many", "REPLAY_TRIES=many: must be a whole number"),
        ("REPLAY_BASE_MS", "-1", "REPLAY_BASE_MS=-1: must be milliseconds"),
        ("REPLAY_BASE_MS", "nan", "REPLAY_BASE_MS=nan: must be milliseconds"),
        ("REPLAY_CAP_MS", "soon", "REPLAY_CAP_MS=soon: must be milliseconds"),
        ("REPLAY_CAP_MS", "1", r"REPLAY_CAP_MS: the longest wait \(1 ms\) is shorter"),
        ("REPLAY_BODY_KIB", "1.5", "REPLAY_BODY_KIB=1.5: must be a whole number"),
        ("REPLAY_COUNTERS", "here", "REPLAY_COUNTERS=here: must be the path of a folder"),
        ("REPLAY_COUNTERS", "/nowhere", "REPLAY_COUNTERS=/nowhere: must be the path of a folder"),
        ("REPLAY_TRYS", "3", "REPLAY_TRYS: no such setting; there are REPLAY, REPLAY_TRIES"),
    ],
)
def test_bad_settings_say_what_they_may_be(name, value, said):
    with pytest.raises(SettingsError, match=said):
        read({name: value})


def test_options_of_paste_are_checked_as_well():
    with pytest.raises(SettingsError, match="trys: no such setting"):
        read({}, {"trys": "3"})


@given(st.floats(0, 10), st.floats(0, 100), st.integers(1, 5000))
def test_waits_are_bounded(base, more, failures):
    backoff = Backoff(base, base + more)
    assert 0 <= backoff.wait(failures) <= backoff.longest(failures) <= backoff.cap_s
    assert backoff.longest(failures) <= backoff.longest(failures + 1)
    assert backoff.longest(1) == base


def test_waits_are_drawn():
    waits = {Backoff(1.0, 1.0).wait(1) for _ in range(20)}
    assert len(waits) == 20


ID = "0123456789abcdef0123456789ABCDEF"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (f"/v3/projects/{ID}", "/v3/projects/{id}"),
        (f"/v3/projects/{ID}/users/{ID}/roles/{ID}", "/v3/projects/{id}/users/{id}/roles/{id}"),
        ("/v2.1/servers/8aee3f2b-4a4b-4d19-8a5e-0123456789ab/action", "/v2.1/servers/{id}/action"),
        ("/v3/auth/tokens", "/v3/auth/tokens"),
        ("/v3/domains/default", "/v3/domains/default"),
        ("/resource_providers/12/inventories", "/resource_providers/{id}/inventories"),
        ("/" + "é" * 5000, "/" + "é" * 499),
    ],
)
def test_template(path, kind):
    assert template(path) == kind


def lines(folder):
    return [
        json.loads(text)
        for file in folder.glob("*.jsonl")
        for text in file.read_text().split("\n")[:-1]
    ]


def totals(folder):
    return [json.loads(file.read_text()) for file in sorted(folder.glob("*.totals.json"))]


def test_lines_and_totals(tmp_path):
    counters = Counters(tmp_path)
    for number in range(12):
        counters.request()
        counters.request({"path": "/" + "é" * 499, "n": number}, replays=2)
    assert [line["n"] for line in lines(tmp_path)] == list(range(12))
    assert totals(tmp_path) == [
        {"requests": 24, "replays": 24, "recovered": 0, "gave_up": 0, "committed": 0}
    ]


def test_threads_lose_nothing(tmp_path):
    counters = Counters(tmp_path)

    def work():
        for number in range(200):
            counters.request({"n": number}, replays=1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(tmp_path)) == 1600
    assert totals(tmp_path)[0]["requests"] == 1600


def test_a_forked_process_has_files_of_its_own(tmp_path):
    counters = Counters(tmp_path)
    counters.request({"who": os.getpid()}, replays=1)
    child = multiprocessing.get_context("fork").Process(target=counters.request, args=({"who": 0},))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert sorted(file["requests"] for file in totals(tmp_path)) == [1, 1]
    assert sorted(file["replays"] for file in totals(tmp_path)) == [0, 1]
    assert len(list(tmp_path.glob("*.jsonl"))) == 2


def test_without_a_folder_there_are_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    counters = Counters(None)
    counters.request({"n": 1}, replays=1)
    assert counters.totals == {"requests": 1, "replays": 1}
    assert list(tmp_path.iterdir()) == []


APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"mine"]
"""


def test_a_module_for_wsgi_servers(tmp_path, monkeypatch):
    (tmp_path / "some_service.py").write_text(APPLICATION)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("REPLAYED_APPLICATION", "some_service:application")
    monkeypatch.setenv("REPLAY_TRIES", "4")
    module = importlib.import_module("discovery.replay.wsgi")
    try:
        assert module.application.settings.tries == 4
        environ = {}
        wsgiref.util.setup_testing_defaults(environ)
        assert module.application(environ, lambda *_: None) == [b"mine"]
        with pytest.raises(SettingsError, match="REPLAYED_APPLICATION=: must be module:name"):
            module.wrapped({})
    finally:
        del sys.modules["discovery.replay.wsgi"]
