"""A cell that the workflow started ends with it: nobody else would use its result.

Snakemake that is killed outright leaves its jobs running, each below a shell of its own. The next
run measures their cells again, but waits until the testbed is free. So the workflow's process marks
its environment, which only its jobs inherit; a cell that a person runs has no such mark.
"""

from __future__ import annotations

import os
import select
import signal
import threading

from discovery.errors import TestbedError
from discovery.testbed.processes import alive, start_time

VARIABLE = "DISCOVERY_WORKFLOW"


def mark() -> None:
    """Make this process the workflow of every cell that is started below it."""
    os.environ.setdefault(VARIABLE, f"{os.getpid()}:{start_time(os.getpid())}")


def end_with_workflow() -> None:
    """Have this process be asked to end (SIGTERM) when the workflow that started it has ended.

    Does nothing if none did. Raises a :class:`TestbedError` if it has ended already.
    """
    pid, _, started = os.environ.pop(VARIABLE, "").partition(":")
    if not (pid.isdigit() and started.isdigit()):
        return
    try:
        workflow = os.pidfd_open(int(pid))
    except ProcessLookupError:
        workflow = -1
    if workflow < 0 or not alive(int(pid), int(started)):
        raise TestbedError("The workflow that started this cell has ended; start it again.")
    threading.Thread(target=_wait, args=(workflow,), daemon=True).start()


def _wait(workflow: int) -> None:
    """Wait for the process of the descriptor ``workflow``, which holds no lock meanwhile."""
    select.select([workflow], [], [])
    os.kill(os.getpid(), signal.SIGTERM)
