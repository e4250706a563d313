"""The paper's sentences follow the numbers; of nothing they say nothing."""

import math

import pandas as pd
import pytest

from discovery.analysis.beside import COLUMNS, HERE, PUBLISHED, RALLY_BESIDE
from discovery.evaluation import beside_findings, findings, model_findings, words

AUTHENTICATE = "authenticate-user-and-validate-token"


def bar(backend, level, value, origin=HERE, *, scenario=AUTHENTICATE, share=0.0, **more):
    row = dict.fromkeys(COLUMNS, math.nan)
    row |= {"scenario": scenario, "level": level, "backend": backend, "origin": origin}
    row |= {"sites": 9 if origin == PUBLISHED else 3, "value_s": value, "bound": "exact"}
    return {**row, "failure_share": share, **more}


def rows(*bars):
    return pd.DataFrame(bars, columns=COLUMNS)


THEIRS = (bar("mariadb", 0.0, 0.134, PUBLISHED), bar("mariadb", 150.0, 0.104, PUBLISHED))
OURS = (bar("mariadb", 0.0, 0.3), bar("mariadb", 150.0, 9.0))


def test_nothing_is_said_of_nothing():
    nothing = pd.DataFrame()
    for say in (
        beside_findings.sizes,
        beside_findings.on_a_lan,
        beside_findings.control,
        beside_findings.survivors,
        beside_findings.placement,
        model_findings.slopes,
        model_findings.residuals,
        model_findings.cut_verdicts,
        findings.reads_published,
    ):
        assert say(nothing) is None
    assert beside_findings.fastest(nothing, "light") is None
    assert beside_findings.flat(nothing, None) is None
    assert model_findings.cut(nothing, nothing) is None


def test_how_many_iterations_are_run_is_said_where_it_differs_too():
    cells = pd.DataFrame(
        [(3, "light", 5, 5), (9, "light", 5, 5), (9, "high", 3, 1)],
        columns=["sites", "load", "times", "concurrency"],
    )
    assert findings.at_once(cells.head(2)) == "Each Rally does 5 iterations of each, 5 at once."
    assert findings.at_once(cells) == (
        "Each Rally does 5 iterations of each, 5 at once; on 9 sites under high load 3, 1 at once."
    )


@pytest.mark.parametrize(
    ("verdict", "words_of_it"),
    [
        ("contradicted", "The flat line does not recur."),
        ("supported", "It recurs."),
        ("inconclusive", "on the LAN. Here"),
        (None, "on the LAN. Here"),
    ],
)
def test_whether_the_flat_line_recurs_is_the_verdicts(verdict, words_of_it):
    text = beside_findings.flat(rows(*THEIRS, *OURS), verdict)
    assert words_of_it in text
    assert "0.104 s at 150 ms one way and 0.134 s on the LAN" in text
    assert text.endswith("it is 9 s at 150 ms and 0.3 s on the LAN, 30 times as long.")
    assert beside_findings.flat(rows(*THEIRS), verdict).endswith("Here it was not run.")


def test_times_of_few_survivors_say_nothing():
    lost = bar("mariadb", 150.0, 9.0, share=0.2)
    assert beside_findings.flat(rows(*THEIRS, OURS[0], lost), "contradicted").endswith("not run.")


def test_rally_beside_the_database_is_told_by_its_own_curve():
    flat = (bar("mariadb", 0.0, 0.3, RALLY_BESIDE), bar("mariadb", 150.0, 0.31, RALLY_BESIDE))
    assert "made again" in beside_findings.rally_beside(rows(*flat))
    steep = (flat[0], bar("mariadb", 150.0, 3.0, RALLY_BESIDE))
    assert "not the study's flat curve" in beside_findings.rally_beside(rows(*steep))
    assert "not part of this run" in beside_findings.rally_beside(rows(*OURS))


