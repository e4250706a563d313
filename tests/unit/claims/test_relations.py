"""Each relation reaches each verdict, and for the right reason."""

from pathlib import Path

import pandas as pd
import pytest

from discovery.claims.judge import judge
from discovery.claims.models import Claims
from discovery.claims.published import COLUMNS
from discovery.claims.wording import number
from discovery.evaluation.claim_rows import claim_row
from discovery.experiment.load import load_experiment
from tests.unit.claims.tables import SCENARIO, around, grid, tables

KEYSTONE_2018 = Path(__file__).parents[3] / "experiments" / "keystone-2018"
NOTHING_PUBLISHED = pd.DataFrame(columns=list(COLUMNS))
WHERE = {"scenario": SCENARIO}


def verdict_of(relation, found, *, tier="laptop", published_table=NOTHING_PUBLISHED, **claim):
    claims = Claims.model_validate(
        {
            "experiment": "keystone-2018",
            "study": {"title": "t", "authors": "a", "year": 2018, "url": "https://example.org"},
            "claims": [
                {
                    "id": "C1",
                    "title": "t",
                    "statement": "s",
                    "source": "f",
                    "relation": relation,
                    **claim,
                }
            ],
        }
    )
    experiment = load_experiment(KEYSTONE_2018)
    return judge(claims, experiment, tier, found, published_table).claims[0]


RATIO = {
    "kind": "ratio",
    "where": {**WHERE, "one_way_delay_ms": 0.0},
    "numerator": {"backend": "mariadb"},
    "denominator": {"backend": "galera"},
    "low": 1.5,
    "high": 2.5,
}


@pytest.mark.parametrize(
    ("mariadb", "verdict"), [(2.0, "supported"), (4.0, "contradicted"), (2.5, "inconclusive")]
)
def test_the_interval_decides_a_ratio(mariadb, verdict):
    found = tables(
        grid(["mariadb", "galera"], [0], lambda backend, _: {"mariadb": mariadb}.get(backend, 1.0))
    )
    judgement = verdict_of(RATIO, found)
    (effect,) = judgement.parts[0].effects
    assert judgement.verdict == verdict
    assert effect.effect == pytest.approx(mariadb)
    assert effect.low < mariadb < effect.high
    assert (judgement.n, judgement.failures) == (40, 0)
    assert [term.value for term in judgement.parts[0].measured] == pytest.approx([mariadb, 1.0])


def test_verdicts_repeat():
    found = tables(grid(["mariadb", "galera"], [0], lambda *_: 1.0))
    assert verdict_of(RATIO, found) == verdict_of(RATIO, found)


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [
        ({"galera": 1.0, "mariadb": 1.5, "postgresql": 2.0}, "supported"),
        ({"galera": 1.0, "mariadb": 3.0, "postgresql": 2.0}, "contradicted"),
        ({"galera": 1.0, "mariadb": 2.0, "postgresql": 2.0}, "inconclusive"),
    ],
)
def test_an_order_needs_every_pair(seconds, verdict):
    found = tables(grid(list(seconds), [0], lambda backend, _: seconds[backend]))
    terms = [{"backend": name} for name in ("galera", "mariadb", "postgresql")]
    assert verdict_of({"kind": "order", "where": WHERE, "terms": terms}, found).verdict == verdict


def test_a_tolerance_lets_equals_be_in_order():
    found = tables(grid(["galera", "mariadb"], [0], lambda *_: 1.0))
    terms = [{"backend": "galera"}, {"backend": "mariadb"}]
    relation = {"kind": "order", "where": WHERE, "terms": terms, "tolerance": 0.1}
    assert verdict_of(relation, found).verdict == "supported"


def slope_tables(trips, bend=0.0):
    """A time of 0.1 s plus ``trips`` round trips, and ``bend`` s more at the middle delay."""
    return tables(
        grid(
            ["mariadb"],
            [0, 50, 150],
            lambda _, delay: 0.1 + trips * 2 * delay / 1000 + bend * (delay == 50),
        )
    )


SLOPE = {"kind": "slope", "where": {**WHERE, "backend": "mariadb"}, "low": 20.0, "high": 30.0}


@pytest.mark.parametrize(("trips", "verdict"), [(25, "supported"), (11, "contradicted")])
def test_a_slope_counts_round_trips_not_one_way_delays(trips, verdict):
    judgement = verdict_of(SLOPE, slope_tables(trips))
    assert judgement.verdict == verdict
    assert judgement.parts[0].effects[0].effect == pytest.approx(trips)


