"""From a request to nodes of Grid'5000, reserved and deployed by EnOSlib's ``G5k``, and back."""

from __future__ import annotations

import sys

from discovery.outside import visible
from discovery.testbed.grid5000.config import Grid5000Testbed
from discovery.testbed.ledger import Held, Thing
from discovery.testbed.request import Opened, Request


def open_grid5000(testbed: Grid5000Testbed, request: Request) -> Opened:
    """Plan, reserve, wait, deploy; the jobs' name is in the ledger before they are asked for."""
    from discovery.testbed.grid5000 import reservation  # noqa: PLC0415 (EnOSlib: 1.5 s)
    from discovery.testbed.wan.attach import attach_remote  # noqa: PLC0415

    name = f"{testbed.job_name}-{request.lease}"
    conf = reservation.configure(testbed, sites=len(request.sites), job_name=name)
    plan = reservation.plan(testbed, conf)
    _tell(plan.sentence())
    details = {"provider": testbed.provider, "sites": sorted(conf.sites)}
    request.recorder.hold(Thing("reservation", name, details))
    jobs = reservation.reserve(conf, plan.start)
    request.recorder.hold(Thing("reservation", name, {**details, "jobs": jobs}))
    roles, networks, nodes = reservation.take(testbed, conf, jobs, request.sites, _tell)
    return Opened(roles, networks, nodes, attach_remote(nodes, roles, networks))


def cancel_grid5000(held: Held) -> None:
    """Delete the jobs of a reservation, found by their name: their ids may not have been noted."""
    from discovery.testbed.grid5000 import oar  # noqa: PLC0415 (EnOSlib: 1.5 s)

    oar.require_credentials()
    with oar.api_errors(f"deleting the jobs named {held.name}"):
        oar.delete_jobs(held.name, held.details["sites"])


def _tell(sentence: str) -> None:
    print(visible(f"Grid'5000: {sentence}"), file=sys.stderr, flush=True)
