"""Reading pings, and judging them."""

import shutil
import subprocess

import pytest

from discovery.errors import WanError
from discovery.experiment.models import WanSettings
from discovery.testbed.wan.measure import (
    MOST_PINGS,
    PINGS,
    RoundTrip,
    judge,
    parse_pings,
    ping_command,
    pings_needed,
    tolerance_ms,
)

PLAIN = WanSettings()


def trip(asked, *answers):
    return RoundTrip.of(("site-1", "site-2"), asked, answers)


def test_fping_output_is_read_with_lost_pings():
    output = "10.82.1.11 : 0.04 0.05 0.06\n10.82.2.11 : 20.3 - 301\n10.82.3.11 : - - -\n"
    assert parse_pings(output, 3) == {
        "10.82.1.11": [0.04, 0.05, 0.06],
        "10.82.2.11": [20.3, None, 301.0],
        "10.82.3.11": [None, None, None],
    }


def test_warnings_of_fping_are_no_answers():
    output = "ICMP Host Unreachable from 10.82.1.1 for ICMP Echo sent to 10.82.3.11\n\nn : 1.5 2\n"
    assert parse_pings(output, 2) == {"n": [1.5, 2.0]}


def test_ping_output_is_put_in_order_and_gaps_are_losses():
    output = "b seq 3 9.5\na seq 1 20.3\nb seq 1 9.1\nb seq 99 1.0\n"
    assert parse_pings(output, 3) == {"b": [9.1, None, 9.5], "a": [20.3, None, None]}


@pytest.mark.skipif(not shutil.which("ping"), reason="ping is not installed")
@pytest.mark.parametrize("tool", ["fping", "ping"])
def test_the_command_is_understood_by_the_tool_it_calls(tool, tmp_path):
    path = "/usr/bin:/bin:/usr/sbin:/sbin"
    if tool == "ping":  # a PATH that has everything but fping
        for name in ("sh", "ping", "sed"):
            (tmp_path / name).symlink_to(shutil.which(name))
        path = str(tmp_path)
    elif not shutil.which("fping"):
        pytest.skip("fping is not installed")
    done = subprocess.run(
        ["sh", "-c", ping_command(["127.0.0.1", "127.0.0.2"], 3, 1000)],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    answers = parse_pings(done.stdout, 3)
    assert set(answers) == {"127.0.0.1", "127.0.0.2"}
    assert all(0 < value < 50 for row in answers.values() for value in row)


def test_the_measured_round_trip_is_the_median():
    assert trip(20.0, 20.1, None, 20.2, 35.0).as_record() == {
        "source": "site-1",
        "destination": "site-2",
        "asked_rtt_ms": 20.0,
        "measured_rtt_ms": 20.2,
        "min_rtt_ms": 20.1,
        "max_rtt_ms": 35.0,
        "sent": 4,
        "lost": 1,
    }


def test_nothing_measured_is_no_number():
    record = trip(20.0, None, None).as_record()
    assert record["measured_rtt_ms"] is record["min_rtt_ms"] is record["max_rtt_ms"] is None
    assert (record["sent"], record["lost"]) == (2, 2)


@pytest.mark.parametrize(
    ("asked", "measured", "good"),
    [
        (0, 0.99, True),
        (0, 1.01, False),
        (20, 20.99, True),
        (20, 18.9, False),
        (300, 305.9, True),
        (300, 306.1, False),
        (300, 0.3, False),
    ],
)
def test_the_larger_of_two_percent_and_a_millisecond_is_tolerated(asked, measured, good):
    trips = [trip(float(asked), *[measured] * 10)]
    if good:
        judge(trips, PLAIN, "forwarder")
    else:
        with pytest.raises(WanError, match=r"from site-1 to site-2 .* asked of the forwarder"):
            judge(trips, PLAIN, "forwarder")


def test_the_message_names_the_worst_pair_what_was_asked_and_measured():
    good = RoundTrip.of(("site-2", "site-3"), 100.0, [103.0] * 10)
    bad = RoundTrip.of(("site-1", "site-3"), 100.0, [0.2] * 10)
    with pytest.raises(WanError) as caught:
        judge([good, bad], PLAIN, "netem-htb")
    assert "from site-1 to site-3 is 0.2 ms, but 100 ± 2 ms was asked" in str(caught.value)
    assert "netem-htb" in str(caught.value)
    assert "2 of 2 pairs" in str(caught.value)


def test_all_lost_is_an_error_whatever_was_asked():
    with pytest.raises(WanError, match="all 2 pings were lost"):
        judge([trip(20.0, None, None)], WanSettings(loss_percent=50.0), "forwarder")


def test_lost_pings_are_expected_only_where_loss_was_asked():
    lossy = [trip(20.0, 20.1, 20.1, None, None, 20.2)]
    judge(lossy, WanSettings(loss_percent=10.0), "forwarder")
    with pytest.raises(WanError, match="lost 2 of 5 pings though no loss was asked"):
        judge(lossy, PLAIN, "forwarder")


def test_jitter_and_rate_widen_the_tolerance_by_what_they_explain():
    assert tolerance_ms(100.0, PLAIN, 10) == 2.0
    assert tolerance_ms(100.0, WanSettings(jitter_ms=5.0), 16) == 7.0
    assert tolerance_ms(0.0, WanSettings(rate_mbit=1.0), 10) == pytest.approx(2.568)


def test_more_pings_where_more_are_lost():
    assert pings_needed(0.0) == PINGS
    assert PINGS < pings_needed(50.0) < MOST_PINGS
    assert pings_needed(99.9) == MOST_PINGS