def test_what_a_matrix_has_on_average_is_no_point_of_a_slope():
    found = tables(
        grid(
            ["mariadb"],
            [0, 50, 115, 150],
            lambda _, delay: 0.1 if delay == 115 else 0.1 + 25 * 2 * delay / 1000,
        )
    )
    assert verdict_of(SLOPE, found).parts[0].effects[0].effect != pytest.approx(25)
    for table in found.values():
        table.loc[table["one_way_delay_ms"] == 115, "delay"] = "zones"
    judgement = verdict_of(SLOPE, found)
    assert judgement.parts[0].effects[0].effect == pytest.approx(25)
    named = verdict_of({**SLOPE, "where": {**SLOPE["where"], "delay": "zones"}}, found)
    assert named.verdict == "not run"


def test_a_bent_line_is_not_linear():
    relation = {**SLOPE, "residual": 0.1}
    assert verdict_of(relation, slope_tables(25)).verdict == "supported"
    bent = verdict_of(relation, slope_tables(25, bend=3.0))
    assert bent.verdict == "contradicted"
    assert "furthest from the line" in bent.why


def test_linearity_needs_three_delays():
    found = tables(grid(["mariadb"], [0, 25], lambda _, delay: 0.1 + delay / 20), tier="smoke")
    judgement = verdict_of({**SLOPE, "residual": 0.1}, found, tier="smoke")
    assert judgement.verdict == "not run"
    assert judgement.why == (
        "tier smoke has 2 of the 3 delays that the relation needs (tiers laptop and full would do)"
    )


@pytest.mark.parametrize(
    ("at_150", "verdict"), [(1.0, "supported"), (1.6, "contradicted"), (1.25, "inconclusive")]
)
def test_constant_compares_every_level_with_the_first(at_150, verdict):
    found = tables(
        grid(["mariadb"], [0, 50, 150], lambda _, delay: at_150 if delay == 150 else 1.0)
    )
    relation = {
        "kind": "constant",
        "factor": "one_way_delay_ms",
        "where": {**WHERE, "backend": "mariadb"},
        "tolerance": 0.25,
    }
    assert verdict_of(relation, found).verdict == verdict


HIGH = ("mariadb", 3, 0, "high")


@pytest.mark.parametrize(
    ("errors", "bounds", "verdict"),
    [
        (0, {"high": 0.15}, "supported"),
        (15, {"high": 0.15}, "contradicted"),
        (3, {"high": 0.15}, "inconclusive"),
        (30, {"low": 0.8}, "supported"),
    ],
)
def test_a_share_has_a_binomial_interval(errors, bounds, verdict):
    found = tables({HIGH: around(1.0, n=30)}, errors={HIGH: errors})
    relation = {"kind": "share", "where": {**WHERE, "backend": "mariadb"}, **bounds}
    judgement = verdict_of(relation, found)
    assert judgement.verdict == verdict
    assert (judgement.n, judgement.failures) == (30, errors)
    effect = judgement.parts[0].effects[0]
    assert effect.effect == pytest.approx(errors / 30)
    assert effect.high > effect.low


def test_the_value_of_an_iteration_is_the_sum_of_its_actions():
    found = tables(grid(["mariadb", "galera"], [0], lambda *_: 1.0))
    whole = verdict_of(RATIO, found).parts[0].measured[0].value
    one = {**RATIO, "where": {**RATIO["where"], "action": "fetch"}}
    assert whole == pytest.approx(1.0)
    assert verdict_of(one, found).parts[0].measured[0].value == pytest.approx(0.25)


def test_failed_iterations_have_no_time_but_are_counted():
    key = ("mariadb", 3, 0, "light")
    times = {key: [100.0, *around(2.0, n=19)], ("galera", 3, 0, "light"): around(1.0)}
    judgement = verdict_of(RATIO, tables(times, errors={key: 1}))
    assert judgement.parts[0].measured[0].value == pytest.approx(2.0)
    assert (judgement.n, judgement.failures) == (40, 1)


def test_survivors_decide_nothing():
    key = ("mariadb", 3, 0, "light")
    found = tables(grid(["mariadb", "galera"], [0], lambda *_: 1.0), errors={key: 5})
    judgement = verdict_of(RATIO, found)
    assert judgement.verdict == "inconclusive"
    assert "5 of 20 iterations of mariadb" in judgement.why
    assert (judgement.n, judgement.failures) == (40, 5)
    assert judgement.parts[0].measured[0].value is None


