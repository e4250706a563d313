"""Groups that were asked for are rows, whatever came of them."""

import math

import pytest

from discovery.analysis.summary import asked, completion, conditions, mean_actions


def test_every_group_that_was_asked_for_is_a_row(study, summary):
    assert len(summary) == 3 * 3 * 2 * 2
    assert summary["asked"].sum() == study["cells"]["times"].iloc[0] * 2 * 9 * (1 + 3)
    assert set(summary.loc[summary["load"] == "high", "asked"]) == {30}


def test_a_failed_cell_has_rows_without_a_mean(summary):
    broken = summary[summary["failed_cells"] == 1]
    assert set(zip(broken["backend"], broken["delay"], broken["load"], strict=True)) == {
        ("galera", "150", "high")
    }
    assert set(broken["n"]) == {0}
    assert broken["mean_s"].isna().all()


def test_failures_are_counted_and_make_the_tail_endless(study, summary):
    hurt = summary[summary["failures"] > 0]
    assert set(hurt["backend"]) == {"mariadb"}
    assert hurt["failures"].sum() == study["iterations"]["error"].notna().sum()
    assert (hurt.loc[hurt["failure_share"] > 0.05, "p95_s"] == math.inf).all()
    assert (hurt["original_n"] < hurt["n"] - hurt["failures"]).all()


def test_an_iteration_is_its_actions_and_the_rest(study):
    whole = completion(study)
    assert len(whole) == len(study["iterations"])
    total = whole["actions_s"] + whole["outside_s"]
    assert total.to_numpy() == pytest.approx(whole["duration_s"].to_numpy())
    assert (whole["outside_s"] > 0).all()


def test_stacked_actions_add_up_to_the_mean(study, summary):
    stacked = mean_actions(study)
    keys = ["sites", "load", "scenario", "backend", "delay"]
    totals = stacked.groupby(keys)["mean_s"].sum()
    means = summary[summary["n"] > 0].set_index(keys)["mean_s"]
    assert totals.sort_index().to_numpy() == pytest.approx(means.sort_index().to_numpy())


def test_actions_keep_the_order_they_ran_in(study):
    stacked = mean_actions(study)
    first = stacked[
        (stacked["scenario"] == "get-entities")
        & (stacked["backend"] == "mariadb")
        & (stacked["delay"] == "0")
        & (stacked["load"] == "light")
    ]
    assert list(first["action"])[:3] == [
        "keystone_v3.create_project",
        "keystone_v3.create_user",
        "keystone_v3.create_role",
    ]


def test_conditions_come_light_first(study):
    assert conditions(study) == [(3, "light"), (3, "high")]


def test_light_load_asks_one_client(study):
    light = asked(study)
    assert set(light.loc[light["load"] == "light", "asked"]) == {10}
