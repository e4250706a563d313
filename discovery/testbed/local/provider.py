"""``LocalProvider``: an EnOSlib provider of booted nodes on this machine."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enoslib import Host, Networks, Roles
from enoslib.infra.configuration import BaseConfiguration
from enoslib.infra.provider import Provider
from enoslib.objects import DefaultNetwork

from discovery.errors import MachineError, TestbedError
from discovery.testbed.home import home_mark, lease_folder, ledger_path
from discovery.testbed.ledger import Ledger, Recorder, Thing
from discovery.testbed.local import network, nodes
from discovery.testbed.local.layout import CONTROL, FIRST_NODE, Layout, LocalNode
from discovery.testbed.local.limits import disks, raise_inotify, refuse_few_files
from discovery.testbed.release import release_lease

PROGRAMS = (
    *("ip", "systemd-nspawn", "setsid", "nsenter", "unshare", "mount"),
    *("ssh", "ssh-keygen"),
)

SCHEMA = {
    "type": "object",
    "properties": {
        "lease": {"type": "string", "pattern": "^[0-9a-f]{6}$"},
        "prefix": {"type": "string"},
        "image": {"type": "string"},
        "resources": {
            "type": "object",
            "properties": {
                "machines": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {
                            "roles": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                            "site": {"type": "string"},
                            "alias": {"type": "string", "pattern": "^[a-z0-9-]{1,50}$"},
                        },
                        "required": ["roles", "site", "alias"],
                        "additionalProperties": False,
                    },
                },
                "networks": {"type": "array", "maxItems": 0},
            },
            "required": ["machines", "networks"],
            "additionalProperties": False,
        },
    },
    "required": ["lease", "prefix", "image", "resources"],
    "additionalProperties": False,
}


class LocalNetwork(DefaultNetwork):  # type: ignore[misc]  # EnOSlib has no types
    """A site's LAN."""


@dataclass
class MachineConf:
    """One machine: EnOSlib's roles for it, the name of its site, and its own."""

    roles: list[str]
    site: str
    alias: str

    def to_dict(self) -> dict[str, Any]:
        """As the schema has it."""
        return {"roles": self.roles, "site": self.site, "alias": self.alias}


class LocalConf(BaseConfiguration):  # type: ignore[misc]  # EnOSlib has no types
    """What :class:`LocalProvider` makes; every site that a machine names becomes one."""

    _SCHEMA = SCHEMA

    def __init__(self) -> None:
        super().__init__()
        self._machine_cls = MachineConf
        self.machines: list[MachineConf] = []
        self.lease = secrets.token_hex(3)
        self.prefix = "10.77"
        self.image = ""

    @classmethod
    def from_dictionary(cls, dictionary: Mapping[str, Any], validate: bool = True) -> LocalConf:
        """The configuration that :meth:`to_dict` wrote."""
        if validate:
            cls.validate(dictionary)
        self = cls()
        self.lease, self.prefix = dictionary["lease"], dictionary["prefix"]
        self.image = dictionary["image"]
        self.machines = [MachineConf(**item) for item in dictionary["resources"]["machines"]]
        self.finalize()
        return self

    def to_dict(self) -> dict[str, Any]:
        """As the schema has it."""
        machines = [machine.to_dict() for machine in self.machines]
        return {
            "lease": self.lease,
            "prefix": self.prefix,
            "image": self.image,
            "resources": {"machines": machines, "networks": []},
        }

    @property
    def layout(self) -> Layout:
        """Names and addresses of all that will be made."""
        sites = tuple(dict.fromkeys(machine.site for machine in self.machines))
        count = dict.fromkeys(sites, 0)
        placed = []
        for machine in self.machines:
            number = sites.index(machine.site) + 1
            placed.append(LocalNode(machine.alias, number, count[machine.site]))
            count[machine.site] += 1
        if len(sites) > CONTROL or max(count.values()) > CONTROL - FIRST_NODE:
            raise TestbedError(
                f"The local testbed holds {CONTROL} sites of {CONTROL - FIRST_NODE} nodes at most; "
                "lease fewer."
            )
        return Layout(self.lease, self.prefix, sites, tuple(placed), home_mark())


