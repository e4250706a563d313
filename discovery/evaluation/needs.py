"""What a cell of either service needs: nodes, memory, and what has to be there to deploy it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from discovery.deploy.backends import BACKENDS
from discovery.deploy.backends import memory_mb as keystone_memory_mb
from discovery.deploy.nova.layout import roles_of
from discovery.deploy.nova.memory import FAKE_NODE_MB, nova_memory_mb
from discovery.errors import MachineError
from discovery.experiment.nova_cells import NovaCell
from discovery.experiment.studies import AnyCell
from discovery.testbed.leases import ROLES, Role


def roles(cell: AnyCell) -> list[tuple[Role, ...]]:
    """The roles of the nodes of each site that the cell holds."""
    if isinstance(cell, NovaCell):
        return roles_of(cell.deployed, cell.sites, cell.redis_nodes)
    return [ROLES] * cell.sites


def nodes(cell: AnyCell) -> int:
    """How many nodes the cell holds."""
    return sum(map(len, roles(cell)))


def memory_mb(cell: AnyCell, sites: int | None = None) -> int:
    """MB of all its nodes together, under load; of as many ``sites`` instead, if they are given.

    On fewer sites than its back end can be had on, it is what that one takes on the fewest.
    """
    if isinstance(cell, NovaCell):
        sites = cell.sites if sites is None else sites
        return nova_memory_mb(cell.deployed, sites, cell.settings, cell.redis_nodes)
    sites = max(cell.sites if sites is None else sites, BACKENDS[cell.backend].least_sites)
    processes = cell.keystone.processes
    return keystone_memory_mb(cell.backend, sites, load=cell.load, processes=processes)


def seen(cell: AnyCell) -> str:
    """What is known of the cell's time without any like it that was measured."""
    known = "" if isinstance(cell, NovaCell) else BACKENDS[cell.backend].seen
    return known or "no earlier run"


def most_fake_nodes(cell: NovaCell, there_mb: int) -> int:
    """The most fake nodes per site with which it fits into ``there_mb``; below 1 if none do."""
    others = memory_mb(cell) - cell.sites * cell.fake_nodes * FAKE_NODE_MB
    return (there_mb - others) // (cell.sites * FAKE_NODE_MB)


def missing_parts(cells: Iterable[AnyCell]) -> dict[str, str]:
    """What ``cells`` need and this machine cannot deploy, and why: ``back end cockroachdb``.

    Raises :class:`MachineError` if what one of them needs is here and cannot be used.
    """
    found = {}
    for part in dict.fromkeys(part for cell in cells for part in _parts(cell)):
        why = BACKENDS[part.removeprefix(_BACKEND)].missing()
        if why is not None:
            found[part] = why
    return found


def lacks(cell: AnyCell, missing: Mapping[str, str]) -> str | None:
    """Why the cell is not run where the parts ``missing`` are (:func:`missing_parts`)."""
    return next((missing[part] for part in _parts(cell) if part in missing), None)


def why_not_run(cell: AnyCell, ran: Iterable[AnyCell] = ()) -> str | None:
    """Why the cell was not run here, if it was not; raises nothing.

    What the cells ``ran`` had was there when they were run, whatever is here now.
    """
    had = {part for other in ran for part in _parts(other)}
    try:
        missing = missing_parts([cell])
    except MachineError as error:
        return None if had >= set(_parts(cell)) else str(error)
    return lacks(cell, {part: why for part, why in missing.items() if part not in had})


_BACKEND = "back end "


def _parts(cell: AnyCell) -> list[str]:
    """What has to be deployed for the cell."""
    if isinstance(cell, NovaCell):
        return [f"{_BACKEND}{name}" for name in dict.fromkeys(cell.backends.values())]
    return [f"{_BACKEND}{cell.backend}"]
