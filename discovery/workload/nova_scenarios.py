"""The load scenarios of Nova's REST API, as Rally knows them: what a remote client sees.

The 2017 study has none of them: its "API requests" are calls of the data-access layer. Rally's own
context deletes what a scenario has left, after it and outside its times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from discovery.workload.rally_task import task

POLLING: dict[str, float] = {
    "nova_server_boot_prepoll_delay": 0.1,
    "nova_server_boot_poll_interval": 0.1,
    "nova_server_delete_prepoll_delay": 0.1,
    "nova_server_delete_poll_interval": 0.1,
}
"""Rally's options of the group ``openstack``, in s; by itself it looks after 1 s, and every 2 s."""


@dataclass(frozen=True)
class NovaScenario:
    """A Rally scenario on Nova; ``rally`` is the plugin's name in rally-openstack 4.1.

    ``boots``: it boots a server, and is told of which image and flavor.
    """

    name: str
    title: str
    rally: str
    boots: bool = False
    args: dict[str, object] = field(default_factory=dict)


NOVA_SCENARIOS: dict[str, NovaScenario] = {
    scenario.name: scenario
    for scenario in (
        NovaScenario(
            name="boot-and-list-server",
            title="boot a server, list all servers with their details",
            rally="NovaServers.boot_and_list_server",
            boots=True,
        ),
        NovaScenario(
            name="boot-and-delete-server",
            title="boot a server, delete it: all that Nova writes",
            rally="NovaServers.boot_and_delete_server",
            boots=True,
        ),
        NovaScenario(
            name="list-servers",
            title="list all servers with their details",
            rally="NovaServers.list_servers",
        ),
        NovaScenario(
            name="list-flavors",
            title="list flavors: reads of the API database alone",
            rally="NovaFlavors.list_flavors",
        ),
        NovaScenario(
            name="get-quotas",
            title="read a project's quotas",
            rally="Quotas.nova_get",
        ),
        NovaScenario(
            name="update-and-delete-quotas",
            title="set a project's quotas, and take them back: writes of the API database alone",
            rally="Quotas.nova_update_and_delete",
        ),
    )
}


def nova_tasks(
    names: Iterable[str], image: str, flavor: str, *, times: int, concurrency: int
) -> dict[str, Any]:
    """Tasks that Rally may be asked to run, by scenario; see ``on_node/load.py``.

    ``image`` and ``flavor`` are names. Servers get no network: there is none.
    """
    runner = {"times": times, "concurrency": concurrency}
    tasks = {}
    for name in names:
        scenario = NOVA_SCENARIOS[name]
        arguments = dict(scenario.args)
        if scenario.boots:
            arguments |= {"image": {"name": image}, "flavor": {"name": flavor}}
        tasks[name] = {"keep": True, "task": task(name, scenario.rally, arguments, runner)}
    return tasks
