"""Numbers are written with the digits that their interval justifies, alike on every machine."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.claims import judge as judging
from discovery.claims.digits import agreed, same_side, written
from discovery.claims.judge import _judge_effect, judge_folder
from discovery.claims.relations import Effect
from discovery.claims.verdicts import write_verdicts
from discovery.claims.wording import bounds, explain, interval, number
from discovery.evaluation.archive import unpack_archive

STUDY = Path("experiments/keystone-2018")
ARCHIVE = STUDY / "archive" / "scale"


@pytest.fixture(scope="module")
def tidy_tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    unpack_archive(ARCHIVE, folder)
    return folder


@pytest.fixture(scope="module")
def plain(tidy_tables):
    return judge_folder(STUDY, tidy_tables)


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (1.234567, 1.2, 1.3, "1.23"),  # three digits at the least
        (1.236789, 1.2361, 1.2369, "1.237"),  # and four at the most
        (0.0461234, 0.01, 0.9, "0.0461"),
        (1.2344999, 1.2341, 1.2349, "1.234"),
        (12345.678, 12000.0, 13000.0, "12346.0"),  # no digit before the point is lost
        (0.0, 0.0, 0.2, "0.0"),
        (-1e-17, 0.0, 0.2, "0.0"),
        (2.0, 2.0, 2.0, "2.0"),
        (float("inf"), 1.0, float("inf"), "inf"),
    ],
)
def test_the_interval_justifies_the_digits(value, low, high, text):
    assert repr(written(value, low, high)) in (text, f"{float(text)!r}")


def test_a_fourth_digit_that_is_a_five_is_not_rounded_again():
    shown = number(written(1.23456, 1.2341, 1.2349), "")
    assert shown == number(1.23456, "") == "1.23"


@given(
    st.floats(0.001, 5000),
    st.floats(0, 3),
    st.floats(0, 3),
    st.integers(1, 3000),
    st.integers(0, 3),
)
def test_what_is_shown_justifies_the_verdict(value, below, above, limit, decimals):
    effect = Effect("e", "", lambda values: values[..., 0], limit / 10**decimals, None)
    size = judging.Estimate(value, value * (1 - below / 4), value * (1 + above), np.array([]))
    judged = _judge_effect(effect, size, None)
    low, high = (float(text.replace(",", "")) for text in interval(judged)[1:-1].split(", "))
    asked = float(bounds(judged).removeprefix("≥ "))
    inside, outside = low >= asked, high < asked
    assert {(True, False): "supported", (False, True): "contradicted"}.get(
        (inside, outside), "inconclusive"
    ) == judged.verdict
    assert low <= high


def test_a_bound_that_noise_keeps_from_its_limit_is_on_it():
    effect = Effect("unevenness", "", lambda values: values[..., 0], 1.1, None)
    for low in (1.0999999999999999, 1.1, 1.1000000000000003):
        size = judging.Estimate(1.1666666666666667, low, 1.2000000000000002, np.array([]))
        judged = _judge_effect(effect, size, None)
        assert judged.verdict == "supported"
        assert explain([judged], "supported") == "unevenness is 1.17 [1.1, 1.2], inside ≥ 1.1"


def test_a_bound_beside_its_limit_is_shown_beside_it():
    effect = Effect("unevenness", "", lambda values: values[..., 0], 1.1, None)
    size = judging.Estimate(1.1666666666666667, 1.09998, 1.2, np.array([]))
    judged = _judge_effect(effect, size, None)
    assert judged.low == 1.09998
    assert explain([judged], judged.verdict) == (
        "unevenness is 1.17 [1.09998, 1.2], straddling the edge of ≥ 1.1"
    )


@given(st.floats(1e-6, 1e6), st.floats(1e-3, 2), st.integers(-900, 900))
def test_noise_of_the_last_digits_is_not_written(value, width, noise):
    value = agreed(value)  # no half is nearer to a rounding edge than the noise
    noisy = value * (1 + noise * 1e-15)
    one = written(value, value - width, value + width, [value, 1.0])
    other = written(noisy, noisy - width, noisy + width, [value, 1.0])
    assert one == other
    assert same_side(one, value, [value, 1.0])


def test_claims_are_the_same_bytes_whatever_the_last_digits(
    plain, tidy_tables, tmp_path, monkeypatch
):
    estimate, from_draws = judging.estimate, judging.from_draws
    random = np.random.default_rng(1)

    def noisy(size):
        def shake(number):
            return number * (1 + 1e-12 * random.uniform(-1, 1, np.shape(number)))

        return replace(
            size,
            value=float(shake(size.value)),
            low=float(shake(size.low)),
            high=float(shake(size.high)),
            draws=shake(size.draws),
        )

    monkeypatch.setattr(judging, "estimate", lambda *given: noisy(estimate(*given)))
    monkeypatch.setattr(judging, "from_draws", lambda *given: noisy(from_draws(*given)))
    shaken = judge_folder(STUDY, tidy_tables)
    for verdicts, name in ((plain, "plain"), (shaken, "shaken")):
        write_verdicts(verdicts, tmp_path / name)
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "shaken").read_bytes()


def test_a_written_number_has_four_digits_unless_a_limit_or_a_count_needs_more(plain):
    terms = [term for claim in plain.claims for part in claim.parts for term in part.measured]
    numbers = [each for term in terms for each in (term.value, term.low, term.high) if each]
    assert len(numbers) > 20
    for each in numbers:
        assert len(f"{each:.10g}".replace(".", "").strip("0")) <= 4
