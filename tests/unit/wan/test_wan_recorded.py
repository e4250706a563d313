"""What wan.json records is judged: a WAN that died, stood still or was off is no WAN."""

import copy

import pytest

from discovery.errors import WanError
from discovery.experiment.models import WanSettings
from discovery.testbed.wan.recorded import judge_record, judge_stalls, parted

PLAIN = WanSettings()
SITES = ("site-1", "site-2", "site-3")


def pair(source, destination, asked, measured, lost=0):
    return {
        "source": source,
        "destination": destination,
        "asked_rtt_ms": asked,
        "measured_rtt_ms": measured,
        "min_rtt_ms": measured,
        "max_rtt_ms": measured,
        "sent": 10,
        "lost": lost,
    }


def measurement(when, time, asked, measured, lost=0):
    pairs = [pair(a, b, asked, measured, lost) for a in SITES for b in SITES if a != b]
    return {"when": when, "time": time, "pairs": pairs}


def record(measured=100.2, lost=0, *, asked=100.0, changes=(), stalls=()):
    return {
        "schema_version": 1,
        "backend": "forwarder",
        "measurements": [
            measurement("shaped", 1000.0, asked, asked + 0.2),
            measurement("after-load", 2000.0, asked, measured, lost),
        ],
        "changes": list(changes),
        "stalls": list(stalls),
    }


def test_a_wan_that_is_as_asked_is_fine():
    judge_record(record(), PLAIN)
    early = record()
    del early["stalls"]
    judge_record(early, PLAIN)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (record(None, 10), "all 10 pings were lost"),
        (record(100.2, 6), "lost 6 of 10 pings though no loss was asked"),
        (record(0.3), r"is 0\.3 ms, but 100 ± 5 ms"),
        (record(106.0), r"is 106 ms, but 100 ± 5 ms"),
    ],
)
def test_one_that_is_not_is_an_accident(wrong, sentence):
    with pytest.raises(WanError, match=f"did not outlive the load.*{sentence}"):
        judge_record(wrong, PLAIN)


def test_one_dead_pair_of_many_is_enough():
    one = record()
    one["measurements"][-1]["pairs"][3] = pair("site-2", "site-3", 100.0, None, 10)
    with pytest.raises(WanError, match="from site-2 to site-3 cannot be measured"):
        judge_record(one, PLAIN)


@pytest.mark.parametrize(("asked", "measured"), [(300.0, 301.0), (0.0, 4.9), (300.0, 314.0)])
def test_a_busy_testbed_is_no_accident(asked, measured):
    judge_record(record(measured, 1, asked=asked), PLAIN)


def test_a_queue_that_drains_loss_and_jitter_are_no_accident():
    judge_record(record(290.0, 8), WanSettings(rate_mbit=10.0))
    judge_record(record(100.2, 9), WanSettings(loss_percent=10.0))
    judge_record(record(112.0), WanSettings(jitter_ms=8.0))


def test_a_dead_wan_is_dead_whatever_was_asked():
    for settings in (WanSettings(rate_mbit=1.0), WanSettings(loss_percent=50.0, jitter_ms=9.0)):
        with pytest.raises(WanError, match="all 10 pings were lost"):
            judge_record(record(None, 10), settings)


def test_a_load_after_which_nothing_was_measured_is_not_judged_well():
    unmeasured = record()
    del unmeasured["measurements"][-1]
    with pytest.raises(WanError, match="not measured after the load"):
        judge_record(unmeasured, PLAIN)


def test_what_the_cell_cut_itself_may_be_lost():
    cut = {"time": 1500.0, "action": "cut", "sites": ["site-3"]}
    dead = record()
    for item in dead["measurements"][-1]["pairs"]:
        if "site-3" in (item["source"], item["destination"]):
            item.update(measured_rtt_ms=None, min_rtt_ms=None, max_rtt_ms=None, lost=10)
    with pytest.raises(WanError):
        judge_record(dead, PLAIN)
    judge_record({**dead, "changes": [cut]}, PLAIN)
    one_way = [
        {"time": 1500.0, "action": "cut-one-way", "sites": ["site-3", other]}
        for other in ("site-1", "site-2")
    ]
    judge_record({**dead, "changes": one_way}, PLAIN)
    healed = {"time": 1600.0, "action": "heal", "sites": list(SITES)}
    with pytest.raises(WanError):
        judge_record({**dead, "changes": [cut, healed]}, PLAIN)
    late = {**cut, "time": 2500.0}
    with pytest.raises(WanError):
        judge_record({**dead, "changes": [late]}, PLAIN)


def test_what_is_parted_follows_the_changes():
    changes = [
        {"time": 1.0, "action": "cut", "sites": ["site-1"]},
        {"time": 2.0, "action": "heal", "sites": list(SITES)},
        {"time": 3.0, "action": "cut-one-way", "sites": ["site-2", "site-1"]},
    ]
    found = record(changes=changes)
    assert len(parted(found, 1.5)) == 4
    assert parted(found, 2.5) == set()
    assert parted(found, 3.5) == {("site-2", "site-1")}


@pytest.mark.parametrize(
    ("time", "seconds", "loaded"),
    [
        (1500.0, 3.0, True),
        (1500.0, 1.0, True),
        (1500.0, 0.9, False),
        (999.0, 3.0, True),
        (990.0, 3.0, False),
        (2001.0, 3.0, False),
        (1999.5, 3.0, True),
    ],
)
def test_a_stall_under_load_is_an_accident_and_another_is_not(time, seconds, loaded):
    stood_still = record(stalls=[{"time": time, "seconds": seconds}])
    if loaded:
        with pytest.raises(WanError, match=rf"stood still for {seconds:.1f} s while"):
            judge_record(stood_still, PLAIN)
    else:
        judge_record(stood_still, PLAIN)


def test_before_the_wan_is_shaped_nothing_is_loaded():
    early = copy.deepcopy(record(stalls=[{"time": 500.0, "seconds": 30.0}]))
    early["measurements"] = []
    judge_stalls(early)
