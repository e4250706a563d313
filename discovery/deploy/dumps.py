"""Dumps: databases, keys and users of a back end, made once and restored by every deployment.

``$DISCOVERY_HOME/images/<hash>/dumps/<back end>/bcrypt-<rounds>-<hash>/`` holds ``dump.tar.zst``,
the server's own files packed while it was down. They lie beside the image since they are files of
its very server. The passwords in it are nobody's: they were made for it and are not kept, and a
deployment puts those of its lease in their place before it serves anybody. The rounds are in the
name since a stored password costs, at every login, what it was hashed with; the hash is over the
roles and users that made it, over the services that are in it, and over the driver where that is
ours.
"""

from __future__ import annotations

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
    ACCOUNT,
    ADMIN,
    LOAD_USERS,
    REGION,
    SERVICE_ROLES,
    SERVICE_USERS,
    Secrets,
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
    nobodys = Secrets.fresh()
    playbook.run(
        _DEPLOY / "bootstrap.yml",
        {"nodes": [node.host]},
        {
            "backend_role": source.role,
            "services": list(services),
            "addresses": {node.alias: node.address},
            "keystone_databases": {node.alias: _url(source, "keystone", node, nobodys)},
            "bootstrap_databases": {name: _url(source, name, node, nobodys) for name in services},
            "store_password": nobodys.store,
            **identities(settings, nobodys, services),
            **drivers.variables(source.url),
            "dump_folder": str(work),
        },
        log,
        nobodys.hide,
    )


def identities(
    settings: KeystoneSettings, secrets: Secrets, services: Sequence[str] = SERVICES
) -> dict[str, Any]:
    """What the playbooks are told of Keystone's settings and users, to bootstrap it.

    Only one client asks then: there is nothing to replay.
    """
    users: list[dict[str, Any]] = [asdict(user) for user in secrets.load_users]
    if _other(services):
        users += [{**asdict(user), "roles": list(SERVICE_ROLES)} for user in secrets.service_users]
    return {
        "keystone": settings.model_copy(update={"replay": None}).model_dump(),
        "keystone_keys": dict(secrets.keys),
        "admin": asdict(secrets.admin),
        "users": users,
        "region": REGION,
    }


def _other(services: Sequence[str]) -> bool:
    """Whether there are services beside Keystone, with users and roles of their own."""
    return set(services) != set(SERVICES)


def _url(source: Backend, database: str, node: Node, secrets: Secrets) -> str:
    return source.url.format(host=node.address, database=database, password=secrets.store)


def _made_by(source: Backend, services: Sequence[str]) -> str:
    """A hash over what decides what is in a dump of ``source``, whatever the image."""
    service_users = (SERVICE_USERS, SERVICE_ROLES) if _other(services) else ()
    users = (ACCOUNT, ADMIN, dict(LOAD_USERS), service_users)
    made_by = (source.url, tuple(services), users, REGION)
    digest = hashlib.sha256(repr(made_by).encode())
    driver = drivers.serves(source.url)
    if driver is not None:
        digest.update(drivers.version(driver).encode())
    keystone = ("keystone",) if "keystone" in services else ()
    others = ("nova_bootstrap",) if _other(services) else ()
    for role in (source.role, *keystone, *others):
        for path in sorted((_DEPLOY / "roles" / role).rglob("*")):
            if path.is_file():
                digest.update(str(path.relative_to(_DEPLOY)).encode() + path.read_bytes())
    return digest.hexdigest()[:8]
