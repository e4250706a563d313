"""Nova in a process of our own: on some database, with no message bus and no other service."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import nova.rpc
from nova import config, context, objects
from nova.db import migration
from nova.db.main import api as main_db
from nova.db.main import models as main_models
from nova.network import model as network_model
from oslo_utils import timeutils, uuidutils
from population import copies, insert, rows_of

INSTANCES = {"h1": 100, "h2": 1000}
FIRST = 1_000_000
IMAGE = "0a6fd9ae-6bdb-4ae3-93f0-3f4a7b2a3f6c"
ATTRIBUTES = ["info_cache", "metadata", "system_metadata", "flavor", "numa_topology",
              "security_groups", "pci_devices"]  # fmt: skip
LIST_ATTRIBUTES = ["info_cache", "flavor", "metadata", "system_metadata"]


class Silent:
    """A notifier that nobody listens to."""

    def is_enabled(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self if name == "prepare" else None


def configure(urls: dict[str, str], folder: Path, paste: str = "", more: str = "") -> Any:
    """Nova on the databases ``urls`` (``nova_api``, ``nova_cell1``); an administrator's context.

    ``more`` is added to its configuration.
    """
    file = folder / "nova.conf"
    file.write_text(
        f"[DEFAULT]\ntransport_url = fake:/\nstate_path = {folder}\n"
        f"[wsgi]\napi_paste_config = {paste}\n"
        f"[database]\nconnection = {urls['nova_cell1']}\n"
        f"[api_database]\nconnection = {urls['nova_api']}\n{more}"
    )
    config.parse_args(["nova", "--config-file", str(file)])
    logging.disable(logging.WARNING)
    objects.register_all()
    nova.rpc.NOTIFIER = nova.rpc.LEGACY_NOTIFIER = Silent()
    return context.get_admin_context()


def flavor() -> objects.Flavor:
    return objects.Flavor(
        id=1, name="m1.small", memory_mb=2048, vcpus=1, root_gb=20, ephemeral_gb=0, flavorid="2",
        swap=0, rxtx_factor=1.0, vcpu_weight=1, disabled=False, is_public=True,
        extra_specs={"hw:cpu_policy": "shared"}, projects=[], description=None, created_at=None,
        updated_at=None, deleted_at=None, deleted=False,
    )  # fmt: skip


def new_instance(admin: Any, host: str) -> objects.Instance:
    """One instance, as the conductor writes it."""
    uuid = uuidutils.generate_uuid()
    instance = objects.Instance(
        context=admin, uuid=uuid, project_id="p1", user_id="u1", image_ref=IMAGE,
        display_name="vm", hostname="vm", host=host, node=host, compute_id=1, vm_state="active",
        task_state=None, power_state=1, memory_mb=2048, vcpus=1, root_gb=20, ephemeral_gb=0,
        launch_index=0, reservation_id="r-1", metadata={"a": "1", "b": "2"},
        system_metadata={"image_min_ram": "0", "image_os": "linux", "boot_roles": "admin"},
        flavor=flavor(), old_flavor=None, new_flavor=None, instance_type_id=1, cell_name=None,
        availability_zone="nova", launched_at=timeutils.utcnow(),
    )  # fmt: skip
    instance.info_cache = objects.InstanceInfoCache(
        instance_uuid=uuid, network_info=network_model.NetworkInfo([])
    )
    instance.create()
    return instance


def new_action(admin: Any, instance: objects.Instance) -> None:
    """An action with one event, begun and ended, as for a reboot."""
    admin.request_id = "req-" + uuidutils.generate_uuid()
    objects.InstanceAction.action_start(admin, instance.uuid, "reboot", want_result=False)
    event = objects.InstanceActionEvent
    event.event_start(admin, instance.uuid, "compute_reboot", want_result=False)
    event.event_finish(admin, instance.uuid, "compute_reboot", want_result=False)


def new_service(admin: Any, host: str) -> objects.Service:
    service = objects.Service(
        admin, host=host, binary="nova-compute", topic="compute", report_count=0, disabled=False
    )
    service.create()
    return service


def template(admin: Any) -> objects.Instance:
    """The instance that the others are copies of: with a disk and an action."""
    instance = new_instance(admin, "template")
    new_action(admin, instance)
    objects.BlockDeviceMapping(
        context=admin, instance_uuid=instance.uuid, source_type="image", destination_type="local",
        device_name="/dev/vda", boot_index=0, image_id=IMAGE, delete_on_termination=True,
        device_type="disk", volume_size=20, guest_format=None, disk_bus="virtio",
    ).create()  # fmt: skip
    return instance


def make_schema(*databases: str) -> None:
    """By Nova's own migrations: its models alone are no schema that MariaDB takes."""
    for database in databases:
        migration.db_sync(database=database)


def populate(admin: Any, instances: dict[str, int] | None = None) -> int:
    """The schema, services, and instances on hosts; how many rows one instance has."""
    make_schema("api", "main")
    for host in ("h1", "h2"):
        new_service(admin, host)
    engine = main_db.get_engine()
    rows = rows_of(engine, main_models.BASE.metadata, template(admin).uuid)
    first = FIRST
    for host, count in (INSTANCES if instances is None else instances).items():
        insert(engine, copies(rows, first, count, host))
        first += count
    return sum(map(len, rows.values()))
