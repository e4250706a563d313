"""How the factory leases local nodes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from discovery.testbed.leases import Node
from discovery.testbed.local.config import LocalTestbed
from discovery.testbed.local.layout import Layout
from discovery.testbed.local.machines import Machines
from discovery.testbed.local.network import NAMESPACES
from discovery.testbed.request import Opened, Request
from discovery.testbed.wan.echoes import Station
from discovery.testbed.wan.sites import SiteNetwork

if TYPE_CHECKING:
    from discovery.testbed.local.provider import LocalConf


def open_local(testbed: LocalTestbed, request: Request) -> Opened:
    """Boot the nodes on this machine and join their sites by a WAN without delay."""
    from discovery.testbed.local.provider import LocalProvider  # noqa: PLC0415 (EnOSlib: 1.5 s)
    from discovery.testbed.wan.attach import attach  # noqa: PLC0415 (loads EnOSlib too)

    conf = _configuration(testbed, request)
    roles, networks = LocalProvider(conf).init()
    hosts = {host.alias: host for site in request.sites for host in roles[site]}
    nodes = [
        Node(place.alias, place.site, place.role, host.address, host)
        for place in request.places
        for host in [hosts[place.alias]]
    ]
    wan = attach(site_networks(conf.layout), request.folder, request.recorder, nodes)
    if len(request.sites) > 1:
        wan.echo_between(stations(conf.layout))
    return Opened(roles, networks, nodes, wan, Machines(conf.layout).look)


def stations(layout: Layout) -> list[Station]:
    """The first node of every site of ``layout``, from and to which the WAN is tried."""
    return [
        Station(
            layout.sites[site - 1],
            NAMESPACES / layout.node_namespace(layout.nodes_of(site)[0]),
            layout.address(layout.nodes_of(site)[0]),
        )
        for site in layout.numbers
    ]


def site_networks(layout: Layout) -> list[SiteNetwork]:
    """The sites of ``layout`` as the WAN knows them."""
    return [
        SiteNetwork(
            layout.sites[site - 1],
            NAMESPACES / layout.site_namespace(site),
            layout.network(site),
            layout.gateway(site),
        )
        for site in layout.numbers
    ]


def _configuration(testbed: LocalTestbed, request: Request) -> LocalConf:
    from discovery.testbed.local.provider import LocalConf  # noqa: PLC0415 (EnOSlib: 1.5 s)

    conf = LocalConf()
    conf.lease, conf.prefix = request.lease, testbed.prefix
    conf.image = str((testbed.image or _baked()).absolute())
    for place in request.places:
        conf.add_machine(roles=[place.role], site=place.site, alias=place.alias)
    return conf


def _baked() -> Path:
    from discovery.deploy.image import rootfs  # noqa: PLC0415 (only where no image is given)

    return rootfs()
