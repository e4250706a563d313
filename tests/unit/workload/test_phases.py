import pytest

from discovery.workload.phases import PhaseClock


def test_phases_are_kept_in_the_order_they_end_and_told():
    told: list[str] = []
    clock = PhaseClock(told.append)
    with clock("deploy"), clock("deploy:database"):
        pass
    assert [phase.phase for phase in clock.finished] == ["deploy:database", "deploy"]
    inner, outer = clock.finished
    assert outer.start <= inner.start
    assert inner.seconds <= outer.seconds + 0.001
    assert [line.split()[0] for line in told] == ["deploy:database", "deploy"]


def test_a_phase_that_fails_took_time_too():
    clock = PhaseClock(lambda _: None)
    with pytest.raises(ZeroDivisionError), clock("load"):
        1 / 0  # noqa: B018
    assert [phase.phase for phase in clock.finished] == ["load"]
