"""The comparison with a list of expected failures fails in both directions, and for empty runs."""

import pytest

from tests.upstream.suite_process import Results, compare, read_expected, run_suite

OUTCOMES = {"A::works": "passed", "A::known": "failed", "A::not for us": "skipped"}


def compared(outcomes, expected=("A::known",), least=1):
    compare(Results(outcomes, "its output"), dict.fromkeys(expected, "a reason"), least)


def test_as_expected():
    compared(OUTCOMES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"A::works": "failed"}, "failed: A::works"),
        ({"A::known": "passed"}, "passed, and is expected to fail: A::known"),
        ({"A::known": "skipped"}, "expected to fail, and was not run: A::known"),
        ({"A::works": "skipped"}, "0 tests passed; at least 1"),
    ],
)
def test_each_difference_is_told(change, said):
    with pytest.raises(AssertionError, match=said):
        compared(OUTCOMES | change)


def test_an_empty_run_fails():
    with pytest.raises(AssertionError, match="0 tests passed; at least 1"):
        compared({}, expected=())


def test_each_expected_failure_has_a_reason(tmp_path):
    listed = tmp_path / "expected_failures.txt"
    listed.write_text("# It cannot.\nA::a[1 # 2]\nA::b\n\n# Nor that.\nA::c\n")
    assert read_expected(listed) == {
        "A::a[1 # 2]": "It cannot.",
        "A::b": "It cannot.",
        "A::c": "Nor that.",
    }
    listed.write_text("# It cannot.\nA::a\n\nA::b\n")
    with pytest.raises(AssertionError, match="A::b: no reason"):
        read_expected(listed)


def test_a_suite_that_does_not_start_says_why(tmp_path):
    (tmp_path / "setup.cfg").write_text("[tool:pytest]\n")
    with pytest.raises(AssertionError, match=r"(?s)the suite did not run .*dburi"):
        run_suite(tmp_path / "test_none.py", "rome://127.0.0.1:1/none", tmp_path)
