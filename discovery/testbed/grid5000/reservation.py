"""Grid'5000 nodes, from plan to SSH: configure, find a start, reserve, wait, deploy.

Jobs are made once: after the reservation everything goes by the jobs' ids, because EnOSlib, asked
by name, would silently reserve anew what was killed meanwhile.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import enoslib as en
from enoslib.config import config_context
from enoslib.errors import NoSlotError
from enoslib.infra.enos_g5k.g5k_api_utils import get_all_clusters_sites, get_clusters_status
from enoslib.infra.providers import find_slot
from enoslib.utils import generate_ssh_option_gateway

from discovery.errors import ConfigError, TestbedError
from discovery.reading import MOST_CONFIGURATION, read_text
from discovery.testbed.grid5000 import oar
from discovery.testbed.grid5000.config import PARIS, Grid5000Testbed
from discovery.testbed.leases import ROLES, Node, alias

SOON_S = 120
"""OAR refuses a start in the past, and EnOSlib puts off, site by site, one within a minute."""

Job = tuple[str, int]


def configure(testbed: Grid5000Testbed, *, sites: int, job_name: str) -> en.G5kConf:
    """EnOSlib's configuration of ``sites`` sites: a control and a client node each, same network.

    Asks the API where the clusters are, and so needs the user's credentials.
    """
    clusters = testbed.clusters[:sites]
    testbed.refuse_sites(sites)
    key = _public_key(testbed)
    oar.require_credentials()
    with oar.api_errors("asking for the list of clusters"):
        oar.client()
        known: dict[str, str] = get_all_clusters_sites()
    for number, share in enumerate(testbed.sites):
        if share.cluster not in known:
            raise ConfigError(
                "Grid'5000 has no such cluster",
                file=testbed.file,
                key=f"sites[{number}].cluster",
                value=share.cluster,
                allowed=sorted(known),
            )
    settings: dict[str, Any] = {
        "job_type": ["deploy"],
        "env_name": testbed.env_name,
        "walltime": testbed.walltime,
        "job_name": job_name,
        "queue": testbed.queue,
        "project": testbed.project,
        "key": key,
    }
    with oar.api_errors("describing the clusters"):
        conf = en.G5kConf.from_settings(
            **{key: value for key, value in settings.items() if value is not None}
        )
        networks = {
            place: en.G5kNetworkConf(
                id=place,
                type="prod",
                site=place,
                roles=[
                    f"site-{number}"
                    for number, cluster in enumerate(clusters, 1)
                    if known[cluster] == place
                ],
            )
            for place in dict.fromkeys(known[cluster] for cluster in clusters)
        }
        for network in networks.values():
            conf.add_network_conf(network)
        for number, cluster in enumerate(clusters, 1):
            for role in ("control", "client"):
                conf.add_machine(
                    roles=[role, f"site-{number}"],
                    cluster=cluster,
                    nodes=1,
                    primary_network=networks[known[cluster]],
                )
        return conf.finalize()


def _public_key(testbed: Grid5000Testbed) -> str | None:
    """The path of the key that the file names, which EnOSlib reads when the nodes are there."""
    if testbed.public_key is None:
        return None
    # Not Path's expanduser, which has an error of its own where there is no such user.
    path = Path(os.path.expanduser(testbed.public_key))  # noqa: PTH111
    try:
        read_text(path, MOST_CONFIGURATION)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(
            f"cannot be read ({why})",
            file=testbed.file,
            key="public_key",
            value=str(path),
            allowed="a public SSH key",
        ) from None
    return str(path)


@dataclass(frozen=True)
class Plan:
    """What would be reserved. ``start`` is in seconds since the epoch; None is at once."""

    nodes: dict[str, int]
    start: int | None
    walltime: str

    def sentence(self) -> str:
        """The plan for a person."""
        when = "at once" if self.start is None else f"at {_clock(self.start)} (Paris)"
        return f"{_sum(self.nodes)} for {self.walltime}, to start {when}"


def plan(testbed: Grid5000Testbed, conf: en.G5kConf) -> Plan:
    """When the nodes of ``conf`` could be had; a :class:`TestbedError` if not within the window.

    The window is the reservation date, or from now to ``wait_hours`` later. What the API knows may
    be out of date when the reservation is made.
    """
    wanted: dict[str, int] = {}
    for machine in conf.machines:
        wanted[machine.cluster] = wanted.get(machine.cluster, 0) + machine.nodes
    with oar.api_errors("looking for free nodes"):
        status = get_clusters_status(wanted)
        for cluster, count in wanted.items():
            alive = [node for node in status[cluster].nodes.values() if node["hard"] == "alive"]
            if len(alive) < count:
                raise TestbedError(
                    f"Cluster {cluster} has {len(alive)} nodes that work and {count} are needed; "
                    "ask for fewer sites or add another cluster."
                )
        provider = en.G5k(conf)
        now = int(time.time()) + SOON_S
        first = now
        if testbed.reservation is not None:
            first = int(testbed.reservation.replace(tzinfo=PARIS).timestamp())
        window = 0 if testbed.reservation is not None else int(testbed.wait_hours * 3600)
        try:
            start = find_slot([provider], window, first)
        except NoSlotError:
            until = f"at {_clock(first)}" if not window else f"until {_clock(first + window)}"
            raise TestbedError(
                f"Grid'5000 has no {_sum(wanted)} free for {testbed.walltime} {until} (Paris); "
                "write a longer `wait_hours`, a later `reservation`, or another cluster."
            ) from None
    at_once = start == now and len(conf.sites) == 1
    return Plan(wanted, None if at_once else start, testbed.walltime)


def _sum(wanted: dict[str, int]) -> str:
    return " and ".join(f"{count} nodes of {name}" for name, count in wanted.items())


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, PARIS):%Y-%m-%d %H:%M:%S}"


def reserve(conf: en.G5kConf, start: int | None) -> list[Job]:
    """Submit one job per Grid'5000 site and return them as (site, id), without waiting.

    With a ``start``, the jobs start together; without, a single one as soon as possible. Some of
    the jobs may have been made when it raises.
    """
    sites: list[str] = sorted(conf.sites)
    with oar.api_errors("reserving nodes"):
        if start is None:
            en.G5k(conf).async_init()
        else:
            # Per site, and not G5k's own way to several sites, which reads the start as this
            # machine's local time where OAR means that of Paris.
            providers = [en.G5k(conf.restrict_to(site)) for site in sites]
            en.Providers(providers).async_init(start_time=start, time_window=0)
        return [(job.site, job.uid) for job in oar.jobs_named(conf.job_name, sites)]


def take(
    testbed: Grid5000Testbed,
    conf: en.G5kConf,
    jobs: list[Job],
    sites: tuple[str, ...],
    tell: Callable[[str], None],
) -> tuple[en.Roles, en.Networks, list[Node]]:
    """Wait for ``jobs``, deploy the environment, and return what was asked for.

    A node's testbed address is the one of its production network interface.
    """
    conf.oargrid_jobids = [[site, str(uid)] for site, uid in jobs]
    provider = en.G5k(conf)
    with oar.api_errors("waiting for the jobs"):
        oar.wait_for_jobs(jobs, tell)
    tell(f"deploying {testbed.env_name} on {sum(m.nodes for m in conf.machines)} nodes")
    with oar.api_errors("deploying the nodes"), config_context(g5k_auto_jump=testbed.jump):
        try:
            roles, networks = provider.init()
        except Exception as error:
            # EnOSlib says only that something is missing when a job was killed under it.
            if over := oar.ended(jobs):
                raise TestbedError(_killed(over)) from error
            raise
    addresses = {
        host.ssh_address: _production_address(host.apinode) for host in provider.sshable_hosts
    }
    nodes = []
    for site in sites:
        for role in ROLES:
            given = [host for host in roles[site] if host in roles[role]]
            if len(given) != 1:
                raise TestbedError(_missing(alias(site, role), testbed, oar.ended(jobs)))
            name = alias(site, role)
            host = en.Host(
                given[0].address, alias=name, user="root", extra=_variables(given[0].get_extra())
            )
            nodes.append(Node(name, site, role, addresses[host.address], host))
    return _roles(nodes), _networks(networks, sites), nodes


def _variables(extra: Mapping[str, Any]) -> dict[str, Any]:
    """A host's Ansible variables; EnOSlib's own words for a gateway become arguments of ssh."""
    arguments = ["-o StrictHostKeyChecking=no", "-o UserKnownHostsFile=/dev/null"]
    if "gateway" in extra:
        arguments.append(
            generate_ssh_option_gateway([(extra["gateway"], extra["gateway_user"], None)])
        )
    return {
        "ansible_ssh_common_args": " ".join(arguments),
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def _roles(nodes: Sequence[Node]) -> en.Roles:
    roles = en.Roles()
    for node in nodes:
        for role in (node.role, node.site):
            roles[role] += [node.host]
    return roles


def _networks(given: en.Networks, sites: Sequence[str]) -> en.Networks:
    """The IPv4 networks by site, and all of them as ``testbed``."""
    networks = en.Networks()
    for site in sites:
        lan = next(network for network in given[site] if network.network.version == 4)
        networks[site] += [lan]
        if lan not in networks["testbed"]:
            networks["testbed"] += [lan]
    return networks


def _missing(name: str, testbed: Grid5000Testbed, over: list[str]) -> str:
    if over:
        return _killed(over)
    return (
        f"{testbed.env_name} could not be deployed on {name}; try again, or with another cluster "
        "or environment."
    )


def _killed(jobs: list[str]) -> str:
    return (
        f"Grid'5000 ended {' and '.join(jobs)} before the nodes were ready; was it deleted, or its "
        "walltime over? Try again."
    )


def _production_address(node: Any) -> str:
    return next(
        str(adapter["ip"])
        for adapter in node.network_adapters
        if adapter["mounted"] and not adapter["management"]
    )
