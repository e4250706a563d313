"""The ``static`` provider: machines that somebody already runs, listed in the testbed file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from discovery.errors import ConfigError, TestbedError
from discovery.experiment.base import Model
from discovery.testbed.config import Testbed
from discovery.testbed.leases import ROLES, Node, Role, alias
from discovery.testbed.ledger import Held, Thing
from discovery.testbed.machines import Found, Machine, as_record, look, put_back
from discovery.testbed.request import Opened, Request

Port = Annotated[int, Field(ge=1, le=65_535)]


class StaticMachine(Model):
    """A machine: ``address`` is where SSH reaches it, ``testbed_address`` what its peers use.

    The latter is the former if not given. ``user``, ``keyfile`` and ``port`` not given are those of
    the whole file.
    """

    address: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:_-]*$")]
    testbed_address: IPv4Address | None = None
    user: str | None = None
    keyfile: Path | None = None
    port: Port | None = None

    @model_validator(mode="after")
    def _has_testbed_address(self) -> StaticMachine:
        _ = self.peer_address
        return self

    @property
    def peer_address(self) -> IPv4Address:
        """Its IPv4 address on the testbed network."""
        if self.testbed_address is not None:
            return self.testbed_address
        try:
            return IPv4Address(self.address)
        except ValueError:
            raise ValueError(
                f"{self.address} is no IPv4 address and there is no testbed_address; "
                "allowed: a testbed_address beside it"
            ) from None


class StaticSite(Model):
    """A site: its network (several sites may share one) and its two machines."""

    network: IPv4Network
    control: StaticMachine
    client: StaticMachine

    @model_validator(mode="after")
    def _inside(self) -> StaticSite:
        for role in ROLES:
            address = self.machine(role).peer_address
            if address not in self.network:
                raise ValueError(
                    f"{role}'s testbed address {address} is outside the site's network "
                    f"{self.network}; allowed: an address inside it"
                )
        return self

    def machine(self, role: Role) -> StaticMachine:
        """The machine of ``role``."""
        return self.control if role == "control" else self.client


def _refuse_twice(what: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(
                f"{what} {value.removesuffix(':None')} stands for two machines; "
                "allowed: a machine of its own for every control and client"
            )


class StaticTestbed(Testbed):
    """A testbed file of provider ``static``; an experiment takes its first sites."""

    provider: Literal["static"]
    user: str = "root"
    keyfile: Path | None = None
    port: Port = 22
    sites: Annotated[tuple[StaticSite, ...], Field(min_length=1)]

    @field_validator("sites")
    @classmethod
    def _each_once(cls, sites: tuple[StaticSite, ...]) -> tuple[StaticSite, ...]:
        machines = [site.machine(role) for site in sites for role in ROLES]
        _refuse_twice("address", [f"{machine.address}:{machine.port}" for machine in machines])
        _refuse_twice("testbed address", [str(machine.peer_address) for machine in machines])
        return sites

    def machines(
        self, names: tuple[str, ...]
    ) -> Iterator[tuple[str, Role, StaticMachine, Machine]]:
        """Site, role, entry and way of reaching of the machines of the first sites."""
        for name, site in zip(names, self.sites, strict=False):
            for role in ROLES:
                entry = site.machine(role)
                keyfile = entry.keyfile or self.keyfile
                yield (
                    name,
                    role,
                    entry,
                    Machine(
                        alias=alias(name, role),
                        address=entry.address,
                        user=entry.user or self.user,
                        keyfile=str(keyfile.expanduser().absolute()) if keyfile else None,
                        port=entry.port or self.port,
                    ),
                )


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
    if len(testbed.sites) < len(request.sites):
        raise ConfigError(
            f"the experiment needs {len(request.sites)} sites and the file has "
            f"{len(testbed.sites)}",
            file=testbed.file,
            key="sites",
            allowed=f"at least {len(request.sites)} sites",
        )
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
        print(f"{error} What was started there is not stopped.", file=sys.stderr, flush=True)