class LocalProvider(Provider):  # type: ignore[misc]  # EnOSlib has no types
    """Booted machines in network namespaces, grouped in sites that do not reach each other.

    The sites' routers forward, but have no route to each other until a WAN is attached to them.
    Everything is in the ledger before it is made, and :meth:`destroy` works from there.
    """

    provider_conf: LocalConf

    def init(
        self, force_deploy: bool = False, start_time: int | None = None, **_: Any
    ) -> tuple[Roles, Networks]:
        """Make the machines and return when all greet on SSH."""
        if force_deploy and self.is_created():
            self.destroy()
        if not self.is_created():
            self._make()
        return self._resources()

    def is_created(self) -> bool:
        """Whether the ledger holds machines of this lease."""
        held = Ledger(ledger_path()).held(self.provider_conf.lease)
        return any(thing.kind == "namespace" for thing in held)

    def destroy(self, wait: bool = False, **_: Any) -> None:
        """Remove everything of this lease; nothing of it is left on return."""
        release_lease(self.provider_conf.lease)

    def offset_walltime(self, offset: int) -> None:
        """Do nothing: nothing is reserved, so there is no end of it."""

    def _make(self) -> None:
        refuse_machine(Path(self.provider_conf.image))
        layout = self.provider_conf.layout
        network.refuse_prefix_in_use(layout.prefix)
        raise_inotify(len(layout.nodes))
        sizes = disks({one.alias: one.roles[0] for one in self.provider_conf.machines})
        recorder = Recorder(Ledger(ledger_path()), layout.lease)
        if not recorder.ledger.held(layout.lease):  # made by EnOSlib alone, not by our factory
            recorder.record_lease("local", "an EnOSlib provider", layout.sites, kept=False)
        folder = lease_folder(layout.lease)
        recorder.hold(Thing("folder", str(folder)))
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        make_key(folder)
        (folder / "hosts").write_text(layout.hosts_file(), encoding="utf-8")
        network.make_network(layout, recorder)
        nodes.boot(layout, Path(self.provider_conf.image), folder, recorder, sizes)
        nodes.wait_for_ssh(layout, Path(self.provider_conf.image), folder)

    def _resources(self) -> tuple[Roles, Networks]:
        layout = self.provider_conf.layout
        keyfile = str(lease_folder(layout.lease) / "id_ed25519")
        roles, networks = Roles(), Networks()
        for machine, node in zip(self.provider_conf.machines, layout.nodes, strict=True):
            host = Host(
                layout.address(node),
                alias=node.alias,
                user="root",
                keyfile=keyfile,
                extra={"site": machine.site, "ansible_python_interpreter": "/usr/bin/python3"},
            )
            for role in dict.fromkeys([*machine.roles, machine.site]):
                roles[role] += [host]
        for number, site in enumerate(layout.sites, 1):
            lan = LocalNetwork(layout.network(number), gateway=layout.gateway(number))
            networks[site] += [lan]
            networks["testbed"] += [lan]
        return roles, networks


def refuse_machine(image: Path) -> None:
    """A :class:`MachineError` if this machine cannot run nodes that boot ``image``."""
    if os.geteuid() != 0:
        raise MachineError(
            "The local testbed needs root, for namespaces and nspawn; run this with `sudo`, or "
            "use a testbed file with another provider."
        )
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise MachineError(
            f"The local testbed needs {', '.join(missing)}, which this machine lacks; try "
            "`apt-get install iproute2 systemd-container openssh-client util-linux mount`."
        )
    if not (image / "usr").is_dir():
        raise MachineError(
            f"There is no node image at {image}; bake it with `discovery image bake`, or give the "
            "testbed file the `image` of a root file system."
        )
    refuse_few_files()


def make_key(folder: Path) -> None:
    """Make the SSH key of a lease, ``id_ed25519`` and ``id_ed25519.pub``, in ``folder``."""
    key = folder / "id_ed25519"
    if not key.exists():
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "discovery", "-f", str(key)],
            check=True,
            capture_output=True,
        )
