import pytest

from discovery.workload.nova_scenarios import NOVA_SCENARIOS, nova_tasks
from discovery.workload.scenarios import SCENARIOS


def workload_of(entry):
    (subtask,) = entry["task"]["subtasks"]
    (workload,) = subtask["workloads"]
    return workload


def test_a_scenario_that_boots_is_told_of_what():
    tasks = nova_tasks(NOVA_SCENARIOS, "nothing", "m1.tiny", times=7, concurrency=2)
    assert set(tasks) == set(NOVA_SCENARIOS)
    for name, entry in tasks.items():
        workload = workload_of(entry)
        ((plugin, arguments),) = workload["scenario"].items()
        assert plugin == NOVA_SCENARIOS[name].rally
        assert workload["runner"] == {"constant": {"times": 7, "concurrency": 2}}
        boots = name.startswith("boot-")
        told = {"image": {"name": "nothing"}, "flavor": {"name": "m1.tiny"}}
        assert arguments == (told if boots else {})
        assert entry["keep"]


def test_a_scenario_of_nova_is_none_of_keystones():
    assert not set(NOVA_SCENARIOS) & set(SCENARIOS)
    plugins = {scenario.rally for scenario in NOVA_SCENARIOS.values()}
    assert len(plugins) == len(NOVA_SCENARIOS)
    assert not plugins & {scenario.rally for scenario in SCENARIOS.values()}


def test_an_unknown_scenario_is_refused():
    with pytest.raises(KeyError, match="nonsense"):
        nova_tasks(["nonsense"], "nothing", "m1.tiny", times=1, concurrency=1)
