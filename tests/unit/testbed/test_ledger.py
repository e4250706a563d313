from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.testbed import processes
from discovery.testbed.ledger import KINDS, Held, Ledger, Recorder, Thing, process

LEASES = st.sampled_from(["aaaaaa", "bbbbbb"])
THINGS = st.builds(Thing, st.sampled_from(KINDS), st.sampled_from(["one", "zwei ü", "/a b/c"]))
EVENTS = st.lists(st.tuples(st.booleans(), LEASES, st.lists(THINGS, max_size=3)), max_size=12)


def _write(ledger: Ledger, events: list[tuple[bool, str, list[Thing]]]) -> None:
    for hold, lease, things in events:
        (ledger.hold if hold else ledger.release)(lease, things)


def _expected(events: list[tuple[bool, str, list[Thing]]]) -> set[tuple[str, str, str]]:
    held: set[tuple[str, str, str]] = set()
    for hold, lease, things in events:
        keys = {(lease, thing.kind, thing.name) for thing in things}
        held = held | keys if hold else held - keys
    return held


def _keys(held: list[Held]) -> set[tuple[str, str, str]]:
    return {(thing.lease, thing.kind, thing.name) for thing in held}


@given(EVENTS)
@settings(max_examples=60)
def test_nothing_released_is_held_and_nothing_else_is_lost(events):
    with TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.jsonl")
        _write(ledger, events)
        assert _keys(ledger.held()) == _expected(events)
        assert _keys(ledger.held("aaaaaa")) == {k for k in _expected(events) if k[0] == "aaaaaa"}


@given(EVENTS, EVENTS, st.integers(0, 10_000))
@settings(max_examples=60)
def test_any_prefix_is_read_and_written_on(events, more, anywhere):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.jsonl"
        ledger = Ledger(path)
        _write(ledger, events)
        content = path.read_bytes() if path.exists() else b""
        cut = anywhere % (len(content) + 1)  # times have a length of their own, so not drawn
        path.write_bytes(content[:cut])

        flat = [(hold, lease, [thing]) for hold, lease, things in events for thing in things]
        kept = content[:cut].count(b"\n") + (content[cut : cut + 1] == b"\n")
        whole = flat[:kept]
        assert _keys(ledger.held()) == _expected(whole)
        _write(ledger, more)
        assert _keys(ledger.held()) == _expected(whole + more)


def test_told_again_details_are_new_and_since_is_not(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.hold("aaaaaa", [Thing("lease", "aaaaaa", {"kept": False})])
    first = ledger.held()[0].since
    ledger.hold("aaaaaa", [Thing("lease", "aaaaaa", {"kept": True})])
    (held,) = ledger.held()
    assert held.details == {"kept": True}
    assert held.since == first


def test_the_past_is_forgotten_only_when_nothing_is_held(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.forget_past(over_bytes=0)
    thing = Thing("folder", "/x")
    ledger.hold("aaaaaa", [thing])
    ledger.forget_past(over_bytes=0)
    assert len(ledger.held()) == 1
    ledger.release("aaaaaa", [thing])
    ledger.forget_past()
    assert ledger.path.exists()
    ledger.forget_past(over_bytes=0)
    assert not ledger.path.exists()
    ledger.hold("bbbbbb", [thing])
    assert len(ledger.held()) == 1


def test_writers_at_once_lose_no_line(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")

    def write(lease: str) -> None:
        for number in range(50):
            ledger.hold(lease, [Thing("folder", str(number))])

    threads = [threading.Thread(target=write, args=(lease,)) for lease in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.held()) == 150


def test_recorder_names_its_lease(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    recorder = Recorder(ledger, "aaaaaa")
    recorder.record_process(os.getpid(), "this test")
    recorder.record_link("dw-x")
    by_kind = {thing.kind: thing for thing in ledger.held("aaaaaa")}
    assert by_kind["process"].details["start"] == processes.start_time(os.getpid())
    assert by_kind["process"].details["what"] == "this test"
    recorder.release(Thing("link", "dw-x"))
    assert {thing.kind for thing in ledger.held()} == {"process"}


def test_a_recycled_pid_is_not_killed():
    with subprocess.Popen(["sleep", "60"]) as child:
        thing = process(child.pid, "sleeper")
        processes.kill(child.pid, thing.details["start"] - 1)
        assert child.poll() is None
        processes.kill(child.pid, None)
        assert child.poll() is None
        processes.kill(child.pid, thing.details["start"])
        assert child.wait(5) == -9
        processes.kill(child.pid, thing.details["start"])  # gone already: no error


def test_only_programs_of_the_lease_are_killed(tmp_path):
    folder = tmp_path / "leases" / "aaaaaa"
    variable = processes.LEASE_VARIABLE
    script = 'setsid sleep 60 >/dev/null 2>&1 & echo "$!"'

    def orphan(environment: dict[str, str]) -> tuple[int, int | None]:
        done = subprocess.run(
            ["sh", "-c", script],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        pid = int(done.stdout)
        return pid, processes.start_time(pid)

    ours = orphan({variable: str(folder)})
    other = orphan({variable: f"{folder}b"})
    with subprocess.Popen(["sleep", "60"], env={**os.environ, variable: str(folder)}) as child:
        try:
            processes.kill_all_of(folder)
            assert not processes.alive(*ours)
            assert processes.alive(*other)
            assert child.poll() is None  # a child of this process ends with it, not with the lease
        finally:
            processes.kill(*other)
            child.kill()
