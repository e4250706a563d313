"""Who exists in every deployment, and the secrets of a lease: made for it, and gone with it.

A lease's folder has them in :data:`FILE`, which only its owner reads. Names are the same in every
deployment, passwords and keys never are.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from discovery.errors import DeployError

REGION = "RegionOne"
ACCOUNT = "openstack"
"""The services' account of every data store and of the message broker."""

ADMIN = "admin"

# The load's users, and the project of each. Rally works with these and makes none of its own, which
# the measured database would feel.
LOAD_USERS: Mapping[str, str] = {
    f"load-{number}": f"load-{(number + 1) // 2}" for number in range(1, 7)
}

# The services of a Nova control plane log in as these, with the roles that follow.
SERVICE_USERS = ("glance", "neutron", "nova", "placement")
SERVICE_PROJECT = "service"
SERVICE_ROLES = ("admin", "service")

FILE = "secrets.json"
_BYTES = 24
# As `keystone-manage fernet_setup` and `credential_setup` lay them out: 0 is the next, 1 in use.
_KEYS = tuple(f"{kind}-keys/{number}" for kind in ("fernet", "credential") for number in (0, 1))


@dataclass(frozen=True)
class Credentials:
    """A user of the domain `Default`, and the project it logs in to."""

    username: str
    password: str = field(repr=False)
    project_name: str

    def as_rally(self) -> dict[str, str]:
        """The same in the words of Rally's ``existing@openstack``."""
        return {
            **asdict(self),
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }


@dataclass(frozen=True)
class Secrets:
    """What nobody may know who has not been told.

    ``store`` and ``messages`` are the passwords of :data:`ACCOUNT` at the data stores and at the
    message broker, ``users`` those of Keystone's users by name, ``keys`` Keystone's keys by their
    paths below its folder.
    """

    store: str
    messages: str
    users: Mapping[str, str]
    keys: Mapping[str, str]

    def __repr__(self) -> str:
        """Nothing of it, wherever it is printed."""
        return "Secrets(…)"

    @classmethod
    def fresh(cls) -> Secrets:
        """New ones, which nobody can guess."""
        names = (ADMIN, *LOAD_USERS, *SERVICE_USERS)
        return cls(
            _password(),
            _password(),
            {name: _password() for name in names},
            {path: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() for path in _KEYS},
        )

    @property
    def admin(self) -> Credentials:
        """The administrator."""
        return Credentials(ADMIN, self.users[ADMIN], ADMIN)

    @property
    def load_users(self) -> tuple[Credentials, ...]:
        """The users that the load logs in as."""
        return tuple(
            Credentials(name, self.users[name], project) for name, project in LOAD_USERS.items()
        )

    @property
    def service_users(self) -> tuple[Credentials, ...]:
        """The users that the services of a Nova control plane log in as."""
        return tuple(Credentials(name, self.users[name], SERVICE_PROJECT) for name in SERVICE_USERS)

    def hide(self, text: str) -> str:
        """``text`` without any of them: three stars stand where one was."""
        for secret in self.all():
            text = text.replace(secret, "***")
        return text

    def hide_in(self, folder: Path) -> None:
        """Hide them in every file of ``folder``, such as logs of services that fail as they may."""
        for path in folder.iterdir():
            text = path.read_bytes().decode("utf-8", "surrogateescape")
            hidden = self.hide(text)
            if hidden != text:
                path.write_bytes(hidden.encode("utf-8", "surrogateescape"))

    def all(self) -> tuple[str, ...]:
        """Every one of them."""
        return (self.store, self.messages, *self.users.values(), *self.keys.values())


def secrets_in(folder: Path) -> Secrets:
    """The secrets of the lease whose folder this is; made by who asks first.

    A :class:`DeployError` if they cannot be read.
    """
    path = folder / FILE
    try:
        if not path.exists():
            _write(path, Secrets.fresh())
        return Secrets(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DeployError(f"{path}: the lease's passwords cannot be read: {error}") from None


def _write(path: Path, made: Secrets) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(made), file, indent=1)
    partial.replace(path)


def _password() -> str:
    """One that needs no quotes in a URL, in SQL, in a shell or in a configuration file."""
    return secrets.token_hex(_BYTES)
