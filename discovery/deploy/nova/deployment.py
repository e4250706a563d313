"""A Nova control plane that was deployed, and what one may ask of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discovery.deploy import drivers, playbook
from discovery.deploy.backends import BACKENDS, counters_with
from discovery.deploy.credentials import ACCOUNT, Credentials, Secrets
from discovery.deploy.nova.layout import servers_of
from discovery.deploy.nova.settings import NovaSettings
from discovery.deploy.variants import Variant
from discovery.errors import DeployError

if TYPE_CHECKING:
    import enoslib as en

    from discovery.testbed.leases import Node, Role

DEPLOY = playbook.ANSIBLE / "deploy"
_LAST_LINES = 400  # tracebacks are long, and workers that were stopped for it add their own
_FAILED = "it is failed"  # as files/await_units.py says it, of a unit that is not awaited longer
HEALTH_S = 120

# Nova's own of the days of the study, the smallest first; and the image that all servers boot.
FLAVORS: tuple[dict[str, Any], ...] = tuple(
    {"id": str(number), "name": f"m1.{name}", "ram": ram, "disk": disk, "vcpus": cores}
    for number, (name, ram, disk, cores) in enumerate(
        [
            ("tiny", 512, 1, 1),
            ("small", 2048, 20, 1),
            ("medium", 4096, 40, 2),
            ("large", 8192, 80, 4),
            ("xlarge", 16384, 160, 8),
        ],
        start=1,
    )
)
IMAGE: dict[str, Any] = {
    "id": "00000000-0000-4000-8000-000000000001",
    "name": "nothing",
    "disk_format": "raw",
    "container_format": "bare",
    "visibility": "public",
}

# The units of each kind of node, in the order in which they are looked at when something ails.
UNITS: Mapping[str, tuple[str, ...]] = {
    "master": (
        "discovery-rabbitmq",
        "discovery-glance",
        "discovery-neutron",
        "discovery-keystone",
    ),
    "control": (
        "discovery-placement",
        "discovery-nova-scheduler",
        "discovery-nova-conductor",
        "discovery-nova-api",
    ),
    "compute": ("discovery-nova-compute",),
}


@dataclass(frozen=True)
class NovaDeployment:
    """One Nova over all sites, on the back ends of ``variant``.

    ``image`` is the hash of what is installed, ``log`` the file with every task's result,
    ``redis_nodes`` as in :func:`discovery.deploy.nova.layout.roles_of`, ``secrets`` the lease's.
    """

    variant: Variant
    nodes: tuple[Node, ...]
    image: str
    log: Path
    settings: NovaSettings
    redis_nodes: int | None = None
    secrets: Secrets = field(default_factory=Secrets.fresh)

    @property
    def admin(self) -> Credentials:
        """The administrator."""
        return self.secrets.admin

    @property
    def users(self) -> tuple[Credentials, ...]:
        """The users that the load logs in as."""
        return self.secrets.load_users

    @property
    def master(self) -> Node:
        """The node with Keystone, Glance, Neutron and RabbitMQ."""
        return self.of("master")[0]

    def of(self, role: Role) -> list[Node]:
        """The nodes of a kind, in the order of their sites."""
        return [node for node in self.nodes if node.role == role]

    @property
    def units(self) -> dict[str, tuple[str, ...]]:
        """The systemd units of every node that runs some, by alias: services and servers."""
        found = {node.alias: UNITS[node.role] for node in self.nodes if node.role in UNITS}
        for backend in self.variant.stores:
            for node in self.servers(backend):
                found[node.alias] = (*found.get(node.alias, ()), *BACKENDS[backend].units)
        return found

    def servers(self, backend: str) -> list[Node]:
        """The nodes with a server of ``backend``; the first founds a cluster."""
        return servers_of(backend, self.variant, self.nodes, self.redis_nodes)[0]

    @property
    def keystone_url(self) -> str:
        """Keystone's, version included."""
        return f"http://{self.master.address}:5000/v3"

    @property
    def transport_url(self) -> str:
        """RabbitMQ's, as a service asks for it."""
        return f"rabbit://{ACCOUNT}:{self.secrets.messages}@{self.master.address}:5672/"

    @property
    def keystone_urls(self) -> dict[str, str]:
        """Where a client of each site logs in: at the one Keystone there is."""
        return dict.fromkeys(self.nova_urls, self.keystone_url)

    @property
    def zones(self) -> dict[str, str]:
        """The availability zone of each site, where they have some."""
        return {site: site for site in self.nova_urls} if self.settings.zones else {}

    @property
    def nova_urls(self) -> dict[str, str]:
        """Each site's nova-api, version included."""
        return {node.site: f"http://{node.address}:8774/v2.1" for node in self.of("control")}

    @property
    def placement_urls(self) -> dict[str, str]:
        """Each site's Placement."""
        return {node.site: f"http://{node.address}:8778" for node in self.of("control")}

    @property
    def regions(self) -> dict[str, dict[str, str]]:
        """The catalog: per region, called as its site is, each service type's endpoint."""
        return {
            site: {
                "identity": self.keystone_url,
                "image": f"http://{self.master.address}:9292",
                "network": f"http://{self.master.address}:9696",
                "placement": self.placement_urls[site],
                "compute": nova,
            }
            for site, nova in self.nova_urls.items()
        }

    def database_urls(self, node: Node) -> dict[str, str]:
        """The URL of every service's database as ``node`` reaches it, by service.

        It is the server of its own site where there is one, else the first.
        """
        urls = {}
        for service, backend in self.variant.backends.items():
            servers = self.servers(backend)
            own = next((one for one in servers if one.site == node.site), servers[0])
            others = [one.address for one in servers if one is not own]
            url = BACKENDS[backend].url.format(
                host=own.address,
                others=",".join(others),
                other_hosts="&".join(f"host={address}" for address in others),
                database=service,
                password=self.secrets.store,
            )
            if self.variant.fresh == "push" and drivers.serves(url):
                url += f"{'&' if '?' in url else '?'}fresh=push"
            urls[service] = url
        return urls

    def query_counters(self, backend: str) -> Mapping[str, Any]:
        """How the counters of ``backend``'s servers are read there; see :class:`Backend`."""
        return counters_with(BACKENDS[backend], self.secrets.store)

    def await_units(self, seconds: float) -> None:
        """Wait until every API answers and every other unit of control and master nodes is up.

        A :class:`DeployError` names the unit that is late, its last words, and how to look on.
        """
        ports = {
            "discovery-rabbitmq": "tcp://{}:5672",
            "discovery-keystone": "http://{}:5000/v3",
            "discovery-glance": "http://{}:9292/",
            "discovery-neutron": "http://{}:9696/",
            "discovery-nova-api": "http://{}:8774/",
            "discovery-placement": "http://{}:8778/",
        }
        waiting = [self.master, *self.of("control")]
        awaited = {
            node.alias: {
                unit: ports.get(unit, "").format(node.address) for unit in UNITS[node.role]
            }
            for node in waiting
        }
        for result in self.run("await", waiting, awaited=awaited, await_s=seconds):
            for unit, why in json.loads(result.payload["stdout"])["late"]:
                after = "" if why == _FAILED else f" after {seconds:.0f} s"
                raise DeployError(
                    f"{result.host}: {unit} is not up{after}: {why};"
                    f" {self.diagnosis(result.host, [unit])}"
                )

    def check_health(self) -> None:
        """Prove it: every site's API boots a server to ACTIVE and deletes it.

        A :class:`DeployError` names the site, its unit that ails, and that unit's last words.
        """
        questions = {
            node.alias: {
                "site": node.site,
                "keystone": self.keystone_url,
                "nova": self.nova_urls[node.site],
                "admin": asdict(self.admin),
                "flavor": FLAVORS[0]["id"],
                "image": IMAGE["id"],
                "zone": self.zones.get(node.site),
                "seconds": HEALTH_S,
            }
            for node in self.of("control")
        }
        for result in self.run("nova-health", self.of("control"), questions=questions):
            for site, asked, answer in json.loads(result.payload["stdout"])["failures"]:
                raise DeployError(
                    f"{site} could not {asked}: {answer};"
                    f" {self.diagnosis(result.host, UNITS['control'])}"
                )

    def versions(self) -> dict[str, str]:
        """The versions of the packages that matter, as the first control node has them."""
        (result,) = self.run("versions", self.of("control")[:1], driver="", cockroach="", nova=True)
        found = dict(line.split(" ", 1) for line in result.payload["stdout"].splitlines())
        return {**found, drivers.DISTRIBUTION: drivers.version()}

    def logs(self, folder: Path) -> None:
        """Write the journal of every node's units into ``folder``, as ``<node>.log``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.run("logs", self.nodes, folder=str(folder.absolute()))
        self.secrets.hide_in(folder)

    def run(self, name: str, nodes: Sequence[Node], **variables: Any) -> en.Results:
        """Run one of the deployment's playbooks on ``nodes``."""
        return self.run_on(name, {"nodes": nodes}, **variables)

    def run_on(
        self, name: str, groups: Mapping[str, Sequence[Node]], **variables: Any
    ) -> en.Results:
        """Run one of the deployment's playbooks on groups of nodes."""
        hosts = {group: [node.host for node in nodes] for group, nodes in groups.items()}
        return playbook.run(DEPLOY / f"{name}.yml", hosts, variables, self.log, self.secrets.hide)

    def diagnosis(self, alias: str, units: Iterable[str]) -> str:
        """The unit of a node that is down, else the last, with its last words and where more is."""
        (node,) = [node for node in self.nodes if node.alias == alias]
        (result,) = self.run("diagnose", [node], units=list(units), lines=_LAST_LINES)
        state, _, log = result.payload["stdout"].partition("\n")
        unit = state.split()[0]
        return self.secrets.hide(
            f"{state}: {playbook.last_words(log) or 'it logged nothing'}; look further with"
            f" `discovery testbed run 'journalctl -u {unit}' --on {alias}`"
        )
