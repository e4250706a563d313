"""The study's statistic and ours on the same iterations."""

import math

import numpy as np
import pandas as pd
import pytest

from discovery.analysis import style
from discovery.analysis.both_ways import (
    VERDICT_COLUMNS,
    compare_means,
    compare_ratios,
    compare_verdicts,
    cut,
)
from discovery.analysis.both_ways_plots import both_ways_figure
from discovery.analysis.study_tables import verdicts_table
from discovery.analysis.summary import summarise
from discovery.claims.models import Claims
from discovery.claims.verdicts import Judged, Judgement, Part, Verdicts

KEYS = {"sites": 3, "load": "light", "scenario": "get-entities", "one_way_delay_ms": 0.0}


def test_the_cut_keeps_what_the_summary_calls_the_studys(study, summary):
    kept = cut(study)
    assert kept["iterations"]["error"].isna().all()
    again = summarise(kept).query("n > 0")
    before = summary.query("original_n > 0")
    assert again["mean_s"].to_numpy() == pytest.approx(before["original_s"].to_numpy())
    assert again["n"].tolist() == before["original_n"].tolist()
    assert len(kept["actions"]) < len(study["actions"])
    assert kept["cells"] is study["cells"]


def test_the_cut_of_nothing_is_nothing(study):
    none = {**study, **{name: study[name].iloc[:0] for name in ("iterations", "actions")}}
    assert cut(none)["iterations"].empty


def group(backend, ours, theirs, *, n=10, failures=0, kept=9):
    return {
        **KEYS,
        "delay": "0",
        "backend": backend,
        "n": n,
        "failures": failures,
        "mean_s": ours,
        "original_s": theirs,
        "original_n": kept,
    }


def test_what_the_cut_leaves_of_a_mean():
    rows = [group("mariadb", 2.0, 1.5), group("galera", math.nan, math.nan, failures=10, kept=0)]
    table = compare_means(pd.DataFrame(rows)).set_index("backend")
    assert table.loc["mariadb", ["remains", "dropped"]].tolist() == [0.75, 1]
    assert math.isnan(table.loc["galera", "remains"])
    assert table.loc["galera", "dropped"] == 0


def test_a_ratio_turns_where_the_other_is_the_faster():
    rows = [
        group("mariadb", 1.1, 0.9),
        group("galera", 1.0, 1.0),
        group("postgresql", 2.0, 1.8),
        group("rome", math.nan, math.nan),
    ]
    table = compare_ratios(pd.DataFrame(rows), to="galera").set_index("backend")
    assert list(table.index) == ["mariadb", "postgresql"]
    assert table.loc["mariadb", ["ours", "theirs", "turns"]].tolist() == [1.1, 0.9, True]
    assert not table.loc["postgresql", "turns"]
    assert compare_ratios(pd.DataFrame(rows[:1]), to="galera").empty


def test_both_are_drawn_with_any_hole_in_the_data(gappy):
    _, summary = gappy
    figure = both_ways_figure(
        compare_means(summary), compare_ratios(summary, to="galera"), to="galera"
    )
    with style.figure_style():
        figure.draw_without_rendering()


def test_the_figure_rings_what_turns_and_names_what_has_no_mean():
    rows = [
        group("mariadb", 1.1, 0.9),
        group("galera", 1.0, 1.0),
        group("postgresql", math.nan, math.nan),
    ]
    table = pd.DataFrame(rows)
    figure = both_ways_figure(compare_means(table), compare_ratios(table, to="galera"), to="galera")
    left, right = figure.axes
    assert [text.get_text() for text in left.texts] == ["1 without a mean"]
    rings = [line for line in right.lines if line.get_markersize() == 7]
    assert [ring.get_xydata().tolist() for ring in rings] == [[[1.1, 0.9]]]


def claims(*kinds):
    where = {"load": "light"}
    relations = {
        "ratio": {
            "numerator": {"backend": "galera"},
            "denominator": {"backend": "mariadb"},
            "low": 1.0,
        },
        "share": {"low": 0.9},
    }
    return Claims.model_validate(
        {
            "experiment": "keystone-2018",
            "study": {"title": "t", "authors": "a", "year": 2018, "url": "https://example.org"},
            "claims": [
                {
                    "id": f"C{number}",
                    "title": "t",
                    "statement": "s",
                    "source": "f",
                    "relation": {"kind": kind, "where": where, **relations[kind]},
                }
                for number, kind in enumerate(kinds, start=1)
            ],
        }
    )


def verdicts(*verdicts_of_parts, effect=2.0):
    judged = [
        Judgement(
            id=f"C{number}",
            title="t",
            statement="s",
            source="f",
            origin="published",
            verdict=verdict,
            why="because",
            n=1,
            failures=0,
            parts=(part(verdict, effect),),
        )
        for number, verdict in enumerate(verdicts_of_parts, start=1)
    ]
    return Verdicts.model_construct(claims=tuple(judged))


def part(verdict, effect):
    if effect is None or verdict == "not run":
        return Part(verdict=verdict, why="w")
    judged = Judged(
        label="a / b",
        unit="×",
        effect=effect,
        low=effect - 0.5,
        high=effect + 0.5,
        bound_low=1.0,
        bound_high=None,
        published=None,
        verdict=verdict,
    )
    return Part(label="here", verdict=verdict, why="w", effects=(judged,))


def test_verdicts_on_times_are_compared_and_others_are_not():
    table = compare_verdicts(
        claims("ratio", "share", "ratio"),
        verdicts("supported", "supported", "not run"),
        verdicts("inconclusive", "contradicted", "not run", effect=1.2),
    )
    assert list(table.columns) == VERDICT_COLUMNS
    assert table["claim"].tolist() == ["C1"]
    row = table.iloc[0]
    assert row[["ours", "theirs", "verdict", "verdict_theirs"]].tolist() == [
        2.0,
        1.2,
        "supported",
        "inconclusive",
    ]


def test_where_too_many_failed_survivors_have_an_effect_and_ours_has_none():
    table = compare_verdicts(
        claims("ratio"), verdicts("inconclusive", effect=None), verdicts("supported")
    )
    assert np.isnan(table.loc[0, "ours"])
    assert (table.loc[0, "theirs"], table.loc[0, "effect"]) == (2.0, "a / b")


def test_the_table_shows_what_differs_first_of_all():
    rows = pd.DataFrame(
        [
            ("C1", "t", "x", "a / b", 2.0, 1.5, 2.5, 1.2, 0.7, 1.7, "supported", "supported"),
            ("C1", "t", "y", "a / b", 2.0, 1.5, 2.5, 1.2, 0.7, 1.7, "supported", "inconclusive"),
            ("C2", "t", "", "a / b", 2.0, 1.5, 2.5, 1.9, 1.4, 2.4, "supported", "supported"),
            ("C2", "t", "z", "a / b", 2.0, 1.5, 2.5, 1.9, 1.4, 2.4, "supported", "supported"),
        ],
        columns=VERDICT_COLUMNS,
    )
    shown, whole = verdicts_table(rows)
    assert list(zip(shown["claim"], shown["part"], strict=True)) == [("C1", "y"), ("C2", "whole")]
    assert shown["after the cut"].tolist() == ["1.20 [0.70, 1.70]", "1.90 [1.40, 2.40]"]
    assert len(whole) == 4
    assert verdicts_table(rows.iloc[:0])[0].empty
