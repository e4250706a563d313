"""What Rally is told: its environment, and one task for each scenario of a cell."""

from __future__ import annotations

from typing import Any

from discovery.deploy.credentials import REGION
from discovery.experiment.cells import Cell
from discovery.workload.scenarios import SCENARIOS

WARM_UP = "warm-up"


def task(title: str, scenario: str, arguments: dict[str, object], runner: dict[str, int]) -> Any:
    """One Rally task, format 2, with one constant-runner workload and no pass/fail criterion.

    Rally's default criterion would mark every run with a failed iteration; failures are data here
    and are judged downstream.
    """
    workload = {
        "scenario": {scenario: arguments},
        "runner": {"constant": runner},
        "sla": {"failure_rate": {"max": 100}},
    }
    return {
        "version": 2,
        "title": title,
        "subtasks": [{"title": title, "workloads": [workload]}],
    }


def tasks(cell: Cell) -> dict[str, Any]:
    """The tasks a client of ``cell`` may be asked to run, by name; see ``on_node/load.py``."""
    runner = {"times": cell.times, "concurrency": cell.concurrency}
    named = {
        name: {
            "keep": True,
            "task": task(name, SCENARIOS[name].rally, SCENARIOS[name].args, runner),
        }
        for name in cell.scenarios
    }
    if cell.warm_up_iterations:
        warm_up = {
            "times": cell.warm_up_iterations,
            "concurrency": min(cell.concurrency, cell.warm_up_iterations),
        }
        named[WARM_UP] = {
            "keep": False,
            "task": task(WARM_UP, "Authenticate.keystone", {}, warm_up),
        }
    return named


def environment(
    url: str, admin: dict[str, str], users: list[dict[str, str]], region: str = REGION
) -> Any:
    """Rally's description of the cloud behind the Keystone at ``url``, as ``region`` has it.

    The users exist already, so that no scenario's time or query count holds their creation.
    """
    return {
        "existing@openstack": {
            "auth_url": url,
            "region_name": region,
            "endpoint_type": "public",
            "admin": admin,
            "users": users,
        }
    }
