"""Dumps: databases, keys and users of a back end, made once and restored by every deployment.

``$DISCOVERY_HOME/images/<hash>/dumps/<back end>/bcrypt-<rounds>-<hash>/`` holds ``dump.tar.zst``,
the server's own files packed while it was down, and ``keys.tar``, Keystone's keys. They lie beside
the image since they are files of its very server. The rounds are in the name since a stored
password costs, at every login, what it was hashed with; the hash is over the roles and users that
made it, over the services that are in it, and over the driver where that is ours.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discovery.deploy import drivers, playbook
from discovery.deploy.backends import Backend
from discovery.deploy.backends import source as source_of
from discovery.deploy.credentials import (
    ADMIN,
    LOAD_USERS,
    REGION,
    SERVICE_ROLES,
    SERVICE_USERS,
)
from discovery.deploy.image import image_folder

if TYPE_CHECKING:
    from discovery.experiment.models import KeystoneSettings
    from discovery.testbed import Node


SERVICES = ("keystone",)

_UNFINISHED = ".bootstrap-"
_DEPLOY = playbook.ANSIBLE / "deploy"


@dataclass(frozen=True)
class Dump:
    """A back end's bootstrapped databases, in ``folder``."""

    folder: Path

    @property
    def databases(self) -> Path:
        """The server's files, packed."""
        return self.folder / "dump.tar.zst"

    @property
    def keystone_keys(self) -> str:
        """Fernet and credential keys, a tar archive in base64."""
        return keys_in(self.folder)

    def exists(self) -> bool:
        """Whether it has been made."""
        return self.folder.is_dir()


def dump_of(
    backend: Backend, settings: KeystoneSettings, services: Sequence[str] = SERVICES
) -> Dump | None:
    """Where the dump of ``services`` is that ``backend`` starts from, if it starts from one."""
    source = source_of(backend)
    if source is None:
        return None
    dumps = image_folder() / "dumps" / source.name
    made_by = _made_by(source, services)
    return Dump(dumps / f"bcrypt-{settings.bcrypt_rounds}-{made_by}")


def bootstrap(
    dump: Dump,
    source: Backend,
    node: Node,
    settings: KeystoneSettings,
    log: Path,
    services: Sequence[str] = SERVICES,
) -> None:
    """Make ``source``'s ``dump`` of ``services`` on ``node``: an empty server, tables, users.

    Who comes while another makes one waits, and then has nothing to do if it was the same.
    """
    dumps = dump.folder.parent
    dumps.mkdir(parents=True, exist_ok=True)
    with _alone_in(dumps):
        if dump.exists():
            return
        for killed in dumps.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(killed)
        work = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=dumps))
        try:
            _make(work, source, node, settings, log, services)
            work.rename(dump.folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold ``folder``'s lock, which the kernel drops when its holder dies, however it dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(
    work: Path,
    source: Backend,
    node: Node,
    settings: KeystoneSettings,
    log: Path,
    services: Sequence[str],
) -> None:
    playbook.run(
        _DEPLOY / "bootstrap.yml",
        {"nodes": [node.host]},
        {
            "backend_role": source.role,
            "services": list(services),
            "addresses": {node.alias: node.address},
            "keystone_databases": {node.alias: _local_url(source, "keystone")},
            "bootstrap_databases": {name: _local_url(source, name) for name in services},
            **identities(settings, services),
            **drivers.variables(source.url),
            "dump_folder": str(work),
        },
        log,
    )


def keys_in(folder: Path) -> str:
    """The keys that a bootstrap left in ``folder``, a tar archive in base64."""
    return base64.b64encode((folder / "keys.tar").read_bytes()).decode()


def identities(settings: KeystoneSettings, services: Sequence[str] = SERVICES) -> dict[str, Any]:
    """What the playbooks are told of Keystone's settings and users, to bootstrap it.

    Only one client asks then: there is nothing to replay.
    """
    return {
        "keystone": settings.model_copy(update={"replay": None}).model_dump(),
        "admin": asdict(ADMIN),
        "users": _users(services),
        "region": REGION,
    }


def _users(services: Sequence[str]) -> list[dict[str, Any]]:
    """Users and their roles: the load's, and where other services are, those that these are."""
    users: list[dict[str, Any]] = [asdict(user) for user in LOAD_USERS]
    if set(services) != set(SERVICES):
        users += [{**asdict(user), "roles": list(SERVICE_ROLES)} for user in SERVICE_USERS]
    return users


def _local_url(source: Backend, database: str) -> str:
    return source.url.format(host="127.0.0.1", database=database)


def _made_by(source: Backend, services: Sequence[str]) -> str:
    """A hash over what decides what is in a dump of ``source``, whatever the image."""
    made_by = (source.url, tuple(services), ADMIN, _users(services), REGION)
    digest = hashlib.sha256(repr(made_by).encode())
    driver = drivers.serves(source.url)
    if driver is not None:
        digest.update(drivers.version(driver).encode())
    keystone = ("keystone",) if "keystone" in services else ()
    others = () if set(services) == set(SERVICES) else ("nova_bootstrap",)
    for role in (source.role, *keystone, *others):
        for path in sorted((_DEPLOY / "roles" / role).rglob("*")):
            if path.is_file():
                digest.update(str(path.relative_to(_DEPLOY)).encode() + path.read_bytes())
    return digest.hexdigest()[:8]
