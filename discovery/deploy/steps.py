"""From leased nodes to Keystones on a back end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from discovery.deploy import drivers, playbook, slots
from discovery.deploy.backends import BACKENDS
from discovery.deploy.deployment import Deployment
from discovery.deploy.dumps import SERVICES, bootstrap, dump_of
from discovery.deploy.image import INSTALL, LOCKS, image_folder, image_hash

if TYPE_CHECKING:
    from discovery.experiment.models import DatabaseSettings, KeystoneSettings
    from discovery.testbed import Lease

Phase = Callable[[str], AbstractContextManager[None]]


def deploy(
    held: Lease,
    backend: str,
    settings: KeystoneSettings,
    database: DatabaseSettings,
    phase: Phase,
) -> Deployment:
    """Put ``backend`` and a Keystone per site on the nodes of ``held``.

    ``phase`` times the steps ``deploy:prepare``, ``deploy:install`` (only where a node is not
    made from this image), ``deploy:bootstrap`` (only where there is no dump yet),
    ``deploy:database`` and ``deploy:keystone``. A task that fails is a :class:`DeployError`.
    """
    log = image_folder() / "deploy.jsonl"
    log.unlink(missing_ok=True)
    deployment = Deployment(BACKENDS[backend], tuple(held.nodes), image_hash(), log)
    with phase("deploy:prepare"):
        answers = deployment.run("prepare", deployment.nodes)
        marked = {answer.host: answer.payload["stdout"].strip() for answer in answers}
    bare = [node for node in held.nodes if marked[node.alias] != deployment.image]
    if bare:
        with phase("deploy:install"):
            playbook.run(
                INSTALL,
                {"all": [node.host for node in bare]},
                {
                    "locks": str(LOCKS),
                    "image_hash": deployment.image,
                    "index_environment": {"DEBIAN_FRONTEND": "noninteractive"},
                },
                log,
            )
    dump = dump_of(deployment.backend, settings)
    if not dump.exists():
        with phase("deploy:bootstrap"):
            bootstrap(dump, deployment.backend, deployment.database_nodes[0], settings, log)
    addresses = {node.alias: node.address for node in deployment.control_nodes}
    database_hosts = [node.alias for node in deployment.database_nodes]
    with phase("deploy:database"):
        deployment.run(
            "database",
            deployment.database_nodes,
            backend_role=deployment.backend.role,
            database_dump=str(dump.databases),
            **database.model_dump(),
            database_hosts=database_hosts,
            database_slots=slots.share(database_hosts, SERVICES),
            addresses=addresses,
        )
    with phase("deploy:keystone"):
        deployment.run(
            "keystone",
            deployment.control_nodes,
            keystone=settings.model_dump(),
            keystone_keys=dump.keystone_keys,
            keystone_databases=deployment.database_urls,
            addresses=addresses,
            **drivers.variables(deployment.backend.url),
        )
    return deployment