def test_a_cell_that_broke_is_a_failure_not_a_gap():
    key = ("mariadb", 3, 0, "light")
    found = tables(grid(["mariadb", "galera"], [0], lambda *_: 1.0), failed_cells=[key])
    judgement = verdict_of(RATIO, found)
    assert judgement.verdict == "inconclusive"
    assert "no token from site-2" in judgement.why
    assert judgement.failures == 1


def test_one_value_has_no_interval():
    found = tables(grid(["mariadb", "galera"], [0], lambda *_: 1.0))
    relation = {**RATIO, "table": "queries", "column": "queries_per_iteration"}
    judgement = verdict_of(relation, found)
    assert judgement.verdict == "inconclusive"
    assert "only 1 value" in judgement.why


def test_a_tier_that_would_do_has_the_level_under_the_name_that_tables_have():
    found = tables(grid(["galera"], [0], lambda *_: 1.0), tier="smoke")
    relation = {"kind": "share", "where": {"backend": "galera", "delay": "zones"}, "high": 0.5}
    why = verdict_of(relation, found, tier="smoke").why
    assert why == "tier smoke has no cell with delay zones (tiers laptop and full would do)"
    relation["where"] = {"backend": "cockroachdb", "variation": "one-zone"}
    assert verdict_of(relation, found, tier="smoke").why == (
        "tier smoke has no cell with cockroachdb, variation one-zone "
        "(tiers laptop and full would do)"
    )


PREFERRED = {**SLOPE, "prefer": {"sites": [9, 3]}}


def at_3_and_9(trips_at_9, *, sites=(3, 9), scenarios=(SCENARIO,)):
    """A time of 25 round trips at 3 sites, and of ``trips_at_9`` at 9."""
    times = {}
    for count in sites:
        trips = {3: 25, 9: trips_at_9}[count]
        grown = grid(["mariadb"], [0, 50, 150], lambda _, d, t=trips: 0.1 + t * 2 * d / 1000)
        times |= {(name, count, *rest): value for (name, _, *rest), value in grown.items()}
    return tables(times, scenarios=scenarios)


def test_a_claim_is_judged_at_the_first_level_it_prefers_that_was_run():
    both = verdict_of(PREFERRED, at_3_and_9(11))
    assert (both.verdict, both.at) == ("contradicted", "at 9 sites")
    assert both.why.startswith("at 9 sites: growth in round trips is 11 ")
    assert both.parts[0].measured[0].levels["sites"] == 9
    small = verdict_of(PREFERRED, at_3_and_9(11, sites=[3]))
    assert (small.verdict, small.at) == ("supported", "at 3 sites")
    # Never at both together: 9 sites alone would do for a slope, and so would 3.
    assert {both.n, small.n} == {60}


def test_a_level_at_which_nothing_can_be_judged_is_passed_over():
    found = at_3_and_9(11)
    near = {
        name: table[(table["sites"] == 3) | (table["one_way_delay_ms"] == 0)]
        for name, table in found.items()
    }
    judgement = verdict_of(PREFERRED, near)
    assert (judgement.verdict, judgement.at) == ("supported", "at 3 sites")


def test_what_was_run_at_no_level_is_not_run_and_names_none():
    judgement = verdict_of({**PREFERRED, "where": {"backend": "galera"}}, at_3_and_9(11))
    assert (judgement.verdict, judgement.at) == ("not run", "")
    assert judgement.why == "this run has no cell with galera, though tier laptop asks for it"


def test_a_tier_would_do_that_has_what_is_needed_at_any_level_that_is_preferred():
    found = tables(grid(["mariadb"], [0, 25], lambda _, delay: 0.1 + delay / 20), tier="smoke")
    # The laptop tier has three delays at 9 sites, and two at 3.
    assert verdict_of({**PREFERRED, "residual": 0.1}, found, tier="smoke").why == (
        "tier smoke has 2 of the 3 delays that the relation needs (tiers laptop and full would do)"
    )


EACH = {"each": {"scenario": [SCENARIO, "get-entities", "create-and-list-users"]}}