def test_the_fastest_is_counted_over_scenarios_of_one_size():
    other = "get-entities"
    table = rows(
        *(bar("galera", 150.0, 1.0, scenario=each) for each in (AUTHENTICATE, other)),
        bar("rome", 150.0, 0.5),
        bar("rome", 150.0, 2.0, scenario=other),
        bar("mariadb", 150.0, 9.0, scenario=other),
        bar("postgresql", 150.0, 0.1, scenario=other, sites=9),
        bar("mariadb", 50.0, 0.1),
    )
    assert beside_findings.fastest(table, "high") == (
        "At 150 ms one way under high load the fastest back end here is Galera in 1 and ROME in 1 "
        "of 2 scenarios."
    )
    failing = table.assign(
        failure_share=table["failure_share"].where(table["backend"] != "rome", 0.3)
    )
    assert "is Galera in 2 of 2" in beside_findings.fastest(failing, "high")
    assert beside_findings.fastest(table[table["backend"] == "galera"], "high") is None


def test_a_lan_is_compared_where_both_have_a_bar():
    table = rows(
        bar("mariadb", 3, 0.1, PUBLISHED),
        bar("mariadb", 3, 0.3),
        bar("galera", 3, 0.1, PUBLISHED, bound="at most"),
        bar("galera", 3, 0.3),
        bar("galera", 45, math.nan, PUBLISHED, bound="none"),
    )
    text = beside_findings.on_a_lan(table)
    assert "with 3 instances" in text
    assert "3 times as long on MariaDB as the study's bar" in text
    assert "Galera" not in text


def test_back_ends_are_compared_at_the_longest_delay():
    table = rows(*OURS, bar("postgresql", 0.0, 9.0), bar("postgresql", 150.0, 4.5))
    assert "takes 0.5 times as long as MariaDB" in beside_findings.control(table)
    assert beside_findings.rome(table) == "ROME was not part of this run."
    with_rome = rows(*OURS, bar("rome", 150.0, 0.9), bar("rome-cluster", 150.0, 0.9))
    assert beside_findings.rome(with_rome) == (
        "At the longest delay under light load, ROME takes 0.1 times as long as MariaDB and ROME "
        "cluster takes 1 times as long as ROME, over the scenarios."
    )


def test_survivors_are_found_in_what_was_published():
    table = rows(
        bar("cockroachdb", 50.0, 18.8, PUBLISHED, share=0.15),
        bar("cockroachdb", 150.0, 13.8, PUBLISHED, share=0.39),
    )
    text = beside_findings.survivors(table)
    assert "falls from 18.8 s at 50 ms to 13.8 s at 150 ms" in text
    assert "rises from 0.15 to 0.39" in text
    assert beside_findings.survivors(table.iloc[:1]) is None


@pytest.mark.parametrize(
    ("sites", "told"), [([9, 9], "times of nine instances."), ([3, 9], "of 3 and 9 sites")]
)
def test_it_says_of_how_many_sites_ours_are(sites, told):
    table = rows(*(bar("mariadb", 0.0, 1.0, sites=size) for size in sites))
    assert told in beside_findings.sizes(table)


def test_placements_are_told_where_none_was_run():
    assert "sites in zones" in beside_findings.placement(rows(*THEIRS))
    assert beside_findings.placement(rows(*THEIRS, *OURS)) is None


def test_a_slope_is_per_request_or_per_commit():
    trips = pd.DataFrame(
        [
            ("mariadb", 50.0, 40.0, "light", 3),
            ("mariadb", 110.0, 100.0, "light", 3),
            ("galera", 8.0, 4.0, "light", 3),
            ("mariadb", 999.0, 1.0, "high", 3),
            ("postgresql", math.nan, 40.0, "light", 3),
        ],
        columns=["backend", "round_trips", "expected", "load", "sites"],
    )
    text = model_findings.slopes(trips)
    assert "1.1 to 1.25 round trips per request on MariaDB" in text
    assert "2 round trips per commit on Galera" in text
    assert "PostgreSQL" not in text


