"""Whether the machines of a local lease still run: each by the first process inside it, its init.

An init that ends takes its machine along, and a machine that restarts has another one: it has lost
all that was deployed on it.
"""

from __future__ import annotations

from pathlib import Path

from discovery.errors import TestbedError
from discovery.testbed.local import cgroups
from discovery.testbed.local.layout import Layout
from discovery.testbed.processes import alive, start_time


class Machines:
    """The machines of ``layout``, which have booted."""

    def __init__(self, layout: Layout) -> None:
        group = cgroups.lease_cgroups(layout.tag)[0]
        inits = {node.alias: init_of(group / node.alias) for node in layout.nodes}
        self._inits = {alias: (pid, start_time(pid)) for alias, pid in inits.items()}

    def look(self) -> None:
        """Raise a :class:`TestbedError` that names the machines that have ended or restarted."""
        dead = [alias for alias, (pid, started) in self._inits.items() if not alive(pid, started)]
        if dead:
            raise TestbedError(
                f"Node {', '.join(dead)} has died while it was leased: its init is gone; release "
                "the lease and take a new one."
            )


def init_of(cgroup: Path) -> int:
    """The pid of the init of the machine in ``cgroup``; 0 if there is none."""
    return next((pid for pid in sorted(cgroups.members(cgroup)) if _is_init(pid)), 0)


def _is_init(pid: int) -> bool:
    """Whether ``pid`` is the first process of a namespace below this one."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:  # it ended while we looked
        return False
    known = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
    return len(known) > 1 and known[-1] == "1"
