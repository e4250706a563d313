"""Nova on several data stores: what is computed, on tables small enough to check by hand."""

from pathlib import Path

import numpy as np
import pytest

from discovery.analysis import nova
from discovery.analysis.nova_numbers import burst_numbers
from discovery.analysis.nova_tables import operations_table, side_by_side
from discovery.claims.published_values import read_values
from tests.unit.claims.nova_tables import cell, tables

PUBLISHED = read_values(Path("experiments/nova-2017"))


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(1)

    def measured(mean, number):
        calls = rng.normal(mean, mean / 10, 200)
        return {"calls": list(calls), "completion_s": 1000 * mean + number, "volume_mb": 2.0}

    return tables(
        [
            (cell(variant, sites, delay, repetition=number), measured(mean, number))
            for variant, mean in (("vanilla", 0.09), ("vanilla-again", 0.1), ("redis-nova", 0.07))
            for sites, delay in ((3, 10.0), (4, 10.0))
            for number in (1, 2)
        ]
        + [(cell("vanilla", 1, 0.0), measured(0.04, 1)), (cell("redis-nova-one", 1, 0.0), {})]
    )


def row(table, **levels):
    for key, level in levels.items():
        table = table[table[key] == level]
    (only,) = table.to_dict("records")
    return only


def test_the_mean_call_has_the_published_one_beside_it(found):
    both = nova.with_published(nova.mean_calls(found), PUBLISHED, "calls", "duration_s")
    one = row(both, variant="vanilla", sites=1)
    assert one["value"] == pytest.approx(0.04, rel=0.02)
    assert one["low"] < one["value"] < one["high"]
    assert (one["n"], one["failures"], one["published"], one["unit"]) == (200, 0, 37, "ms")
    # The study has no call of three sites, and we have none of four Redis nodes.
    assert np.isnan(row(both, variant="vanilla", sites=3)["published"])
    assert np.isnan(row(both, variant="redis-nova-4")["value"])


def test_a_burst_is_a_value_per_repetition(found):
    both = nova.with_published(nova.completion(found), PUBLISHED, "bursts", "completion_s")
    one = row(both, variant="redis-nova", sites=4, one_way_delay_ms=10.0)
    assert one["value"] == pytest.approx(71.5)
    assert (one["n"], one["published"]) == (20, 263)
    alone = row(both, variant="vanilla", sites=1)
    assert np.isnan(alone["low"])


def test_a_burst_of_which_nothing_was_active_has_no_time():
    all_failed = tables([(cell("vanilla-galera"), {"failed": 10})])
    (one,) = nova.completion(all_failed).to_dict("records")
    assert np.isnan(one["value"])
    assert (one["n"], one["failures"]) == (10, 10)


def test_volume_is_of_all_pairs_and_by_destination(found):
    whole = row(nova.volume(found), variant="vanilla", sites=1)
    assert whole["value"] == pytest.approx(4 * 4 * 2.0)
    parts = nova.volume_to(found)
    to_compute = row(parts, variant="vanilla", sites=1, destination="compute")
    assert to_compute["value"] == pytest.approx(4 * 2.0)
    both = nova.with_published(parts, PUBLISHED, "volumes", "volume_mb")
    assert row(both, variant="vanilla", sites=1, destination="compute")["published"] == 336


def test_round_trips_times_rtt_predict_an_operation(found):
    operations = nova.operations(found)
    one = row(
        operations,
        variant="redis-nova",
        sites=3,
        function="db.main.api.instance_get",
    )
    # nova_cell1 is on the first master of the cluster, and the caller on the third site.
    assert one["rtt_ms"] == pytest.approx(20.5)
    assert one["predicted_s"] == pytest.approx(3 * 0.0205)
    assert one["residual_s"] == pytest.approx(one["measured_s"] - 3 * 0.0205)
    beside = row(operations, variant="vanilla", sites=1, function="db.main.api.instance_get")
    assert beside["predicted_s"] == 0
    shown, computed = operations_table(operations)
    assert computed["total_s"].is_monotonic_decreasing or len(shown) <= 15
    assert shown["predicted (ms)"].isin(["61.5", "0.0"]).all()


def test_the_noise_is_the_ratio_of_two_that_differ_in_nothing(found):
    noise = nova.noise(found)
    assert set(noise["measure"]) == {"mean call", "burst", "volume"}
    assert row(noise, measure="burst", sites=3)["ratio"] == pytest.approx(101.5 / 91.5)
    assert row(noise, measure="volume", sites=4)["ratio"] == 1
    numbers = burst_numbers(found)
    assert numbers["nova-noise-burst-s3-d10"]["value"] == pytest.approx(101.5 / 91.5)
    assert numbers["nova-burst-vanilla-s3-d10"]["n"] == 20


def test_without_a_second_name_there_is_no_noise_floor():
    assert nova.noise(tables([(cell("vanilla"), {"calls": [1.0, 2.0]})])).empty


def test_a_table_says_what_was_not_run_and_what_was_not_published(found):
    both = nova.with_published(nova.completion(found), PUBLISHED, "bursts", "completion_s")
    shown, computed = side_by_side(both, unit="s")
    assert len(shown) == len(computed) == len(both)
    galera = shown[(shown["variant"] == "vanilla-galera") & (shown["sites"] == 8)]
    assert set(galera["measured (s)"]) == {"not run"}
    assert set(galera["published (s)"]) == {"1988", ""}  # none at 50 ms
    ours = shown[(shown["variant"] == "vanilla") & (shown["sites"] == 3)].iloc[0]
    assert ours["measured (s)"].startswith("91.50 [")
    assert ours["published (s)"] == ""


def test_servers_are_shared_out_over_the_sites(found):
    shares = nova.shares(found)
    three = shares[(shares["variant"] == "vanilla") & (shares["sites"] == 3)]
    assert three["share"].tolist() == pytest.approx([0.4, 0.3, 0.3])