def test_residuals_are_told_apart_by_who_waits():
    points = pd.DataFrame(
        [(50.0, 100.0, 0.02), (50.0, 100.0, -0.1), (50.0, 0.0, -0.8), (0.0, 0.2, 0.5)],
        columns=["one_way_delay_ms", "rtt_ms", "share"],
    )
    text = model_findings.residuals(points)
    assert "within 6.0 % of its line in half" in text
    assert "within 10 % in all" in text
    assert text.endswith("within 50 %.")


def test_two_delays_have_no_residuals_to_tell_of():
    points = pd.DataFrame({"one_way_delay_ms": [25.0, 0.0], "rtt_ms": [50.0, 0.2]})
    assert model_findings.residuals(points.assign(share=math.nan)) is None


def test_what_the_cut_would_do():
    means = pd.DataFrame(
        {"n": [10, 10], "failures": [0, 5], "dropped": [1, 1], "remains": [0.9, 0.7]}
    )
    ratios = pd.DataFrame({"turns": [True, False, False]})
    text = model_findings.cut(means, ratios)
    assert "drop 2 of 15 that succeeded" in text
    assert "20.0 % off a mean in the middle, 30 % at the most" in text
    assert "1 of 3 comparisons" in text
    lost = means.assign(remains=math.nan)
    assert model_findings.cut(lost, ratios) is None


def test_verdicts_that_would_be_others_are_named():
    compared = pd.DataFrame(
        [("C1", math.nan, "contradicted", "inconclusive"), ("C2", "x", "supported", "supported")],
        columns=["claim", "part", "verdict", "verdict_theirs"],
    )
    text = model_findings.cut_verdicts(compared)
    assert text == (
        "Of 2 verdicts on parts of claims 1 would be another: C1 (contradicted, then inconclusive)."
    )
    assert "None of the 1 verdicts" in model_findings.cut_verdicts(compared.iloc[1:])


def test_failures_are_counted_and_the_worst_is_named():
    levels = {"backend": "galera", "sites": 3, "load": "high", "delay": "150"}
    good = [{**levels, "scenario": "get-entities", "error": None}] * 8
    bad = [{**levels, "scenario": "get-entities", "error": "HTTP 500"}] * 2
    rest = [{**levels, "scenario": AUTHENTICATE, "error": None}] * 10
    text = findings.failures(pd.DataFrame([*good, *bad, *rest]))
    assert text.startswith("2 of the 20 iterations")
    assert "get-entities on Galera (3 sites, 150 ms one way, high load: 20 %)" in text
    assert "In 1 of 2 groups" in text
    assert "None of the 10" in findings.failures(pd.DataFrame(rest))
    assert findings.failures(pd.DataFrame(columns=["error"])) == "No iteration was run."


def test_a_back_end_of_the_study_that_is_absent_is_named(monkeypatch):
    monkeypatch.setattr(findings, "why_not_run", lambda name: "no program")
    text = findings.absent(pd.DataFrame({"backend": ["mariadb", "galera", "rome"]}))
    assert text.startswith("No cell ran on CockroachDB: no program.")
    assert findings.absent(pd.DataFrame({"backend": list(findings.STUDIED)})) is None


def test_reads_are_told_where_they_were_counted():
    queries = pd.DataFrame(
        {
            "backend": ["mariadb", "galera"],
            "scenario": AUTHENTICATE,
            "read_share": [0.9, 0.95],
            "iterations": 5,
        }
    )
    assert "90.0 to 95.0 % read" in findings.reads(queries)
    assert "No server" in findings.reads(queries.assign(read_share=math.nan))
    printed = pd.DataFrame({"backend": ["study", "galera"], "read_share": [0.898, 0.1]})
    assert "89.8 to 89.8 %" in findings.reads_published(printed)


def test_words():
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.span(pd.Series([1.0, 1.0])) == "1"
    assert words.span(pd.Series([0.5, 2.0])) == "0.5 to 2"


def test_cells_of_several_days_are_said_to_be_of_the_first_to_the_last():
    started = pd.Series(["2026-11-28T20:42:28+00:00", "2026-11-23T11:08:00+00:00"])
    assert words.dates(started) == "2026-11-23 to 2026-11-28"
    assert words.dates(started.head(1)) == "2026-11-28"
