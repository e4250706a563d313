"""From leased nodes to Keystones on a back end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from discovery.deploy import drivers, slots
from discovery.deploy.backends import chosen, source
from discovery.deploy.cockroach import cluster, zones
from discovery.deploy.credentials import secrets_in
from discovery.deploy.deployment import Deployment
from discovery.deploy.dumps import SERVICES, bootstrap, dump_of, identities
from discovery.deploy.image import image_hash
from discovery.deploy.logs import new_log
from discovery.deploy.prepare import Phase, prepare

if TYPE_CHECKING:
    from discovery.experiment.models import DatabaseSettings, KeystoneSettings
    from discovery.testbed import Lease


def deploy(
    held: Lease,
    backend: str,
    settings: KeystoneSettings,
    database: DatabaseSettings,
    phase: Phase,
    *,
    placement: str = zones.DEFAULT,
) -> Deployment:
    """Put ``backend`` and a Keystone per site on the nodes of ``held``.

    ``phase`` times the steps ``deploy:prepare``, ``deploy:install`` (only where a node is not
    made from this image), ``deploy:bootstrap`` (only where there is no dump yet, or never is one),
    ``deploy:database`` and ``deploy:keystone``. ``placement`` is that of CockroachDB's replicas. A
    task that fails is a :class:`DeployError`, and so is what is known before to be impossible.
    """
    log = new_log("deploy", held.id)
    deployment = Deployment(
        chosen(backend, foreign_key_indexes=database.foreign_key_indexes),
        tuple(held.nodes),
        image_hash(),
        log,
        secrets_in(held.folder),
        replays=settings.replay is not None,
    )
    server = _server_variables(deployment, database, placement)
    prepare(deployment.nodes, deployment.image, deployment.log, phase)
    dump = dump_of(deployment.backend, settings)
    if dump is not None:
        server["database_dump"] = str(dump.databases)
        if not dump.exists():
            made_by = source(deployment.backend) or deployment.backend
            with phase("deploy:bootstrap"):
                bootstrap(dump, made_by, deployment.database_nodes[0], settings, log)
    with phase("deploy:database"):
        deployment.run("database", deployment.database_nodes, **server)
    if dump is None:
        with phase("deploy:bootstrap"):
            _bootstrap_in_place(deployment, settings, server)
    with phase("deploy:keystone"):
        deployment.run(
            "keystone",
            deployment.control_nodes,
            keystone=settings.model_dump(),
            keystone_keys=dict(deployment.secrets.keys),
            keystone_users={} if dump is None else _passwords(deployment),
            keystone_databases=deployment.database_urls,
            addresses=server["addresses"],
            **drivers.variables(deployment.backend.url, replay=deployment.replays),
        )
    return deployment


def _server_variables(
    deployment: Deployment, database: DatabaseSettings, placement: str
) -> dict[str, Any]:
    """What a back end's role is told of its servers."""
    hosts = [node.alias for node in deployment.database_nodes]
    found = {
        "backend_role": deployment.backend.role,
        "addresses": {node.alias: node.address for node in deployment.control_nodes},
        "database_hosts": hosts,
        "database_slots": slots.share(hosts, SERVICES),
        "store_password": deployment.secrets.store,
        **database.model_dump(),
    }
    if deployment.backend.role == "cockroach":
        found |= cluster.variables(hosts, SERVICES, placement)
    return found


def _passwords(deployment: Deployment) -> dict[str, str]:
    """Whose passwords in a dump are replaced by the lease's: those of all that are in it."""
    return {user.username: user.password for user in (deployment.admin, *deployment.users)}


def _bootstrap_in_place(
    deployment: Deployment, settings: KeystoneSettings, server: dict[str, Any]
) -> None:
    """Bootstrap Keystone on the back end that was just deployed."""
    deployment.run(
        "services",
        deployment.database_nodes[:1],
        keystone_databases=deployment.database_urls,
        **server,
        **identities(settings, deployment.secrets),
        **drivers.variables(deployment.backend.url),
    )
