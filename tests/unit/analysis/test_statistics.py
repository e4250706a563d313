"""Statistics against values worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from discovery.analysis import statistics


def test_a_mean_has_an_interval_around_it_that_never_changes():
    values = np.arange(1, 101)
    first = statistics.mean(values)
    assert first.value == 50.5
    assert first.n == 100
    # The standard error of this mean is 2.9.
    assert first.low == pytest.approx(50.5 - 1.96 * 2.9, abs=0.6)
    assert first.high == pytest.approx(50.5 + 1.96 * 2.9, abs=0.6)
    assert statistics.mean(values) == first


def test_small_samples_have_no_interval():
    assert statistics.mean([]).n == 0
    assert math.isnan(statistics.mean([]).value)
    alone = statistics.mean([3.0])
    assert alone.value == 3.0
    assert math.isnan(alone.low)


def test_equal_values_have_an_interval_of_no_width():
    same = statistics.mean([2.0] * 10)
    assert (same.low, same.high) == (2.0, 2.0)


def test_a_quantile_counts_what_never_completed():
    never = math.inf
    assert statistics.quantile([1, 2, 3, never], 0.5).value == 2
    assert statistics.quantile([1, never, never], 0.5).value == never
    many = statistics.quantile([*range(1, 100), never], 0.5)
    # Ranks 40 and 61 of 100 hold the median at 95 %: binomial tables.
    assert (many.low, many.high) == (40, 61)
    assert math.isnan(statistics.quantile([1.0, 2.0], 0.95).high)


def test_no_failure_still_leaves_room_for_some():
    none = statistics.failure_share(0, 10)
    assert none.value == none.low == 0
    assert none.high == pytest.approx(0.2775, abs=1e-3)  # Wilson, z = 1.96: z²/(n + z²)
    assert statistics.failure_share(0, 0).n == 0


def test_a_ratio_of_means():
    ratio = statistics.ratio([4.0, 4.0, 4.0], [2.0, 2.0])
    assert (ratio.value, ratio.low, ratio.high, ratio.n) == (2.0, 2.0, 2.0, 5)
    assert math.isnan(statistics.ratio([], [1.0]).value)
    assert statistics.ratio([1.0, 9.0, 2.0], [1.0, 1.0], np.median).value == 2.0


def test_cliffs_delta_of_separate_equal_and_mixed_samples():
    assert statistics.cliffs_delta([3, 4], [1, 2]) == 1
    assert statistics.cliffs_delta([1, 2], [3, 4]) == -1
    assert statistics.cliffs_delta([1, 2], [1, 2]) == 0
    assert statistics.cliffs_delta([1, 3], [2]) == 0
    assert math.isnan(statistics.cliffs_delta([], [1]))


def iterations(times, errors=None, client="site-2"):
    return pd.DataFrame(
        {
            "cell": "a-cell",
            "client_site": client,
            "actions_s": [float(time) for time in times],
            "error": errors or [None] * len(times),
        }
    )


def test_the_2018_study_dropped_errors_and_each_clients_slowest():
    first = iterations([1, 2, 3, 4, 5, 6, 7, 8, 9, 100])
    second = iterations([10, 20, 30], client="site-3")
    broken = iterations([1000], errors=["HTTP 500"])
    kept = statistics.as_in_2018(pd.concat([first, second, broken]), "actions_s")
    assert sorted(kept["actions_s"]) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20]


def test_the_2018_studys_cut_is_strict_and_so_drops_every_equal_time():
    assert statistics.as_in_2018(iterations([5, 5, 5]), "actions_s").empty


def test_a_failed_iteration_never_completes():
    times = statistics.with_failures(iterations([1, 2], errors=[None, "HTTP 500"]), "actions_s")
    assert list(times) == [1.0, math.inf]
