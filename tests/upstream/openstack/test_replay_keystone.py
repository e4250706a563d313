"""Unmodified Keystone behind the replay layer: writers on the same rows, for some seconds.

``benchmarks/replay/compare.py`` is the long form: three sites, ten minutes, four back ends.
"""

import collections
import json

import pytest
from sqlalchemy.engine import make_url

from benchmarks.replay import hot_load, keystone_site, marking
from tests.postgresql_servers import postgresql_server
from tests.redis_servers import HOST, free_port

SECONDS = 12
WRITERS = 8


@pytest.fixture(scope="module")
def database(openstack, tmp_path_factory):
    """Keystone's database on PostgreSQL, and the folder of its configuration."""
    folder = tmp_path_factory.mktemp("keystone")
    with postgresql_server() as server:
        server.create("keystone")
        url = server.url("keystone", sslmode="disable")
        keystone_site.make(openstack / "python", keystone_site.configure(folder, "make", url))
        marking.install(make_url(url))
        yield url, folder


def run(openstack, database, count, cache=keystone_site.NO_CACHE, seconds=SECONDS, **replay):
    """The load on ``count`` Keystones: what clients saw, what the layer counted, what is there."""
    url, folder = database
    counters = folder / f"counters-{free_port()}"
    counters.mkdir()
    environment = {"REPLAY_COUNTERS": str(counters), **replay}
    keystones = [
        keystone_site.Keystone(
            openstack / "python",
            keystone_site.configure(folder, f"{counters.name}-{number}", url, cache),
            HOST,
            free_port(),
            environment,
        )
        for number in range(count)
    ]
    try:
        for keystone in keystones:
            keystone.wait_ready()
        load = hot_load.Hot([(keystone.host, keystone.port) for keystone in keystones])
        result = load.run(WRITERS, seconds)
        totals = collections.Counter()
        for file in counters.glob("*.totals.json"):
            totals.update(json.loads(file.read_text()))
        lines = [
            json.loads(line)
            for file in counters.glob("*.jsonl")
            for line in file.read_text().splitlines()
        ]
        return result, totals, lines, load.look()
    finally:
        for keystone in keystones:
            keystone.stop()


@pytest.mark.timeout(300)
def test_no_request_fails_and_none_is_done_twice(openstack, database):
    result, totals, lines, _ = run(openstack, database, 2)
    written = marking.count(make_url(database[0]))
    assert not result.failures
    assert totals["replays"] > 0, "nobody collided: this has shown nothing"
    assert totals["requests"] >= result.requests
    assert sum(line["replays"] for line in lines) == totals["replays"]
    assert {line["outcome"] for line in lines} == {"ok"}
    assert all("{id}" in line["path"] or line["path"] == "/v3/projects" for line in lines)
    assert len(result.marks) > 20
    assert {written[mark] for mark in result.marks} == {1}


@pytest.mark.timeout(300)
def test_off_shows_what_users_had_to_see(openstack, database):
    result, totals, lines, _ = run(openstack, database, 1, seconds=8, REPLAY="off")
    written = marking.count(make_url(database[0]))
    assert totals["replays"] == 0
    assert result.failures, "nobody collided: this has shown nothing"
    assert {line["outcome"] for line in lines} <= {"replay is off", "ok"}
    done = [mark for mark, status in result.marks.items() if status.startswith("2")]
    assert {written[mark] for mark in done} == {1}


@pytest.mark.timeout(300)
def test_the_cache_holds_what_the_database_does(openstack, database):
    """With a cache in the process: after all the replays, what it says was committed once."""
    memory = "oslo_cache.dict"
    result, totals, _, shown = run(openstack, database, 1, cache=memory, seconds=8)
    assert not result.failures
    assert totals["replays"] > 0
    written = marking.count(make_url(database[0]))
    assert len(shown) == 2
    assert {written[mark] for mark in shown} == {1}
