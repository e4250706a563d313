"""Who exists in every deployment: the administrator, and the users that the load logs in as."""

from __future__ import annotations

from dataclasses import asdict, dataclass

REGION = "RegionOne"


@dataclass(frozen=True)
class Credentials:
    """A user of the domain `Default`, and the project it logs in to."""

    username: str
    password: str
    project_name: str

    def as_rally(self) -> dict[str, str]:
        """The same in the words of Rally's ``existing@openstack``."""
        return {
            **asdict(self),
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }


ADMIN = Credentials("admin", "discovery-admin", "admin")

# Rally works with these and makes none of its own, which the measured database would feel.
LOAD_USERS = tuple(
    Credentials(f"load-{number}", f"discovery-load-{number}", f"load-{(number + 1) // 2}")
    for number in range(1, 7)
)

# The services of a Nova control plane log in as these, with the roles that follow.
SERVICE_USERS = tuple(
    Credentials(name, f"discovery-{name}", "service")
    for name in ("glance", "neutron", "nova", "placement")
)
SERVICE_ROLES = ("admin", "service")