def test_a_claim_is_judged_on_the_scenarios_that_were_to_be_run_and_says_how_many():
    relation = {**{key: value for key, value in PREFERRED.items() if key != "where"}, **EACH}
    two = at_3_and_9(25, sites=[9], scenarios=(SCENARIO, "get-entities"))
    judgement = verdict_of({**relation, "where": {"backend": "mariadb"}}, two)
    assert (judgement.verdict, judgement.at) == ("supported", "at 9 sites, on 2 of 3 scenarios")
    assert judgement.why.startswith("at 9 sites, on 2 of 3 scenarios: 2 of 2 supported; ")
    assert [part.left_out for part in judgement.parts] == [False, False, True]
    assert judgement.parts[2].verdict == "not run"
    row = claim_row(judgement)
    assert (row.at, row.parts) == ("at 9 sites, on 2 of 3 scenarios", "2 of 2")


def test_a_scenario_that_was_to_be_run_and_was_not_still_counts():
    relation = {"kind": "share", "where": {"backend": "mariadb"}, "high": 0.5, **EACH}
    found = tables(grid(["mariadb"], [0], lambda *_: 1.0), scenarios=EACH["each"]["scenario"])
    assert verdict_of(relation, found).verdict == "supported"
    found["iterations"] = found["iterations"].query("scenario != 'get-entities'")
    judgement = verdict_of(relation, found)
    assert (judgement.verdict, judgement.at) == ("inconclusive", "")
    # Nor is one left out because nothing at all was run at its other levels.
    each = {**EACH["each"], "one_way_delay_ms": [0.0, 50.0]}
    assert verdict_of({**relation, "each": each}, found).verdict == "inconclusive"


def test_what_was_not_run_says_which_tier_would_do():
    found = tables(grid(["mariadb"], [0], lambda *_: 1.0))
    relation = {"kind": "share", "where": {"backend": "mariadb", "sites": 45}, "high": 0.5}
    judgement = verdict_of(relation, found)
    assert judgement.verdict == "not run"
    assert judgement.why == "tier laptop has no cell with 45 sites (tiers full and scale would do)"


def test_a_tier_that_has_the_missing_level_but_not_the_rest_would_not_do():
    found = tables(grid(["mariadb"], [0], lambda *_: 1.0))
    # The scale tier has 45 sites, under light load and without Galera.
    for where in ({"backend": "mariadb", "load": "high"}, {"backend": "galera"}):
        relation = {"kind": "share", "where": {**where, "sites": 45}, "high": 0.5}
        assert verdict_of(relation, found).why.endswith("(tier full would do)")


def test_a_term_that_says_nothing_is_called_what_the_other_says_it_is_not():
    found = tables(grid(["mariadb", "galera"], [0], lambda *_: 1.0))
    relation = {**RATIO, "where": {"backend": "galera"}}
    relation |= {"numerator": {}, "denominator": {"backend": "mariadb"}}
    assert verdict_of(relation, found).why.startswith("galera / mariadb is ")


def test_three_tiers_that_would_do_are_listed():
    found = tables(grid(["galera"], [0], lambda *_: 1.0), tier="smoke")
    relation = {"kind": "share", "where": {"backend": "galera", "sites": 9}, "high": 0.5}
    why = verdict_of(relation, found, tier="smoke").why
    assert why.endswith("(tiers laptop, full and scale would do)")


def test_a_missing_scenario_is_not_run():
    found = tables(grid(["mariadb", "galera"], [0], lambda *_: 1.0), tier="smoke")
    relation = {**RATIO, "where": {"scenario": "get-entities"}}
    judgement = verdict_of(relation, found, tier="smoke")
    assert judgement.verdict == "not run"
    assert judgement.why.startswith("tier smoke has no iteration of get-entities")


def test_a_claim_with_parts_holds_only_if_all_do():
    def seconds(backend, delay):
        return (4.0 if delay else 2.0) if backend == "mariadb" else 1.0

    found = tables(grid(["mariadb", "galera"], [0, 50], seconds))
    each = {**RATIO, "where": WHERE, "each": {"one_way_delay_ms": [0.0, 50.0]}}
    judgement = verdict_of(each, found)
    assert [part.verdict for part in judgement.parts] == ["supported", "contradicted"]
    assert judgement.verdict == "contradicted"
    assert judgement.why.startswith("1 of 2 supported, 1 of 2 contradicted; 50 ms one way: ")


