"""Each anomaly of lists, in a history that contains it and one that nearly does."""

import pytest

from tests.histories.checkers import Promises, check
from tests.unit.histories.handmade import anomalies, appends, history, lists


def test_a_serial_history_is_fine() -> None:
    operations = [
        appends("t1", ("a", "x", "1"), at=(0, 1)),
        appends("t2", ("w", "x", "1", "2"), ("r", "y", ""), at=(2, 3)),
        appends("t3", ("r", "x", "1 2"), ("r", "y", ""), at=(4, 5)),
    ]
    assert anomalies(history(operations, **lists(x="1 2")), serializable=True) == []


def test_lost_update() -> None:
    operations = [appends("t1", ("w", "x", "", "1")), appends("t2", ("w", "x", "", "2"))]
    found = check(history(operations, **lists(x="1 2")), Promises())
    assert [v.anomaly for v in found] == ["lost update (G-single)"]
    assert {op.name for op in found[0].witnesses} == {"t1", "t2"}
    assert "ww x" in str(found[0])
    assert "rw x" in str(found[0])


def test_an_append_that_is_overwritten() -> None:
    operations = [appends("t1", ("w", "x", "", "1")), appends("t2", ("w", "x", "", "2"))]
    assert "lost append" in anomalies(history(operations, **lists(x="2")))


def test_an_append_that_is_done_twice() -> None:
    operations = [appends("t1", ("a", "x", "1"))]
    assert anomalies(history(operations, **lists(x="1 1"))) == ["duplicated append"]


def test_aborted_read() -> None:
    operations = [
        appends("t1", ("a", "x", "1"), outcome="refused"),
        appends("t2", ("r", "x", "1")),
    ]
    assert anomalies(history(operations)) == ["aborted read (G1a)"]


def test_a_value_that_nobody_wrote() -> None:
    assert anomalies(history([appends("t1", ("r", "x", "1"))])) == ["phantom"]


def test_an_aborted_append_that_stays() -> None:
    operations = [appends("t1", ("a", "x", "1"), outcome="refused")]
    assert anomalies(history(operations, **lists(x="1"))) == ["aborted append"]


def test_intermediate_read() -> None:
    operations = [
        appends("t1", ("a", "x", "1"), ("a", "x", "2")),
        appends("t2", ("r", "x", "1")),
    ]
    assert "intermediate read (G1b)" in anomalies(history(operations, **lists(x="1 2")))


def test_a_transaction_does_not_see_its_own_append() -> None:
    operations = [appends("t1", ("a", "x", "1"), ("r", "x", ""))]
    assert anomalies(history(operations, **lists(x="1"))) == ["internal"]


def test_unrepeatable_read() -> None:
    operations = [
        appends("t1", ("a", "x", "1")),
        appends("t2", ("r", "x", ""), ("r", "x", "1")),
    ]
    assert anomalies(history(operations, **lists(x="1"))) == ["unrepeatable read"]


def test_histories_that_part() -> None:
    operations = [
        appends("t1", ("a", "x", "1")),
        appends("t2", ("a", "x", "2")),
        appends("t3", ("r", "x", "2")),
    ]
    assert anomalies(history(operations, **lists(x="1 2"))) == ["incompatible order"]


def test_write_cycle() -> None:
    operations = [
        appends("t1", ("a", "x", "1"), ("a", "y", "1y")),
        appends("t2", ("a", "x", "2"), ("a", "y", "2y")),
    ]
    found = anomalies(history(operations, **lists(x="1 2", y="2y 1y")))
    assert found == ["write cycle (G0)"]


def test_circular_reads() -> None:
    operations = [
        appends("t1", ("a", "x", "1"), ("r", "y", "2")),
        appends("t2", ("a", "y", "2"), ("r", "x", "1")),
    ]
    assert anomalies(history(operations, **lists(x="1", y="2"))) == ["circular reads (G1c)"]


def test_read_skew() -> None:
    operations = [
        appends("t1", ("a", "x", "1"), ("a", "y", "1y")),
        appends("t2", ("r", "x", ""), ("r", "y", "1y")),
    ]
    assert anomalies(history(operations, **lists(x="1", y="1y"))) == ["read skew (G-single)"]


def test_read_skew_over_three_transactions() -> None:
    operations = [
        appends("t1", ("a", "x", "1")),
        appends("t2", ("r", "x", "1"), ("a", "y", "2")),
        appends("t3", ("r", "x", ""), ("r", "y", "2")),
    ]
    assert anomalies(history(operations, **lists(x="1", y="2"))) == ["read skew (G-single)"]


def test_write_skew_is_snapshot_isolation_and_not_serializable() -> None:
    operations = [
        appends("t1", ("r", "x", ""), ("a", "y", "1")),
        appends("t2", ("r", "y", ""), ("a", "x", "2")),
    ]
    made = history(operations, **lists(x="2", y="1"))
    assert anomalies(made) == []
    assert anomalies(made, serializable=True) == ["write skew or worse (G2)"]


def test_a_long_fork_is_not_snapshot_isolation() -> None:
    """Two readers see two writers in opposite orders; its two rw have dependencies between them."""
    operations = [
        appends("t1", ("a", "x", "1")),
        appends("t2", ("a", "y", "2")),
        appends("t3", ("r", "x", "1"), ("r", "y", "")),
        appends("t4", ("r", "x", ""), ("r", "y", "2")),
    ]
    found = check(history(operations, **lists(x="1", y="2")), Promises())
    assert [v.anomaly for v in found] == ["write skew or worse (G2)"]
    assert {op.name for op in found[0].witnesses} == {"t1", "t2", "t3", "t4"}


@pytest.mark.parametrize(
    ("staleness", "found"), [(0.0, True), (0.5, True), (2, False), (None, False)]
)
def test_a_stale_read_is_wrong_beyond_what_is_promised(
    staleness: float | None, found: bool
) -> None:
    operations = [
        appends("t1", ("a", "x", "1"), at=(0, 1)),
        appends("t2", ("r", "x", ""), at=(2, 3)),
    ]
    made = history(operations, **lists(x="1"))
    assert bool(anomalies(made, staleness=staleness)) == found


def test_a_process_reads_what_it_wrote() -> None:
    operations = [
        appends("t1", ("a", "x", "1"), at=(0, 1), process="p"),
        appends("t2", ("r", "x", ""), at=(2, 3), process="p"),
    ]
    found = anomalies(history(operations, **lists(x="1")), staleness=None)
    assert found == ["read skew (G-single) in real time"]


def test_transactions_at_the_same_time_have_no_order() -> None:
    operations = [
        appends("t1", ("a", "x", "1"), at=(0, 2)),
        appends("t2", ("r", "x", ""), at=(1, 3)),
    ]
    assert anomalies(history(operations, **lists(x="1"))) == []


def test_a_read_that_a_failover_undid() -> None:
    operations = [
        appends("t1", ("a", "x", "1"), at=(0, 1)),
        appends("t2", ("r", "x", "1"), at=(2, 3)),
    ]
    made = history(operations, events=[(4, "kill"), (5, "promoted")], lost=("t1",))
    assert anomalies(made, failover=True, keeps_acknowledged=False) == []


def test_a_write_on_what_a_failover_undid() -> None:
    operations = [
        appends("t1", ("a", "x", "1"), at=(0, 1)),
        appends("t2", ("r", "x", "1"), ("a", "y", "2"), at=(6, 7)),
    ]
    made = history(operations, events=[(4, "kill"), (5, "promoted")], lost=("t1",), **lists(y="2"))
    found = anomalies(made, failover=True, keeps_acknowledged=False)
    assert found == ["aborted read (G1a)"]
