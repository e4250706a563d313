"""The variants: for each OpenStack service, the back end that holds its state.

Two sorts: those of Keystone alone (the 2018 study), and those of a whole Nova control plane.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from discovery.deploy.backends import BACKENDS
from discovery.errors import ConfigError

VARIANTS: dict[str, dict[str, str]] = {
    "vanilla": {"keystone": "mariadb"},
    "vanilla-galera": {"keystone": "galera"},
    "vanilla-postgresql": {"keystone": "postgresql"},
    "vanilla-postgresql-serializable": {"keystone": "postgresql-serializable"},
    "cockroach-keystone": {"keystone": "cockroachdb"},
    "rome": {"keystone": "rome"},
    "rome-cluster": {"keystone": "rome-cluster"},
}

Fresh = Literal["sync", "push"]
"""How ROME's readers know the newest state: they ask for it, or are told of it (docs/rome.md)."""

_MARIADB = ("mariadb", "galera")
_ROME = ("rome", "rome-cluster")

# The databases of a Nova control plane, and the back ends that each has been run on.
NOVA_SERVICES: Mapping[str, tuple[str, ...]] = {
    "keystone": _MARIADB + _ROME,
    "glance": _MARIADB + _ROME,
    "neutron": _MARIADB + _ROME,
    "placement": _MARIADB + _ROME,
    "nova_api": _MARIADB + _ROME,
    "nova_cell0": _MARIADB + _ROME,
    "nova_cell1": _MARIADB + _ROME,
}


@dataclass(frozen=True)
class Variant:
    """A Nova control plane's back ends.

    ``backends`` has one for every service of :data:`NOVA_SERVICES`. ``replicas`` are those of each
    master of a Redis Cluster, ``fresh`` is how ROME reads.
    """

    name: str
    title: str
    backends: Mapping[str, str]
    replicas: int = 0
    fresh: Fresh = "sync"

    @property
    def stores(self) -> dict[str, tuple[str, ...]]:
        """The services that each of its back ends holds."""
        found: dict[str, tuple[str, ...]] = {}
        for service, backend in self.backends.items():
            found[backend] = (*found.get(backend, ()), service)
        return found


def variant(
    name: str,
    title: str,
    stores: Mapping[str, Sequence[str]],
    *,
    replicas: int = 0,
    fresh: Fresh = "sync",
    file: Path | str = __file__,
) -> Variant:
    """The variant that puts on each back end of ``stores`` the services that it lists.

    ``file`` is where it was written. Raises a :class:`ConfigError` for a service that is named
    twice or not at all or is none, a back end that is none, a service that its back end cannot
    hold, and two cells on two back ends.
    """

    def refuse(message: str, key: str, value: object, allowed: str | Iterable[object]) -> None:
        raise ConfigError(message, file=file, key=f"{name}.{key}", value=value, allowed=allowed)

    backends: dict[str, str] = {}
    for backend, services in stores.items():
        if backend not in BACKENDS:
            refuse("unknown back end", backend, None, BACKENDS)
        for service in services:
            if service not in NOVA_SERVICES:
                refuse("unknown service", backend, service, NOVA_SERVICES)
            if service in backends:
                named = f"also named under {backends[service]}"
                refuse(named, backend, service, "each service once")
            on = NOVA_SERVICES[service]
            if backend not in on:
                refuse(f"{service} does not run on {backend}", backend, service, on)
            backends[service] = backend
    for service in NOVA_SERVICES:
        if service not in backends:
            refuse(f"{service} is on no back end", service, None, NOVA_SERVICES[service])
    if backends["nova_cell0"] != backends["nova_cell1"]:
        one = "one back end for both, as Nova's cell mappings are made from one URL"
        refuse("the two cells are apart", "nova_cell0", backends["nova_cell0"], one)
    if replicas and "rome-cluster" not in stores:
        refuse("there is no Redis Cluster", "replicas", replicas, "0, or a store rome-cluster")
    if fresh == "push" and not set(_ROME) & set(stores):
        refuse("nothing is on ROME", "fresh", fresh, f"sync, or a store {' or '.join(_ROME)}")
    ordered = {service: backends[service] for service in NOVA_SERVICES}
    return Variant(name, title, ordered, replicas, fresh)


_NOVA = ("placement", "nova_api", "nova_cell0", "nova_cell1")
_OTHERS = ("keystone", "glance", "neutron")

NOVA_VARIANTS: dict[str, Variant] = {
    known.name: known
    for known in (
        variant("vanilla", "MariaDB, one server on site 1", {"mariadb": [*NOVA_SERVICES]}),
        variant(
            "vanilla-galera", "MariaDB Galera, one node per site", {"galera": [*NOVA_SERVICES]}
        ),
        variant(
            "redis-nova",
            "Nova on a Redis Cluster, one node per site",
            {"rome-cluster": _NOVA, "mariadb": _OTHERS},
        ),
        variant(
            "redis-nova-push",
            "Nova on a Redis Cluster, one node per site, which tells of commits as they come",
            {"rome-cluster": _NOVA, "mariadb": _OTHERS},
            fresh="push",
        ),
        variant(
            "redis-nova-replicas",
            "Nova on a Redis Cluster, one node per site, each with a replica",
            {"rome-cluster": _NOVA, "mariadb": _OTHERS},
            replicas=1,
        ),
        variant(
            "redis-nova-one",
            "Nova on one Redis on site 1",
            {"rome": _NOVA, "mariadb": _OTHERS},
        ),
        variant(
            "redis-all",
            "Every service on a Redis Cluster, one node per site",
            {"rome-cluster": [*NOVA_SERVICES]},
        ),
    )
}
