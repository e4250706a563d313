from pathlib import Path

from discovery.experiment.load import load_cells
from discovery.workload import rally_task
from discovery.workload.scenarios import SCENARIOS

STUDY = Path(__file__).parents[3] / "experiments" / "keystone-2018"


def test_every_scenario_of_a_cell_is_a_kept_task_and_the_warm_up_is_not():
    cell = load_cells(STUDY, "laptop")[0]
    tasks = rally_task.tasks(cell)
    assert set(tasks) == {*cell.scenarios, "warm-up"}
    assert {name for name, entry in tasks.items() if entry["keep"]} == set(cell.scenarios)


def test_a_task_runs_its_scenario_as_often_as_the_tier_says():
    cell = load_cells(STUDY, "smoke")[0]
    for name in cell.scenarios:
        task = rally_task.tasks(cell)[name]["task"]
        (subtask,) = task["subtasks"]
        (workload,) = subtask["workloads"]
        assert subtask["title"] == name
        assert list(workload["scenario"]) == [SCENARIOS[name].rally]
        assert workload["runner"] == {
            "constant": {"times": cell.times, "concurrency": cell.concurrency}
        }


def test_no_warm_up_where_none_is_asked_for():
    cell = load_cells(STUDY, "smoke")[0].model_copy(update={"warm_up_iterations": 0})
    assert "warm-up" not in rally_task.tasks(cell)


def test_the_seven_scenarios_of_the_2018_study_are_declared():
    assert len(SCENARIOS) == 7
    assert len({scenario.rally for scenario in SCENARIOS.values()}) == 7
