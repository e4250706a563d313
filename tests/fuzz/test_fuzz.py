"""No bad input ends in a traceback or a hang, and none that is certainly wrong is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.cases import TARGETS, Case, all_cases
from tests.fuzz.contract import COUNTS, Fault, Runner, check, counts, in_a_process, judge, run_case
from tests.fuzz.runner import Asked, Came
from tests.fuzz.world import snapshot

SENTENCE = "discovery: some/file.yaml: key: is wrong; allowed: what is right\n"


def test_there_are_many_and_always_the_same() -> None:
    cases = all_cases()
    assert len(cases) >= 500
    assert [case.name for case in cases] == [case.name for case in all_cases()]
    assert len({case.name for case in cases}) == len(cases)
    assert sum(case.certain for case in cases) >= 500


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_every_bad_input_is_refused_in_one_sentence(
    most: int | None, base: Path, runner: Runner, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    untouched = snapshot(base)
    faults: list[Fault] = []
    done = 0
    for case in all_cases():
        if done == most:
            break
        found = check(case, base, tmp_path, runner)
        if found is not None:
            done += 1
            faults += found
    request.config.stash[COUNTS] = done, faults
    assert snapshot(base) == untouched
    told = "\n".join(f"{fault.kind} {fault.case}: {fault.why}" for fault in faults)
    assert not faults, f"{done} bad inputs: {counts(faults)}\n{told}"


def test_what_is_not_damaged_is_taken(base: Path, runner: Runner, tmp_path: Path) -> None:
    """Else a case would be refused for another reason than its own."""
    wrong = []
    for arguments in sorted({tuple(target.arguments) for target in TARGETS}):
        if arguments[:2] == ("testbed", "up"):  # refused for its number of sites
            continue
        came = run_case(Case("whole", [*arguments], certain=False), base, tmp_path, runner)
        if came is None or came.code:
            wrong.append((arguments, came))
    assert wrong == []


def test_what_is_run_in_a_fork_is_what_a_user_gets(
    most: int | None, base: Path, runner: Runner, tmp_path: Path
) -> None:
    chosen = [case for case in all_cases() if case.certain and case.arguments[0] != "@config"]
    for case in chosen[: 3 if most else 40]:
        forked = run_case(case, base, tmp_path, runner)
        if forked is None:
            continue
        alone = in_a_process(case, base, tmp_path)
        assert (forked.code, forked.err) == (alone.returncode, alone.stderr), case.name


# What the fuzzer would say of commands that do not keep to the contract.
@pytest.mark.parametrize(
    ("code", "err", "after", "kind"),
    [
        (2, SENTENCE, {}, None),
        (2, SENTENCE.replace("file.yaml", "other.yaml"), {}, "untidy"),
        (0, "", {}, "taken"),
        (1, "Traceback (most recent call last):\n  …\nValueError: x\n", {}, "traceback"),
        (-9, "", {}, "hang"),
        (2, SENTENCE + SENTENCE, {}, "untidy"),
        (2, "Usage: discovery …\n", {}, "untidy"),
        (2, SENTENCE.replace("wrong", "wr\x1b[31mong"), {}, "untidy"),
        (2, SENTENCE.replace("wrong", "x" * 10_000), {}, "untidy"),
        (2, SENTENCE, {"out": "left behind"}, "untidy"),
        (77, SENTENCE, {}, "untidy"),
    ],
)
def test_a_broken_contract_is_seen(
    code: int, err: str, after: dict[str, str], kind: str | None
) -> None:
    case = Case("one", ["check"], certain=True, names="file.yaml")
    found = [fault.kind for fault in judge(case, Came(code, "", err, 0.1), {}, after)]
    assert found == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("raise ValueError('a bug')", "traceback"),
        ("bytearray(2**33)", "traceback"),
        ("import os; os.mkfifo('pipe'); open('pipe')", "hang"),
        ("print('taken')", "taken"),
        ("import sys; print('discovery: one'); sys.exit(3)", "untidy"),
    ],
)
def test_a_verb_that_breaks_the_contract_is_seen(
    code: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fuzz.runner.WALL_S", 1.0)
    monkeypatch.setattr("tests.fuzz.runner._main", lambda _: exec(code))
    from tests.fuzz.runner import run  # noqa: PLC0415  (as changed)

    came = run(Asked(["check"], str(tmp_path), {}))
    case = Case("one", ["check"], certain=True)
    assert [fault.kind for fault in judge(case, came, {}, {})] == [kind]