def test_parts_that_were_not_run_leave_a_claim_open():
    found = tables(grid(["mariadb", "galera"], [0], lambda b, _: 2.0 if b == "mariadb" else 1.0))
    each = {**RATIO, "where": WHERE, "each": {"one_way_delay_ms": [0.0, 50.0]}}
    assert verdict_of(each, found).verdict == "inconclusive"


def published_times(**values):
    rows = [
        ["21", SCENARIO, backend, 9, 0.0, "light", value, 0.01, bound, 0.1, 0.0, "digitised"]
        for backend, (value, bound) in values.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


@pytest.mark.parametrize(
    ("mariadb", "effect"), [((3.0, "exact"), 2.0), ((3.0, "at most"), None), ((None, "none"), None)]
)
def test_the_published_effect_comes_from_the_same_relation(mariadb, effect):
    study = published_times(mariadb=mariadb, galera=(1.5, "exact"))
    found = tables(grid(["mariadb", "galera"], [0], lambda *_: 1.0))
    relation = {**RATIO, "where": {**RATIO["where"], "load": "light", "sites": 3}}
    claim = {"published": {"where": {"sites": 9}}}
    part = verdict_of(relation, found, published_table=study, **claim).parts[0]
    assert part.effects[0].published == effect
    assert [term.label for term in part.published] == ["mariadb", "galera"]


def test_a_study_without_such_levels_has_no_published_effect():
    study = published_times(mariadb=(3.0, "exact"), galera=(1.5, "exact"))
    found = tables(grid(["mariadb", "galera"], [0], lambda *_: 1.0))
    relation = {**RATIO, "where": {**RATIO["where"], "sites": 3}}
    part = verdict_of(relation, found, published_table=study).parts[0]
    assert part.effects[0].published is None
    assert part.published == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (11.42, "11.4"),
        (-0.00496, "−0.005"),
        (-0.0001, "0"),
        (0.0, "0"),
        (1e-9, "0"),
        (120.0, "120"),
    ],
)
def test_numbers_are_written_for_readers(value, text):
    assert number(value, "") == text
    assert number(value, "×") == f"{text}×"
    assert number(value, "s") == f"{text} s"


READ_SHARE = {
    "kind": "within",
    "table": "queries",
    "column": "read_share",
    "where": {**WHERE, "backend": "mariadb"},
    "low": 0.898,
    "high": 0.965,
}


def test_a_value_within_bounds_is_judged_over_cells_not_over_iterations():
    found = tables(grid(["mariadb"], [0, 50, 150], lambda *_: 1.0))
    shares = {"supported": [0.9, 0.91, 0.92], "contradicted": [0.5, 0.6, 0.7]}
    for verdict, values in shares.items():
        judgement = verdict_of(
            READ_SHARE, {**found, "queries": found["queries"].assign(read_share=values)}
        )
        (effect,) = judgement.parts[0].effects
        assert judgement.verdict == verdict
        assert min(values) <= effect.low < effect.effect < effect.high <= max(values)
    one = tables(grid(["mariadb"], [0], lambda *_: 1.0))
    assert verdict_of(READ_SHARE, one).verdict == "inconclusive"


def test_a_claim_is_of_the_studys_own_cells_unless_it_names_a_variation():
    found = tables(
        grid(["mariadb", "galera"], [0], lambda backend, _: {"mariadb": 2.0}.get(backend, 1.0))
    )
    varied = {
        name: pd.concat(
            [
                table,
                table.assign(
                    variation="no-cache",
                    cell=table["cell"].str.replace("light", "light-no-cache"),
                    **({"duration_s": 10 * table["duration_s"]} if "duration_s" in table else {}),
                ).query("backend == 'mariadb'"),
            ],
            ignore_index=True,
        )
        for name, table in found.items()
    }
    study = verdict_of(RATIO, varied)
    assert study.verdict == "supported"
    assert study.n == verdict_of(RATIO, found).n
    named = {**RATIO, "numerator": {"backend": "mariadb", "variation": "no-cache"}}
    judgement = verdict_of(named, varied)
    assert judgement.verdict == "contradicted"
    assert judgement.parts[0].effects[0].effect == pytest.approx(20)


def test_a_number_that_nobody_counted_decides_nothing():
    found = tables(grid(["mariadb"], [0, 50], lambda *_: 1.0))
    found["queries"]["read_share"] = float("nan")
    judgement = verdict_of(READ_SHARE, found)
    assert judgement.verdict == "not run"
    assert "no read share of mariadb" in judgement.why
