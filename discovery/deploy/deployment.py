"""A deployment: Keystones on a back end, and what one may ask of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discovery.deploy import drivers, playbook
from discovery.deploy.backends import Backend, counters_with
from discovery.deploy.cockroach import program
from discovery.deploy.credentials import Credentials, Secrets
from discovery.errors import DeployError

if TYPE_CHECKING:
    import enoslib as en

    from discovery.testbed import Node

DEPLOY = playbook.ANSIBLE / "deploy"
KEYSTONE_UNIT = "discovery-keystone"
_LAST_LINES = 60  # a traceback is long, and its error is at the end


@dataclass(frozen=True)
class Deployment:
    """Keystones on a back end, one per site.

    ``image`` is the hash of what is installed, ``log`` the file with every task's result,
    ``secrets`` the lease's. ``replays``: its Keystones run requests again that lost a conflict or a
    connection.
    """

    backend: Backend
    nodes: tuple[Node, ...]
    image: str
    log: Path
    secrets: Secrets = field(default_factory=Secrets.fresh)
    replays: bool = False

    @property
    def admin(self) -> Credentials:
        """The administrator."""
        return self.secrets.admin

    @property
    def users(self) -> tuple[Credentials, ...]:
        """The users that the load logs in as."""
        return self.secrets.load_users

    @property
    def control_nodes(self) -> list[Node]:
        """The nodes with a Keystone, in the order of their sites."""
        return [node for node in self.nodes if node.role == "control"]

    @property
    def database_nodes(self) -> list[Node]:
        """The nodes with a server of the back end; the first founds a cluster."""
        control = self.control_nodes
        return control if self.backend.placement == "every-site" else control[:1]

    @property
    def urls(self) -> dict[str, str]:
        """Each site's Keystone, version included: ``http://…:5000/v3``."""
        return {node.site: f"http://{node.address}:5000/v3" for node in self.control_nodes}

    @property
    def database_urls(self) -> dict[str, str]:
        """The URL of Keystone's database as each control node (by alias) reaches it.

        It is the server of its own site where there is one, else site 1's.
        """
        servers = {node.site: node for node in self.database_nodes}
        first = self.database_nodes[0]
        reached = {node.alias: servers.get(node.site, first) for node in self.control_nodes}
        urls = {}
        for alias, own in reached.items():
            others = [node.address for node in self.database_nodes if node is not own]
            urls[alias] = self.backend.url.format(
                host=own.address,
                others=",".join(others),
                other_hosts="&".join(f"host={address}" for address in others),
                database="keystone",
                password=self.secrets.store,
            )
        return urls

    @property
    def query_counters(self) -> Mapping[str, Any]:
        """How a database node's own counters are read there; see :class:`Backend`."""
        return counters_with(self.backend, self.secrets.store)

    def check_health(self) -> None:
        """Prove it: a token issued at each site is validated at every other, from the nodes.

        Before that, everyone who is to load it logs in once, on one site. A :class:`DeployError`
        names the site, its unit that ails, and that unit's last words.
        """
        results = self.run(
            "health",
            self.control_nodes,
            urls=self.urls,
            sites={node.alias: node.site for node in self.control_nodes},
            admin=asdict(self.admin),
            users=[asdict(user) for user in self.users],
        )
        for result in results:
            for site, asked, answer in json.loads(result.payload["stdout"])["failures"]:
                raise DeployError(f"{site} could not {asked}: {answer}; {self._diagnosis(site)}")

    def versions(self) -> dict[str, str]:
        """The versions of the packages that matter, as the first control node has them."""
        brought = self.replays or drivers.serves(self.backend.url)
        driver = drivers.DISTRIBUTION if brought else ""
        found = program.find() if self.backend.role == "cockroach" else None
        (result,) = self.run(
            "versions",
            self.control_nodes[:1],
            driver=driver,
            cockroach=str(found.on_node) if found else "",
            nova=False,
        )
        return dict(line.split(" ", 1) for line in result.payload["stdout"].splitlines())

    def logs(self, folder: Path) -> None:
        """Write the journal of every node's units into ``folder``, as ``<node>.log``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.run("logs", self.nodes, folder=str(folder.absolute()))
        self.secrets.hide_in(folder)

    def run(self, name: str, nodes: tuple[Node, ...] | list[Node], **variables: Any) -> en.Results:
        """Run one of the deployment's playbooks on ``nodes``."""
        return playbook.run(
            DEPLOY / f"{name}.yml",
            {"nodes": [node.host for node in nodes]},
            variables,
            self.log,
            self.secrets.hide,
        )

    def _diagnosis(self, site: str) -> str:
        """The unit of ``site`` that is down, else its Keystone, with its last words."""
        node = next(node for node in self.control_nodes if node.site == site)
        units = self.backend.units if node in self.database_nodes else ()
        (result,) = self.run("diagnose", [node], units=[*units, KEYSTONE_UNIT], lines=_LAST_LINES)
        state, _, log = result.payload["stdout"].partition("\n")
        return self.secrets.hide(f"{state}: {playbook.last_words(log) or 'it logged nothing'}")
