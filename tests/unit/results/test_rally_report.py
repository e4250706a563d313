"""Reading Rally's reports; the reference is a true one of Rally 5.1.1 with failing iterations."""

import json
from pathlib import Path

import pytest

from discovery.errors import ResultError
from discovery.results import rally
from tests.raw.cells import make_cell, write_cell

TRUE_REPORT = Path(__file__).parents[2] / "raw" / "rally-5.1.1-dummy.json"


@pytest.fixture
def dummies(monkeypatch):
    """The dummy plugins of the true report, under names of declared scenarios."""
    monkeypatch.setattr(
        rally,
        "_BY_PLUGIN",
        {
            "Dummy.dummy_random_fail_in_atomic": "get-entities",
            "Dummy.dummy_random_action": "create-and-list-users",
            "Dummy.dummy": "create-and-list-tenants",
        },
    )


def test_a_true_report_is_read_whole(dummies):
    fails, works, interrupted = rally.read_report(TRUE_REPORT)
    assert len(fails.iterations) == 10
    assert sum(one.error is not None for one in fails.iterations) == 3
    assert [one.error for one in works.iterations] == [None] * 5
    assert [len(one.actions) for one in works.iterations] == [3] * 5
    assert {one.error for one in interrupted.iterations} == {
        "ThreadTimeoutException: Iteration interrupted due to timeout."
    }
    for one in works.iterations:
        assert sum(action.duration_s for action in one.actions) <= one.duration_s
        assert works.start <= one.start <= works.start + works.load_s


def test_children_stay_inside_their_top_level_action(dummies):
    _, _, interrupted = rally.read_report(TRUE_REPORT)
    assert [[action.name for action in one.actions] for one in interrupted.iterations] == [
        ["foo"]
    ] * 3
    assert all(action.failed for one in interrupted.iterations for action in one.actions)


def test_the_generator_writes_the_keys_of_a_true_report(tmp_path):
    folder = write_cell(tmp_path, make_cell())
    ours = json.loads((folder / "rally" / "site-2.json").read_text())
    true = json.loads(TRUE_REPORT.read_text())

    def levels(report):
        task = report["tasks"][0]
        workload = task["subtasks"][0]["workloads"][0]
        iteration = workload["data"][0]
        action = iteration["atomic_actions"][0]
        return [
            set(level) for level in (report, task, task["subtasks"][0], workload, iteration, action)
        ]

    assert levels(ours) == levels(true)


def test_a_report_cut_off_in_the_middle_is_refused(tmp_path):
    text = TRUE_REPORT.read_text()
    path = tmp_path / "site-2.json"
    path.write_text(text[: len(text) // 2])
    with pytest.raises(ResultError, match=r"site-2\.json: Rally's report is cut off"):
        rally.read_report(path)


def test_an_unknown_scenario_is_refused_by_name():
    with pytest.raises(ResultError, match=r"Dummy\.dummy_random_fail_in_atomic.*KeystoneBasic"):
        rally.read_report(TRUE_REPORT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda report: report.pop("tasks"), "not a whole Rally report"),
        (lambda report: report["info"].update(format_version="2.0"), "format 2.0"),
        (
            lambda report: report["tasks"][0]["subtasks"][0]["workloads"][0]["data"].pop(),
            "has 9 iterations, but Rally counted 10",
        ),
    ],
)
def test_an_inconsistent_report_is_refused(tmp_path, dummies, change, message):
    report = json.loads(TRUE_REPORT.read_text())
    change(report)
    path = tmp_path / "site-2.json"
    path.write_text(json.dumps(report))
    with pytest.raises(ResultError, match=message):
        rally.read_report(path)


def test_an_action_without_an_end_is_a_failed_one(tmp_path, dummies):
    report = json.loads(TRUE_REPORT.read_text())
    entry = report["tasks"][0]["subtasks"][1]["workloads"][0]["data"][0]
    del entry["atomic_actions"][-1]["finished_at"]
    path = tmp_path / "site-2.json"
    path.write_text(json.dumps(report))
    first = rally.read_report(path)[1].iterations[0]
    assert first.actions[-1].duration_s is None
    assert first.actions[-1].failed
