"""Claims on Nova: calls, bursts, volumes and zones, each to each verdict, for the right reason."""

import re
from pathlib import Path

import numpy as np
import pytest

from discovery.analysis.blocks import blocks
from discovery.claims.judge import judge
from discovery.claims.load import load_claims
from discovery.claims.models import Claims
from discovery.claims.published_values import read_values
from discovery.experiment.load import load_experiment
from tests.unit.claims.nova_tables import cell, tables

NOVA_2017 = Path(__file__).parents[3] / "experiments" / "nova-2017"
STUDY = {"title": "t", "authors": "a", "year": 2017, "url": "https://example.org"}


def judged(found, *ids):
    claims = load_claims(NOVA_2017)
    chosen = [claim for claim in claims.claims if claim.id in ids]
    document = Claims(experiment="nova-2017", study=claims.study, claims=tuple(chosen))
    verdicts = judge(
        document, load_experiment(NOVA_2017), "laptop", found, read_values(NOVA_2017)
    ).claims
    return {one.id: one for one in verdicts}


def around(centre, n=400, spread=0.05):
    return list(np.random.default_rng(5).normal(centre, centre * spread, n))


def pair(numerator, denominator, *, sites=3, delay=10.0, names=("redis-nova", "vanilla")):
    return tables(
        [
            (cell(name, sites, delay, repetition=number), measured(number))
            for name, measured in zip(names, (numerator, denominator), strict=True)
            for number in (1, 2, 3)
        ]
    )


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0.04, "supported"), (0.07, "contradicted"), (0.05, "inconclusive")],
)
def test_the_mean_call_is_judged_on_all_calls(seconds, verdict):
    found = pair(lambda _: {"calls": around(seconds)}, lambda _: {"calls": around(0.1)})
    claim = judged(found, "K1")["K1"]
    assert claim.verdict == verdict
    assert claim.parts[0].effects[0].effect == pytest.approx(seconds / 0.1, rel=0.01)
    assert (claim.n, claim.failures) == (2400, 0)


@pytest.mark.parametrize(("seconds", "verdict"), [(30, "supported"), (50, "contradicted")])
def test_a_burst_is_one_value_and_repetitions_give_its_interval(seconds, verdict):
    found = pair(
        lambda number: {"completion_s": seconds + number},
        lambda number: {"completion_s": 50 + number},
    )
    claim = judged(found, "K2")["K2"]
    assert claim.verdict == verdict
    assert claim.n == 60  # servers
    assert [term.unit for term in claim.parts[0].measured] == ["s", "s"]


def test_a_burst_that_was_run_once_decides_nothing():
    found = tables([(cell(name), {"completion_s": 30}) for name in ("redis-nova", "vanilla")])
    claim = judged(found, "K2")["K2"]
    assert claim.verdict == "inconclusive"
    assert claim.why == "redis-nova has only 1 value, hence no interval"


def test_a_burst_of_which_servers_failed_decides_nothing():
    found = pair(
        lambda number: {"completion_s": 30 + number, "failed": 3},
        lambda number: {"completion_s": 50 + number},
    )
    claim = judged(found, "K2")["K2"]
    assert claim.verdict == "inconclusive"
    assert claim.why == "9 of 30 servers of redis-nova failed, so the others decide nothing"


def test_volume_is_added_up_over_what_is_selected():
    names = ("redis-nova-4", "vanilla")
    found = pair(
        lambda number: {"volume_mb": 1.0 + number / 1000},
        lambda number: {"volume_mb": 1.0 + number / 1000},
        sites=1,
        delay=0.0,
        names=names,
    )
    by_id = judged(found, "C6a", "C7")
    assert by_id["C7"].verdict == "supported"
    assert len(by_id["C7"].parts) == 3
    # From four kinds of node to one.
    assert by_id["C7"].parts[0].measured[0].value == pytest.approx(4.008)
    # The study's own bars contradict it for the compute nodes.
    compute = next(part for part in by_id["C7"].parts if part.label == "to compute")
    assert compute.effects[0].published == pytest.approx(124 / 336)
    four = next(part for part in by_id["C6a"].parts if part.label == "redis-nova-4")
    assert four.verdict == "contradicted"
    assert four.measured[0].value == 16.03  # the digits that are written
    assert four.effects[0].published == pytest.approx(2382 / 1794)


def mixture(fast, slow, share, n=4000):
    """A distribution of which ``share`` is around ``fast`` and the rest around ``slow``."""
    rng = np.random.default_rng(7)
    many = int(n * share)
    values = [*rng.normal(fast, fast / 20, many), *rng.normal(slow, slow / 20, n - many)]
    return list(rng.permutation(values))


@pytest.mark.parametrize(("share", "verdict"), [(0.8, "supported"), (0.6, "contradicted")])
def test_two_distributions_cross_where_the_study_says(share, verdict):
    found = tables(
        [
            (cell("redis-nova-one", 1, 0.0), {"calls": mixture(0.005, 0.2, share)}),
            (cell("vanilla", 1, 0.0), {"calls": around(0.05, 4000)}),
        ]
    )
    (effect,) = judged(found, "C3")["C3"].parts[0].effects
    assert effect.effect == pytest.approx(share, abs=0.011)
    assert effect.low <= effect.effect <= effect.high
    assert effect.verdict == verdict


