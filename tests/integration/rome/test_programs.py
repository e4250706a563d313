"""Random programs of statements that tell of rows: no cycle where none may be, or it is found.

``python -m tests.histories.interleaved`` runs them for longer.
"""

import itertools

import pytest

from tests.histories.interleaved import play
from tests.histories.sabotage import WITHOUT
from tests.redis_servers import redis_server

_names = itertools.count(1)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("fresh", ["sync", "push"])
def test_serializable_programs_have_an_order(fresh, address):
    """It is the order of the log: what a writer was told holds at its own place in it."""
    name = f"programs{next(_names)}"
    played = play(address, name, seed=1, rounds=120, serializable=True, fresh=fresh)
    assert played.anomalies == []
    assert played.outcomes["committed"] > 250
    assert played.outcomes["Deadlock"] > 10


@pytest.mark.parametrize("fresh", ["sync", "push"])
def test_below_it_there_is_write_skew_and_nothing_worse(fresh, address):
    name = f"programs{next(_names)}"
    played = play(address, name, seed=2, rounds=120, serializable=False, fresh=fresh)
    assert played.anomalies == []
    assert played.skews > 3, "programs do meet"


@pytest.mark.parametrize(
    ("safeguard", "serializable", "anomaly"),
    [
        ("tables that are written", True, "write skew or worse (G2)"),
        ("keys that SQLite chooses", True, "write skew or worse (G2)"),
        ("rows that hold what they held", False, "lost update (G-single)"),
        ("rows", False, "lost update (G-single)"),
    ],
)
def test_a_missing_safeguard_shows(safeguard, serializable, anomaly, address, monkeypatch):
    WITHOUT[safeguard](monkeypatch)
    found = set()
    for seed in range(10):
        name = f"programs{next(_names)}"
        played = play(address, name, seed=seed, rounds=100, serializable=serializable)
        found |= {one.name for one in played.anomalies}
        if anomaly in found:
            return
    raise AssertionError(f"found {found or 'nothing'}")
