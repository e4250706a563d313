import time

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


def test_a_phase_that_is_silent_says_that_it_goes_on():
    told: list[str] = []
    clock = PhaseClock(told.append, silence=0.05)
    with clock.reminding(), clock("deploy"), clock("deploy:database"):
        time.sleep(0.13)
    assert told[0] == "phase deploy:database: 0 s so far"
    assert 1 <= len([line for line in told if "so far" in line]) <= 2
    assert [line.split()[0] for line in told[-2:]] == ["deploy:database", "deploy"]


def test_one_that_tells_of_itself_is_not_silent():
    told: list[str] = []
    clock = PhaseClock(told.append, silence=0.2)
    with clock.reminding(), clock("load"):
        for number in range(6):
            time.sleep(0.05)
            clock.tell(f"  {number}/6 done")
    assert not [line for line in told if "so far" in line]


def test_a_reader_that_has_left_is_no_traceback(capfd):
    def tell(line: str) -> None:
        if "so far" in line:
            raise BrokenPipeError

    clock = PhaseClock(tell, silence=0.02)
    with clock.reminding(), clock("load"):
        time.sleep(0.1)
    assert capfd.readouterr().err == ""
