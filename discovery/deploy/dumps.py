"""Dumps: databases, keys and users of a back end, made once and restored by every deployment.

``$DISCOVERY_HOME/images/<hash>/dumps/<back end>/bcrypt-<rounds>-<hash>/`` holds ``dump.tar.zst``,
the server's own files packed while it was down, and ``keys.tar``, Keystone's keys. They lie beside
the image since they are files of its very server. The rounds are in the name since a stored
password costs, at every login, what it was hashed with; the hash is over the roles and users that
made it, and over the driver where that is ours.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discovery.deploy import drivers, playbook
from discovery.deploy.backends import BACKENDS, Backend
from discovery.deploy.credentials import ADMIN, LOAD_USERS, REGION
from discovery.deploy.image import image_folder

if TYPE_CHECKING:
    from discovery.experiment.models import KeystoneSettings
    from discovery.testbed import Node


SERVICES = ("keystone",)

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


def dump_of(backend: Backend, settings: KeystoneSettings) -> Dump | None:
    """Where the dump is that ``backend`` starts from; ``None`` if it starts from none."""
    if backend.dump is None:
        return None
    dumps = image_folder() / "dumps" / backend.dump
    made_by = _made_by(BACKENDS[backend.dump])
    return Dump(dumps / f"bcrypt-{settings.bcrypt_rounds}-{made_by}")


def bootstrap(
    dump: Dump, source: Backend, node: Node, settings: KeystoneSettings, log: Path
) -> None:
    """Make ``source``'s ``dump`` on ``node``: an empty server, tables, users, then pack it."""
    dump.folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".bootstrap-", dir=dump.folder.parent))
    try:
        playbook.run(
            _DEPLOY / "bootstrap.yml",
            {"nodes": [node.host]},
            {
                "backend_role": source.role,
                "services": list(SERVICES),
                "addresses": {node.alias: node.address},
                "keystone_databases": {
                    node.alias: source.url.format(host="127.0.0.1", database="keystone")
                },
                **identities(settings),
                **drivers.variables(source.url),
                "dump_folder": str(work),
            },
            log,
        )
        work.rename(dump.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def keys_in(folder: Path) -> str:
    """The keys that a bootstrap left in ``folder``, a tar archive in base64."""
    return base64.b64encode((folder / "keys.tar").read_bytes()).decode()


def identities(settings: KeystoneSettings) -> dict[str, Any]:
    """What the playbooks are told of Keystone's settings and users, to bootstrap it.

    Only one client asks then: there is nothing to replay.
    """
    return {
        "keystone": settings.model_copy(update={"replay": None}).model_dump(),
        "admin": asdict(ADMIN),
        "users": [asdict(user) for user in LOAD_USERS],
        "region": REGION,
    }


def _made_by(source: Backend) -> str:
    """A hash over what decides what is in a dump of ``source``, whatever the image."""
    made_by = (source.url, SERVICES, ADMIN, LOAD_USERS, REGION)
    digest = hashlib.sha256(repr(made_by).encode())
    driver = drivers.serves(source.url)
    if driver is not None:
        digest.update(drivers.version(driver).encode())
    for role in (source.role, "keystone"):
        for path in sorted((_DEPLOY / "roles" / role).rglob("*")):
            if path.is_file():
                digest.update(str(path.relative_to(_DEPLOY)).encode() + path.read_bytes())
    return digest.hexdigest()[:8]
