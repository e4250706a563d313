"""The model of a testbed file of provider ``static``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from discovery.experiment.base import Count, Model, NamedPath
from discovery.testbed.config import Testbed
from discovery.testbed.leases import ROLES, Role, alias
from discovery.testbed.static.machines import Machine

# As useradd takes them; what begins with a hyphen would be an option to ssh.
User = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}$")]
WIDEST = 8
"""The prefix of the largest network that is anybody's own: what is shaped is all of it."""
Port = Annotated[Count, Field(ge=1, le=65_535)]


class StaticMachine(Model):
    """A machine: ``address`` is where SSH reaches it, ``testbed_address`` what its peers use.

    The latter is the former if not given. ``user``, ``keyfile`` and ``port`` not given are those of
    the whole file.
    """

    address: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9:_-]|\.[A-Za-z0-9])*$", max_length=253)
    ]
    testbed_address: IPv4Address | None = None
    user: User | None = None
    keyfile: NamedPath | None = None
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
        if self.network.prefixlen < WIDEST:
            raise ValueError(
                f"the network {self.network} holds others' machines; allowed: one of /{WIDEST} "
                "or smaller"
            )
        for role in ROLES:
            address = self.machine(role).peer_address
            if address not in self.network:
                raise ValueError(
                    f"{role}'s testbed address {address} is outside the site's network "
                    f"{self.network}; allowed: an address inside it"
                )
            if self.network.prefixlen < 31 and address in (
                self.network.network_address,
                self.network.broadcast_address,
            ):
                raise ValueError(
                    f"{role}'s testbed address {address} is that of the whole network "
                    f"{self.network}; allowed: an address of a machine"
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
    user: User = "root"
    keyfile: NamedPath | None = None
    port: Port = 22
    sites: Annotated[tuple[StaticSite, ...], Field(min_length=1)]

    @property
    def most_sites(self) -> int:
        """Those whose machines are named."""
        return len(self.sites)

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
                        # Not Path's, which has an error of its own where there is no such user.
                        keyfile=os.path.abspath(os.path.expanduser(keyfile)) if keyfile else None,  # noqa: PTH100, PTH111
                        port=entry.port or self.port,
                    ),
                )
