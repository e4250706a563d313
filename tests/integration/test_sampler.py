"""The sampler run as it is run on a node, on this machine."""

import json
import subprocess
import sys
import time
from itertools import pairwise

import pytest
import redis

from discovery import rome
from discovery.deploy import BACKENDS
from discovery.workload import probes
from discovery.workload.on_node.sample import counters_of
from tests.redis_servers import redis_server

BURN = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"


@pytest.fixture
def samples(tmp_path):
    config = {
        "output": str(tmp_path / "samples.jsonl"),
        "interface_address": "127.0.0.1",
        "period_s": 0.1,
        "counters": None,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    sampler = subprocess.Popen([sys.executable, probes.PROGRAM, tmp_path / "config.json"])
    deadline = time.monotonic() + 30
    while not (tmp_path / "samples.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    subprocess.run([sys.executable, "-c", BURN], check=True)
    time.sleep(1.0)
    sampler.terminate()
    assert sampler.wait(10) == -15
    return [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]


def test_it_sees_the_cpu_time_of_a_process_that_has_ended(samples):
    cpu = [record["cpu_s"] for record in samples]
    # A process's time is with it, and with its parent once that has waited for it; in the instant
    # between the two it is with neither, so single steps may dip but the whole does not.
    assert cpu[-1] - cpu[0] >= 0.4


def test_it_counts_bytes_and_memory(samples):
    assert all(record["memory_bytes"] > 0 for record in samples)
    assert all(later["rx_bytes"] >= earlier["rx_bytes"] for earlier, later in pairwise(samples))


def test_it_refuses_an_address_that_no_interface_has(tmp_path):
    config = {"output": "x", "interface_address": "192.0.2.1", "period_s": 1, "counters": None}
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = subprocess.run(
        [sys.executable, probes.PROGRAM, tmp_path / "config.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "no interface of this node has the address 192.0.2.1" in done.stderr


def test_it_counts_what_redis_was_asked(tmp_path):
    with redis_server(tmp_path) as server, redis.Redis(port=server.port) as client:
        plan = {
            "driver": "redis",
            "connect": {"port": server.port},
            "queries": BACKENDS["rome"].counters["queries"],
        }
        counters = counters_of(plan)
        assert counters.read() == {"queries": 0, "commits": 0}
        client.eval("redis.call('HGET', 'h', 'f'); redis.call('XADD', 's', '*', 'a', 'b')", 0)
        sha = client.script_load("return redis.call('HGET', 'h', 'f')")
        client.evalsha(sha, 0)
        client.pipeline(transaction=True).hgetall("h").hgetall("h").execute()
        assert counters.read() == {"queries": 2, "commits": 1}
        counters.client.close()
    assert counters.read() == {}


def test_it_counts_the_round_trips_of_rome(tmp_path):
    with redis_server(tmp_path) as server:
        plan = {
            "driver": "redis",
            "connect": {"port": server.port},
            "queries": BACKENDS["rome"].counters["queries"],
        }
        counters = counters_of(plan)
        connection = rome.connect(f"127.0.0.1:{server.port}", "counted")
        connection.execute("CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT)")
        connection.commit()
        before, trips = counters.read(), connection.replica.store.round_trips
        for number in range(5):
            connection.execute("SELECT * FROM t").fetchall()
            connection.execute("INSERT INTO t VALUES (?, 'x')", (str(number),))
            connection.commit()
        after = counters.read()
        assert after["commits"] - before["commits"] == 5
        assert after["queries"] - before["queries"] == 10
        assert connection.replica.store.round_trips - trips == 10
        connection.close()
        counters.client.close()
