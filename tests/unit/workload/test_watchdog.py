"""The watchdog ends what waits for a testbed that has died."""

import os
import signal
import subprocess
import threading
import time

import pytest

from discovery.errors import DeployError, MeasuredFailure, WanError
from discovery.workload.watchdog import Watchdog

DEAD = WanError("the forwarder has died")


def dies(after):
    began = time.monotonic()

    def look():
        if time.monotonic() - began > after:
            raise DEAD

    return look


def test_a_testbed_that_lives_disturbs_nobody():
    looks = []
    with Watchdog(lambda: looks.append(1), period=0.01):
        time.sleep(0.1)
    assert len(looks) >= 3
    seen = len(looks)
    time.sleep(0.05)
    assert len(looks) == seen


@pytest.mark.parametrize("wait", ["sleep", "program"])
def test_a_phase_that_waits_is_interrupted(wait):
    began = time.monotonic()
    with pytest.raises(WanError, match="has died"), Watchdog(dies(0.05), period=0.01):
        if wait == "sleep":
            time.sleep(20)
        else:
            subprocess.run(["sleep", "20"], check=False)
    assert time.monotonic() - began < 5


def test_the_body_cleans_up_before_it_is_left():
    left = []
    with pytest.raises(WanError), Watchdog(dies(0.05), period=0.01):
        try:
            time.sleep(20)
        finally:
            time.sleep(0.1)
            left.append("clean")
    assert left == ["clean"]


@pytest.mark.parametrize("error", [MeasuredFailure("no token"), DeployError("a unit is down")])
def test_what_the_body_made_of_it_does_not_count(error):
    with pytest.raises(WanError), Watchdog(dies(0.02), period=0.01):
        try:
            time.sleep(20)
        except BaseException:
            raise error from None


def test_another_error_stays_while_the_testbed_is_well():
    with pytest.raises(MeasuredFailure), Watchdog(lambda: None, period=0.01):
        time.sleep(0.05)
        raise MeasuredFailure("no token")


def test_a_request_to_end_is_not_turned_into_an_accident():
    with pytest.raises(SystemExit), Watchdog(dies(0.02), period=0.01):
        try:
            time.sleep(20)
        except BaseException:
            raise SystemExit(143) from None


def test_a_mistake_in_looking_is_not_hidden():
    def look():
        raise KeyError("a bug")

    with pytest.raises(KeyError), Watchdog(look, period=0.01):
        time.sleep(20)


def test_beside_the_main_thread_it_waits_for_the_end_of_the_body():
    caught = []

    def run():
        try:
            with Watchdog(dies(0.0), period=0.01):
                time.sleep(0.1)
        except WanError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert caught == [DEAD]


def test_the_signal_is_as_it_was():
    before = signal.getsignal(signal.SIGUSR1)
    with Watchdog(lambda: None, period=0.01):
        assert signal.getsignal(signal.SIGUSR1) != before
    assert signal.getsignal(signal.SIGUSR1) == before


def test_forks_of_a_watched_process_are_whole():
    with Watchdog(lambda: None, period=0.001):
        for _ in range(20):
            child = os.fork()
            if not child:
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
