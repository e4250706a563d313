"""The numbers of the paper's text say what all cells have, not what one of them has."""

import pandas as pd

from discovery.evaluation.numbers import _design, _environment

CELL = {
    "experiment": "e",
    "tier": "laptop",
    "backend": "galera",
    "sites": 9,
    "one_way_delay_ms": 50.0,
    "delay": "50",
    "load": "light",
    "scenarios": "get-entities",
    "repetition": 1,
    "times": 5,
    "keystone_cache": "memcached",
    "keystone_bcrypt_rounds": 4,
    "keystone_processes": 10,
    "keystone_threads": 1,
    "variation": "study",
    "started": "2026-11-01T00:00:00Z",
    "commit": "a" * 40,
    "dirty": False,
    "image": "i" * 16,
    "provider": "local",
    "wan": "forwarder",
    "kernel": "6.1",
    "cpu": "c",
    "cores": 2,
    "memory_mb": 24_000,
    "packages": "{}",
}


def test_the_mean_of_a_matrix_is_no_delay_and_a_variations_setting_is_not_fixed():
    zones = {**CELL, "delay": "zones", "one_way_delay_ms": 115.0}
    varied = {**CELL, "variation": "no-cache", "keystone_cache": "none"}
    found = _design(pd.DataFrame([CELL, zones, varied]))
    assert (found["delays"], found["round trips"], found["cache"]) == ("50", "100", "memcached")


def test_every_commit_and_kernel_of_the_cells_is_named_in_their_order():
    later = {"started": "2026-11-02T00:00:00Z", "commit": "b" * 40, "dirty": True, "wan": "none"}
    found = _environment(pd.DataFrame([{**CELL, **later, "kernel": "6.2"}, CELL]))
    assert found["commit"] == f"{'a' * 10} and {'b' * 10} with changes"
    assert (found["kernel"], found["wan back end"]) == ("6.1 and 6.2", "forwarder")
