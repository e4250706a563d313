"""Round trips fitted against the ones that the generator of the raw cells put in."""

import numpy as np
import pandas as pd
import pytest

from discovery.analysis.model import (
    fit,
    path_rtt,
    predict,
    queries_per_iteration,
    residuals,
    slopes_and_counts,
)


def select(table, **levels):
    for factor, level in levels.items():
        table = table[table[factor] == level]
    return table


def test_the_fit_finds_the_round_trips_that_are_there(study):
    fitted = fit(study)
    scenario = "get-entities"
    # The generator: 35 queries in actions, 12 to log in, times 1.03 for its jitter; 3 commits.
    one_server = select(fitted, scenario=scenario, backend="mariadb", load="light").iloc[0]
    assert one_server["round_trips"] == pytest.approx(47 * 1.03, rel=0.02)
    assert (
        one_server["round_trips_low"] < one_server["round_trips"] < one_server["round_trips_high"]
    )
    galera = select(fitted, scenario=scenario, backend="galera", load="light").iloc[0]
    assert galera["round_trips"] == pytest.approx(3 * 1.03, rel=0.05)
    assert 0 < one_server["base_s"] < 0.3


def test_an_exact_line_is_found_exactly(study):
    tables = dict(study)
    iterations = study["iterations"].merge(path_rtt(study), on=["cell", "client_site"])
    exact = 0.5 + 7 * iterations["rtt_ms"] / 1e3
    tables["iterations"] = iterations.assign(duration_s=exact, error=None).drop(columns="rtt_ms")
    fitted = fit(tables)
    assert fitted["round_trips"].to_numpy() == pytest.approx(np.full(len(fitted), 7.0))
    assert fitted["base_s"].to_numpy() == pytest.approx(np.full(len(fitted), 0.5))
    for end in ("base_s_low", "base_s_high"):
        assert fitted[end].to_numpy() == pytest.approx(np.full(len(fitted), 0.5))
    assert fitted["residual_s"].to_numpy() == pytest.approx(np.zeros(len(fitted)), abs=1e-9)
    assert residuals(tables, fitted)["share"].to_numpy() == pytest.approx(0.0, abs=1e-9)


def test_a_residual_is_a_share_of_the_line(study):
    fitted = fit(study)
    points = residuals(study, fitted)
    one = points.iloc[0]
    line = select(fitted, **{name: one[name] for name in ("scenario", "backend", "load")}).iloc[0]
    fitted_s = line["base_s"] + line["round_trips"] * one["rtt_ms"] / 1e3
    assert one["fitted_s"] == pytest.approx(fitted_s)
    assert one["share"] == pytest.approx(one["measured_s"] / fitted_s - 1)
    mine = select(points, **{name: one[name] for name in ("scenario", "backend", "load")})
    squares = np.average((mine["measured_s"] - mine["fitted_s"]) ** 2, weights=mine["n"])
    assert line["residual_s"] == pytest.approx(np.sqrt(squares))


def test_without_a_line_there_is_no_residual(study):
    tables = {name: select(table, delay="0") for name, table in study.items()}
    assert residuals(tables, fit(tables)).empty


def test_a_line_that_meets_both_of_two_points_has_no_residual(study):
    near_and_far = study["iterations"]["delay"].isin(["0", "50"])
    light = study["iterations"]["load"] == "light"
    tables = {**study, "iterations": study["iterations"][near_and_far & light]}
    fitted = fit(tables)
    assert fitted["round_trips"].notna().all()
    assert fitted["residual_s"].isna().all()
    points = residuals(tables, fitted)
    assert len(points) == 2 * len(fitted)
    assert points["share"].isna().all()


def test_what_is_expected_to_cross_the_wan():
    keys = {"sites": 3, "load": "light", "scenario": "get-entities"}
    counted = pd.DataFrame(
        [
            {**keys, "backend": name, "queries": 40.0, "commits": 4.0}
            for name in ("mariadb", "galera", "rome-cluster")
        ]
    )
    lines = pd.DataFrame([{**keys, "backend": "mariadb", "round_trips": 41.0}])
    joined = slopes_and_counts(lines, counted).set_index("backend")
    assert joined["expected"].to_dict() == {"mariadb": 40.0, "galera": 4.0, "rome-cluster": 40.0}
    assert joined["round_trips"].notna().tolist() == [True, False, False]


def test_reads_are_weighted_and_missing_where_nobody_counted_them(study):
    assert queries_per_iteration(study)["read_share"].isna().all()
    queries = study["queries"].assign(read_share=0.9, iterations=1)
    first = (queries["backend"] == "mariadb") & (queries["load"] == "light")
    far = first & (queries["delay"] == "150")
    queries.loc[far, ["read_share", "iterations"]] = [0.5, 3]
    counted = queries_per_iteration({**study, "queries": queries})
    reads = select(counted, backend="mariadb", load="light")["read_share"]
    assert reads.to_numpy() == pytest.approx((0.9 + 3 * 0.5) / 4)


def test_one_delay_gives_no_slope(study):
    tables = {name: select(table, delay="0") for name, table in study.items()}
    fitted = fit(tables)
    assert len(fitted)
    assert fitted["round_trips"].isna().all()


def test_each_back_end_waits_for_another_path():
    pairs = [("site-1", "site-2", 10.0), ("site-1", "site-3", 20.0), ("site-2", "site-1", 10.0)]
    pairs += [("site-2", "site-3", 30.0), ("site-3", "site-1", 20.0), ("site-3", "site-2", 30.0)]
    frame = pd.DataFrame(pairs, columns=["source", "destination", "measured_rtt_ms"])
    wan = pd.concat(
        [frame.assign(cell=name, backend=name, when="shaped") for name in ("mariadb", "galera")]
    )
    rtt = path_rtt({"wan": wan}).set_index(["cell", "client_site"])["rtt_ms"]
    assert list(rtt["mariadb"]) == [0.0, 10.0, 20.0]
    assert list(rtt["galera"]) == [20.0, 30.0, 30.0]


def test_a_path_whose_packets_were_all_lost_is_not_guessed():
    wan = pd.DataFrame(
        {
            "source": ["site-2", "site-2"],
            "destination": ["site-1", "site-3"],
            "measured_rtt_ms": [np.nan, 30.0],
            "cell": "galera",
            "backend": "galera",
            "when": "shaped",
        }
    )
    assert path_rtt({"wan": wan})["rtt_ms"].isna().all()


def test_queries_times_round_trip_predicts_a_one_server_back_end(study):
    far = select(predict(study), backend="mariadb", load="light", delay="150")
    assert (far["measured_s"] / far["predicted_s"]).to_numpy() == pytest.approx([1.0, 1.0], abs=0.1)
    near = select(predict(study), backend="galera", load="light", delay="150")
    assert (near["measured_s"] < near["predicted_s"] / 5).all()


def test_queries_are_weighted_by_iterations_of_the_wan_cells(study):
    counted = queries_per_iteration(study)
    row = select(counted, backend="mariadb", load="light", scenario="get-entities").iloc[0]
    assert row["queries"] == pytest.approx(47, rel=0.03)
    assert row["n_counted"] == 20
