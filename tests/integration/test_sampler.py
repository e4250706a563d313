"""The sampler run as it is run on a node, on this machine."""

import json
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from discovery.workload import probes

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
