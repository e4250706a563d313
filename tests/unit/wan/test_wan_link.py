"""The scheduling core under arbitrary traffic: order, time, rate, bounds."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.testbed.wan import link as link_module
from discovery.testbed.wan.link import QUEUE_SECONDS, Link

gaps = st.floats(0, 0.05)
sizes = st.integers(20, 65536)
traffic = st.lists(st.tuples(gaps, sizes), min_size=1, max_size=60)
milliseconds = st.floats(0, 0.5)


def make(delay: float, jitter: float = 0.0, loss: float = 0.0, rate: float | None = None) -> Link:
    link = Link(Random(1))
    link.shape(delay, jitter, loss, rate)
    return link


def send(link: Link, packets: list[tuple[float, int]]) -> list[tuple[float, float | None, int]]:
    """(entered, arrives, size) of each packet; packet n is n in four bytes."""
    now, log = 100.0, []
    for number, (gap, size) in enumerate(packets):
        now += gap
        arrives = link.enter(now, number.to_bytes(4, "big"), size, 1)
        log.append((now, arrives, size))
    return log


@given(traffic, milliseconds, milliseconds, st.sampled_from([None, 1e6, 1e8]))
def test_packets_leave_in_the_order_in_which_they_came(packets, delay, jitter, rate):
    link = make(delay, jitter, rate=rate)
    arrivals = [arrives for _, arrives, _ in send(link, packets) if arrives is not None]
    assert arrivals == sorted(arrivals)
    taken = []
    while link.queue:
        taken.append(int.from_bytes(link.take(), "big"))
    assert taken == sorted(taken)
    assert len(taken) == len(arrivals)


@given(traffic, milliseconds, milliseconds)
def test_no_packet_is_earlier_than_delay_less_jitter_nor_than_it_entered(packets, delay, jitter):
    for entered, arrives, _ in send(make(delay, jitter), packets):
        assert arrives >= entered
        assert arrives >= entered + delay - jitter - 1e-9


@given(traffic, milliseconds)
def test_without_jitter_and_rate_a_packet_takes_exactly_the_delay(packets, delay):
    for entered, arrives, _ in send(make(delay), packets):
        assert arrives == pytest.approx(entered + delay, abs=1e-9)


@given(traffic, milliseconds, st.floats(1e5, 1e9))
def test_any_stretch_of_traffic_keeps_below_the_rate(packets, delay, rate):
    carried = [(a, size) for _, a, size in send(make(delay, rate=rate), packets) if a is not None]
    for first in range(len(carried)):
        bits = 0.0
        for arrives, size in carried[first + 1 :]:
            bits += size * 8
            assert bits <= (arrives - carried[first][0]) * rate * (1 + 1e-6) + 1e-3


@given(traffic, st.floats(1e5, 1e9))
def test_nobody_waits_longer_for_the_line_than_the_queue_is_deep(packets, rate):
    link = make(0.0, rate=rate)
    log = send(link, packets)
    for entered, arrives, size in log:
        if arrives is not None:
            assert arrives - entered <= QUEUE_SECONDS + size * 8 / rate + 1e-6
    assert link.dropped_queue == sum(arrives is None for _, arrives, _ in log)


def test_order_holds_when_the_delay_falls_while_packets_are_under_way():
    link = make(0.1)
    first = link.enter(0.0, b"a", 100, 1)
    link.shape(0.001, 0.0, 0.0, None)
    second = link.enter(0.01, b"b", 100, 1)
    assert second == first
    assert link.enter(0.2, b"c", 100, 1) == pytest.approx(0.201)


def test_jitter_of_sparse_packets_is_uniform_around_the_delay():
    link = make(0.05, 0.01)
    late = [link.enter(float(second), b"x", 100, 1) - second for second in range(4000)]
    assert min(late) == pytest.approx(0.04, abs=2e-4)
    assert max(late) == pytest.approx(0.06, abs=2e-4)
    assert sum(late) / len(late) == pytest.approx(0.05, abs=5e-4)


def test_loss_drops_the_asked_share_and_counts_it():
    link = make(0.0, loss=0.1)
    for second in range(20_000):
        link.enter(float(second), b"x", 100, 1)
    assert link.dropped_loss / 20_000 == pytest.approx(0.1, abs=0.01)
    assert link.packets + link.dropped_loss == 20_000


def test_a_cut_loses_what_is_under_way_and_all_that_comes_until_it_is_healed():
    link = make(0.05)
    link.enter(0.0, b"lost", 100, 1)
    link.cut()
    assert not link.queue
    assert link.enter(0.01, b"refused", 100, 3) is None
    link.heal()
    assert link.enter(0.02, b"new", 100, 1) == pytest.approx(0.07)
    assert link.dropped_cut == 4
    assert link.take() == b"new"


def test_what_is_under_way_is_bounded(monkeypatch):
    monkeypatch.setattr(link_module, "QUEUE_BYTES", 1000)
    link = make(1.0)
    kept = [link.enter(0.0, bytes(100), 100, 1) for _ in range(20)]
    assert sum(arrives is not None for arrives in kept) == 10
    assert link.dropped_queue == 10
    link.take()
    assert link.enter(0.0, bytes(100), 100, 1) is not None
