"""The back ends a service can be put on: a database product in a given shape.

A new back end is a role in ``ansible/roles/``, a URL template, and one entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Placement = Literal["first-site", "every-site"]


@dataclass(frozen=True)
class Backend:
    """A database product in a given shape.

    ``placement`` says which sites run a server of it. ``url`` is the SQLAlchemy URL template of a
    service's database; ``{host}`` becomes the address the service connects to (the server of its
    own site where there is one, else site 1's) and ``{database}`` the service's database.
    ``memory_mb`` is what one server adds to its node, measured under load.
    """

    name: str
    title: str
    role: str
    placement: Placement
    url: str
    memory_mb: int


BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend(
            name="mariadb",
            title="MariaDB, one server on site 1",
            role="mariadb",
            placement="first-site",
            url="mysql+pymysql://openstack:openstack@{host}/{database}?charset=utf8mb3",
            memory_mb=250,
        ),
        Backend(
            name="galera",
            title="MariaDB Galera, one node per site",
            role="galera",
            placement="every-site",
            url="mysql+pymysql://openstack:openstack@{host}/{database}?charset=utf8mb3",
            memory_mb=350,
        ),
        Backend(
            name="postgresql",
            title="PostgreSQL, one server on site 1 (control)",
            role="postgresql",
            placement="first-site",
            url="postgresql+psycopg2://openstack:openstack@{host}/{database}",
            memory_mb=200,
        ),
    )
}