def test_the_slowest_tenth_is_compared_by_its_quantile():
    found = tables(
        [
            (cell("redis-nova-one", 1, 0.0), {"calls": mixture(0.005, 0.25, 0.8)}),
            (cell("vanilla", 1, 0.0), {"calls": around(0.1, 4000, spread=0.001)}),
        ]
    )
    claim = judged(found, "C4")["C4"]
    assert claim.verdict == "supported"
    (effect,) = claim.parts[0].effects
    assert effect.effect == pytest.approx(2.5, rel=0.03)
    assert effect.published == pytest.approx(219 / 85.5)


def test_more_sites_are_faster_or_not():
    def burst(*seconds):
        return tables(
            [
                (
                    cell("redis-nova", sites, 10.0, repetition=number),
                    {"completion_s": value + number / 10},
                )
                for sites, value in zip((3, 4, 6), seconds, strict=True)
                for number in (1, 2, 3)
            ]
        )

    falling, rising = burst(100, 80, 70), burst(100, 80, 95)
    assert judged(falling, "C8a")["C8a"].verdict == "supported"
    claim = judged(rising, "C8a")["C8a"]
    assert claim.verdict == "contradicted"
    assert claim.why.startswith("6 sites / 4 sites is 1.19×")
    published = [effect.published for effect in claim.parts[0].effects]
    assert published == pytest.approx([263 / 271, 229 / 263])
    one = tables([(cell("redis-nova", 3, 10.0), {})])
    assert judged(one, "C8a")["C8a"].why == (
        "tier laptop has only one number of sites (tier full would do)"
    )


@pytest.mark.parametrize(("moved", "verdict"), [(0, "supported"), (3, "contradicted")])
def test_servers_stay_in_their_zones_or_not(moved, verdict):
    hosts = ["site-1", "site-2", "site-3"] * 10
    hosts[:moved] = ["site-3"] * moved
    found = tables(
        [
            (
                cell("redis-nova", zones="per-site", repetition=number, servers=30),
                {"hosts": hosts},
            )
            for number in (1, 2)
        ]
    )
    claim = judged(found, "C16a")["C16a"]
    assert claim.verdict == verdict
    assert claim.parts[0].measured[0].value == round(1 - max(0, moved - 1) / 30, 3)


def test_an_uneven_spread_is_found():
    hosts = ["site-1"] * 5 + ["site-2"] * 3 + ["site-3"] * 2
    found = tables(
        [(cell("redis-nova", repetition=number), {"hosts": hosts}) for number in (1, 2, 3)]
    )
    claim = judged(found, "C16b")["C16b"]
    assert claim.parts[0].measured[0].value == pytest.approx(1.5)
    assert claim.verdict == "supported"


def test_the_share_of_servers_that_fail_decides_whether_galera_does():
    found = tables([(cell("vanilla-galera", 3, 50.0, servers=60), {"failed": 20})])
    claim = judged(found, "C12")["C12"]
    assert claim.verdict == "supported"
    assert (claim.n, claim.failures) == (60, 20)


def test_without_the_factors_of_nova_nothing_is_selected():
    found = tables([(cell("vanilla"), {"calls": around(0.1)})])
    del found["control_planes"]
    assert judged(found, "K1")["K1"].verdict == "not run"


def test_blocks_have_the_interval_of_dependent_values():
    """Values that come in runs say less than as many that do not."""
    rng = np.random.default_rng(3)
    levels = rng.normal(1.0, 0.2, 100)
    runs = np.repeat(levels, 1000)
    shuffled = rng.permutation(runs)
    narrow, wide = (
        np.ptp(np.quantile(blocks([each]).means(2000, np.random.default_rng(1)), [0.025, 0.975]))
        for each in (shuffled, runs)
    )
    assert wide > 5 * narrow
    expected = 2 * 1.96 * levels.std() / np.sqrt(100)
    assert wide == pytest.approx(expected, rel=0.15)


def test_quantiles_of_blocks_are_those_of_the_values():
    values = np.random.default_rng(4).lognormal(-3, 1.5, 50_000)
    found = blocks([values]).quantiles([0.1, 0.5, 0.9, 0.99], 200, np.random.default_rng(1))
    exact = np.quantile(values, [0.1, 0.5, 0.9, 0.99])
    assert np.median(found, axis=0) == pytest.approx(exact, rel=0.02)
    assert (np.quantile(found, 0.01, axis=0) < exact).all()
    assert (exact < np.quantile(found, 0.99, axis=0)).all()


def test_the_readme_lists_every_claim():
    readme = (NOVA_2017 / "README.md").read_text(encoding="utf-8")
    listed = [line for line in readme.splitlines() if re.match(r"\| [CK][0-9]", line)]
    assert listed == [
        f"| {claim.id} | {claim.title} | {claim.source} | "
        f"{claim.relation.kind if claim.relation else f'not run: {claim.not_run}'} |"
        for claim in load_claims(NOVA_2017).claims
    ]
