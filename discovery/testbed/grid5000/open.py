"""From a request to nodes of Grid'5000, reserved and deployed by EnOSlib's ``G5k``, and back."""

from __future__ import annotations

import platform
import re
import sys
import time

from discovery.outside import visible
from discovery.testbed.grid5000.config import Grid5000Testbed
from discovery.testbed.grid5000.credentials import credentials_path
from discovery.testbed.home import machine_mark
from discovery.testbed.ledger import Held, Thing
from discovery.testbed.request import Opened, Request


def open_grid5000(testbed: Grid5000Testbed, request: Request) -> Opened:
    """Plan, reserve, wait, deploy; the jobs' name is in the ledger before they are asked for."""
    from discovery.testbed.grid5000 import reservation  # noqa: PLC0415 (EnOSlib: 1.5 s)
    from discovery.testbed.wan.attach import attach_remote  # noqa: PLC0415

    name = f"{testbed.job_name}-{request.lease}-{machine_mark()}"
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


def find_grid5000() -> list[Held]:
    """The reservations of this state folder, found at the API by their jobs' names."""
    if not (credentials_path().exists() or platform.node().endswith(".grid5000.fr")):
        return []
    from discovery.testbed.grid5000 import oar  # noqa: PLC0415 (EnOSlib: 1.5 s)

    oar.require_credentials()
    pattern = re.compile(rf".{{1,40}}-([0-9a-f]{{6}})-{machine_mark()}")
    sites: dict[str, list[str]] = {}
    with oar.api_errors("looking for jobs of this state folder"):
        for name, site in oar.all_jobs():
            if pattern.fullmatch(name):
                sites.setdefault(name, []).append(site)
    return [
        Held(match[1], "reservation", name, time.time(), {"provider": "grid5000", "sites": there})
        for name, there in sites.items()
        if (match := pattern.fullmatch(name))
    ]


def _tell(sentence: str) -> None:
    print(visible(f"Grid'5000: {sentence}"), file=sys.stderr, flush=True)
