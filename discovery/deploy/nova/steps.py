"""From leased nodes to one Nova over all their sites."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from discovery.deploy import drivers, slots
from discovery.deploy.backends import BACKENDS
from discovery.deploy.credentials import secrets_in
from discovery.deploy.dumps import Dump, bootstrap, dump_of
from discovery.deploy.image import image_hash
from discovery.deploy.logs import new_log
from discovery.deploy.nova.deployment import FLAVORS, IMAGE, NovaDeployment
from discovery.deploy.nova.layout import CLUSTER, homes, ours_on, servers_of
from discovery.deploy.nova.settings import NovaSettings
from discovery.deploy.prepare import Phase, prepare
from discovery.deploy.variants import NOVA_SERVICES, Variant
from discovery.errors import DeployError

if TYPE_CHECKING:
    from discovery.experiment.models import DatabaseSettings, KeystoneSettings
    from discovery.testbed import Lease

# How long a service may take to come up: twenty times what one takes on an idle core.
UP_S = 300


def deploy_nova(
    held: Lease,
    variant: Variant,
    keystone: KeystoneSettings,
    database: DatabaseSettings,
    settings: NovaSettings,
    phase: Phase,
    *,
    redis_nodes: int | None = None,
) -> NovaDeployment:
    """Put ``variant``'s back ends and one Nova on the nodes of ``held``.

    The nodes are those of :func:`discovery.deploy.nova.layout.roles_of`. ``phase`` times the steps
    ``deploy:prepare``, ``deploy:install`` (only where a node is not made from this image),
    ``deploy:messages``, ``deploy:bootstrap`` (only where there is no dump yet),
    ``deploy:database``, ``deploy:services``, ``deploy:await`` and ``deploy:seed``. A step that
    fails is a :class:`DeployError`.
    """
    log = new_log("deploy", held.id)
    deployment = NovaDeployment(
        variant,
        tuple(held.nodes),
        image_hash(),
        log,
        settings,
        redis_nodes,
        secrets_in(held.folder),
    )
    prepare(deployment.nodes, deployment.image, deployment.log, phase)
    with phase("deploy:messages"):
        deployment.run(
            "messages",
            [deployment.master],
            addresses=_addresses(deployment),
            messages_password=deployment.secrets.messages,
        )
    dumps = {backend: _dump(deployment, backend, keystone, phase) for backend in variant.stores}
    with phase("deploy:database"):
        for backend, dump in dumps.items():
            _start_servers(deployment, backend, dump, database)
    with phase("deploy:services"):
        _start_services(deployment, keystone)
    with phase("deploy:await"):
        deployment.await_units(UP_S)
    with phase("deploy:seed"):
        _seed(deployment)
    return deployment


def _addresses(deployment: NovaDeployment) -> dict[str, str]:
    return {node.alias: node.address for node in deployment.nodes}


def _dump(
    deployment: NovaDeployment, backend: str, keystone: KeystoneSettings, phase: Phase
) -> Dump:
    """The dump that ``backend`` starts from, made if there is none."""
    source = BACKENDS[str(BACKENDS[backend].dump)]
    services = _held(source.name, deployment.variant.stores[backend])
    dump = dump_of(BACKENDS[backend], keystone, services)
    if dump is None:
        raise DeployError(f"back end {backend} has no dump, which a Nova control plane starts from")
    if not dump.exists():
        with phase("deploy:bootstrap"):
            node = deployment.of("database")[0]
            bootstrap(dump, source, node, keystone, deployment.log, services)
    return dump


def _held(source: str, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The services in ``source``'s dump: of MariaDB there is one for all variants."""
    return tuple(NOVA_SERVICES) if source == "mariadb" else wanted


def _start_servers(
    deployment: NovaDeployment, backend: str, dump: Dump, database: DatabaseSettings
) -> None:
    servers, replicas = servers_of(
        backend, deployment.variant, deployment.nodes, deployment.redis_nodes
    )
    hosts = [node.alias for node in servers if node.alias not in replicas]
    services = deployment.variant.stores[backend]
    deployment.run(
        "database",
        servers,
        backend_role=BACKENDS[backend].role,
        database_dump=str(dump.databases),
        store_password=deployment.secrets.store,
        addresses=_addresses(deployment),
        database_hosts=hosts,
        database_slots=slots.share(hosts, services),
        database_replicas=replicas,
        database_homes=homes(hosts, services) if backend == CLUSTER else {},
        **database.model_dump(),
    )


def _start_services(deployment: NovaDeployment, keystone: KeystoneSettings) -> None:
    control, compute, master = (deployment.of(role) for role in ("control", "compute", "master"))
    databases = {node.alias: deployment.database_urls(node) for node in (*control, *master)}
    keystone_url = databases[master[0].alias]["keystone"]
    secrets = deployment.secrets
    seen = (secrets.admin, *secrets.load_users, *secrets.service_users)
    deployment.run_on(
        "nova",
        {"control": control, "compute": compute, "master": master},
        addresses=_addresses(deployment),
        sites={node.alias: node.site for node in deployment.nodes},
        databases=databases,
        placement_urls={
            node.alias: deployment.placement_urls[node.site] for node in (*control, *compute)
        },
        nova_urls={node.alias: deployment.nova_urls[node.site] for node in compute},
        keystone_keys=dict(secrets.keys),
        keystone_users=dict(secrets.users),
        keystone_databases={master[0].alias: keystone_url},
        keystone=keystone.model_copy(update={"replay": None}).model_dump(),
        keystone_url=deployment.keystone_url,
        glance_url=f"http://{master[0].address}:9292",
        neutron_url=f"http://{master[0].address}:9696",
        transport_url=deployment.transport_url,
        service_users={user.username: user.password for user in secrets.service_users},
        seen_users=[asdict(user) for user in seen],
        nova=deployment.settings.told,
        control_needs_drivers=ours_on(deployment.variant, "control") or deployment.settings.probe,
        **drivers.carried(),
    )


def _seed(deployment: NovaDeployment) -> None:
    """Catalog, flavors, image, the computes' cell, zones."""
    settings = deployment.settings
    computes = [node.alias for node in deployment.of("compute")]
    controls = [node.alias for node in deployment.of("control")]
    site = deployment.of("control")[0].site
    question: dict[str, Any] = {
        "keystone": deployment.keystone_url,
        "nova": deployment.nova_urls[site],
        "glance": f"http://{deployment.master.address}:9292",
        "placement": deployment.placement_urls[site],
        "admin": asdict(deployment.admin),
        "regions": deployment.regions,
        "flavors": list(FLAVORS),
        "image": IMAGE,
        "services": {
            "nova-conductor": controls,
            "nova-scheduler": controls,
            "nova-compute": computes,
        },
        "providers": len(computes) * settings.fake_nodes,
        "zones": {node.site: [node.alias] for node in deployment.of("compute")}
        if settings.zones
        else {},
        "seconds": UP_S,
    }
    (result,) = deployment.run("seed", deployment.of("control")[:1], seed=question)
    late = json.loads(result.payload["stdout"])["late"]
    if late is not None:
        unit, host, what = late
        diagnosis = deployment.diagnosis(host, [unit])
        raise DeployError(f"{host}: {unit} {what} after {UP_S} s; {diagnosis}")
