"""From a request to machines that somebody already runs, and back to as they were found."""

from __future__ import annotations

import sys
from pathlib import Path

from discovery.errors import ConfigError, TestbedError
from discovery.outside import visible
from discovery.testbed.leases import Node
from discovery.testbed.ledger import Held, Thing
from discovery.testbed.request import Opened, Request
from discovery.testbed.static.config import StaticTestbed
from discovery.testbed.static.machines import Found, Machine, as_record, look, put_back


def open_static(testbed: StaticTestbed, request: Request) -> Opened:
    """Look at every machine, note what it runs, and hand them out through EnOSlib's ``Static``."""
    _refuse(testbed, request)
    chosen = list(testbed.machines(request.sites))
    found = look({machine: str(entry.peer_address) for _, _, entry, machine in chosen})
    request.recorder.hold(
        *(
            Thing(
                "reservation",
                f"static {machine.address}",
                {
                    "provider": "static",
                    "machine": as_record(machine),
                    "found": as_record(found[machine.alias]),
                },
            )
            for _, _, _, machine in chosen
        )
    )
    return _hand_out(testbed, request)


def _refuse(testbed: StaticTestbed, request: Request) -> None:
    """A :class:`ConfigError` if the file cannot serve the request, before any machine is asked."""
    testbed.refuse_sites(len(request.sites))
    for _, _, _, machine in testbed.machines(request.sites):
        if machine.keyfile is not None and not Path(machine.keyfile).is_file():
            raise ConfigError(
                f"{machine.alias} has a key file that does not exist",
                file=testbed.file,
                key="keyfile",
                value=machine.keyfile,
                allowed="a private SSH key",
            )


def _hand_out(testbed: StaticTestbed, request: Request) -> Opened:
    from enoslib.infra.enos_static.configuration import (  # noqa: PLC0415 (EnOSlib takes 1.5 s)
        Configuration,
    )
    from enoslib.infra.enos_static.provider import Static  # noqa: PLC0415
    from enoslib.objects import DefaultNetwork  # noqa: PLC0415

    from discovery.testbed.wan.attach import attach_remote  # noqa: PLC0415 (it imports EnOSlib)

    conf = Configuration()
    nodes = []
    for site, role, entry, machine in testbed.machines(request.sites):
        conf.add_machine(
            roles=[role, site],
            **{**as_record(machine), "extra": {"ansible_python_interpreter": "/usr/bin/python3"}},
        )
        nodes.append((site, role, str(entry.peer_address), machine.alias))
    roles, networks = Static(conf).init()
    for name, declared in zip(request.sites, testbed.sites, strict=False):
        lan = DefaultNetwork(str(declared.network))
        networks[name] += [lan]
        if lan not in networks["testbed"]:
            networks["testbed"] += [lan]
    hosts = {host.alias: host for host in roles.all()}
    held = [Node(name, site, role, address, hosts[name]) for site, role, address, name in nodes]
    return Opened(roles, networks, held, attach_remote(held, roles, networks))


def cancel_static(held: Held) -> None:
    """Put the machine back: stop what was started there since it was leased, unshape it.

    One that does not answer is given up with a sentence: nothing more can be done for it from
    here, and no other lease should have to wait until it is back.
    """
    try:
        put_back(Machine(**held.details["machine"]), Found(**held.details["found"]))
    except TestbedError as error:
        print(
            visible(f"{error} What was started there is not stopped."), file=sys.stderr, flush=True
        )
