"""Where CockroachDB keeps the replicas of the services' data, and who of them answers.

The 2018 study's third experiment has nine instances in three groups (*zones* here), each database
with three replicas: one in each zone (Z1, Z2, Z3), two of three in the clients' (Z1, Z1, Z3), or
all in it (Z1, Z1, Z1). Its CockroachDB moved a range's lease to where most requests came from
("follow the workload"), as all versions did by default until 2026. Here this is a placement of
its own, so that what replicas cost can be told from what moving leases saves.

Sites are in three zones in their order, as they are in the groups of a delay: of nine, sites 1 to 3
are ``zone-1``. That is the clients' zone, since the Rally of light load is on site 2.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from discovery.experiment.groups import group_of

REPLICAS = 3
ZONES = 3
HOME = "zone-1"


@dataclass(frozen=True)
class Placement:
    """A placement of the replicas.

    ``zones`` says for each of the three replicas in which zone it has to be; empty where that is
    left to CockroachDB. ``leases_at_home``: the replica that answers should be one in the clients'
    zone. ``follows``: it moves to where most requests come from.
    """

    name: str
    title: str
    zones: tuple[str, ...] = ()
    leases_at_home: bool = False
    follows: bool = False

    @property
    def replicas_in(self) -> Mapping[str, int]:
        """How many replicas each zone has to have."""
        return Counter(self.zones)


PLACEMENTS: dict[str, Placement] = {
    placement.name: placement
    for placement in (
        Placement(
            name="anywhere",
            title="three replicas where CockroachDB puts them, as in the study's first two parts",
            follows=True,
        ),
        Placement(
            name="spread",
            title="a replica in each of three zones (Z1, Z2, Z3), leases spread evenly",
            zones=("zone-1", "zone-2", "zone-3"),
        ),
        Placement(
            name="two-of-three",
            title="two of three replicas, and the leases, in the clients' zone (Z1, Z1, Z3)",
            zones=("zone-1", "zone-1", "zone-3"),
            leases_at_home=True,
        ),
        Placement(
            name="one-zone",
            title="all replicas in the clients' zone (Z1, Z1, Z1)",
            zones=("zone-1", "zone-1", "zone-1"),
            leases_at_home=True,
        ),
        Placement(
            name="follow-the-workload",
            title="a replica in each of three zones, leases where most requests come from",
            zones=("zone-1", "zone-2", "zone-3"),
            follows=True,
        ),
    )
}
DEFAULT = "anywhere"


def zone_of(site: int, sites: int) -> str:
    """The zone of the site with this number (from 1) of ``sites``."""
    return f"zone-{group_of(site, sites, ZONES)}"


def locality(site: int, sites: int) -> str:
    """What a server is told of where it is, the wider first."""
    return f"zone={zone_of(site, sites)},site=site-{site}"


def lacks(placement: str, sites: int) -> str | None:
    """What ``sites`` sites, with one server each, lack for a placement; ``None`` if nothing."""
    if sites < REPLICAS:
        return f"{REPLICAS} replicas need {REPLICAS} sites or more"
    there = Counter(zone_of(site, sites) for site in range(1, sites + 1))
    for zone, wanted in PLACEMENTS[placement].replicas_in.items():
        if there[zone] < wanted:
            return (
                f"placement {placement} needs {wanted} servers in {zone}, and {sites} sites have"
                f" {there[zone]} there"
            )
    return None


def least_sites(placement: str) -> int:
    """The smallest number of sites on which a placement can be had."""
    return next(sites for sites in range(1, 100) if lacks(placement, sites) is None)


def settings(placement: str) -> list[str]:
    """What is set for the whole cluster, in SQL."""
    follows = "true" if PLACEMENTS[placement].follows else "false"
    return [f"SET CLUSTER SETTING kv.allocator.load_based_lease_rebalancing.enabled = {follows};"]


def system() -> list[str]:
    """What leaves the system's own ranges with as many replicas as all others, in SQL.

    By default they want five where there are so many servers: replicas that nobody here reads, made
    one by one before the services' and beside them.
    """
    names = ("DATABASE system", "RANGE meta", "RANGE system", "RANGE liveness")
    return [f"ALTER {name} CONFIGURE ZONE USING num_replicas = {REPLICAS};" for name in names]


def zone(placement: str, database: str) -> str:
    """The zone configuration of a database, in SQL: its replicas, and who of them answers.

    It has to be there before the database has tables: their ranges then begin where they belong,
    and need not be moved, which takes minutes.
    """
    chosen = PLACEMENTS[placement]
    wanted: object = []
    if len(chosen.replicas_in) == 1:
        wanted = [f"+zone={name}" for name in chosen.replicas_in]
    elif chosen.zones:
        wanted = {f"+zone={name}": count for name, count in chosen.replicas_in.items()}
    leases = [[f"+zone={HOME}"]] if chosen.leases_at_home else []
    return (
        f"ALTER DATABASE {database} CONFIGURE ZONE USING num_replicas = {REPLICAS},"
        f" constraints = '{json.dumps(wanted)}', lease_preferences = '{json.dumps(leases)}';"
    )


def databases(placement: str, names: Iterable[str]) -> list[str]:
    """What makes the services' databases, in SQL, each with its zone."""
    statements = []
    for name in names:
        statements += [f"CREATE DATABASE IF NOT EXISTS {name};", zone(placement, name)]
    return statements


def expected(placement: str, names: Iterable[str]) -> dict[str, dict[str, object]]:
    """What the ranges of each database have to have: for the check of a cluster's health."""
    zones = dict(PLACEMENTS[placement].replicas_in)
    return {name: {"least": REPLICAS, "most": REPLICAS, "zones": zones} for name in names}
