"""A client process: whole requests to Nova's API, in-process, without Keystone and Neutron.

    python nova_requests.py '{"nova_api": URL, "nova_cell0": URL, "nova_cell1": URL}' FOLDER

The databases must hold the instances of nova_operations.py.
"""

from __future__ import annotations

import itertools
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import nova_client as client
from nova import context, exception, objects
from nova.db import migration
from nova.network import security_group_api
from paste.deploy import loadapp
from serving import Operation, serve
from werkzeug.test import Client

PASTE = """
[composite:osapi_compute]
use = call:nova.api.openstack.urlmap:urlmap_factory
/v2.1: v21
[pipeline:v21]
pipeline = compute_req_id faultwrap someone app
[filter:compute_req_id]
paste.filter_factory = nova.api.compute_req_id:ComputeReqIdMiddleware.factory
[filter:faultwrap]
paste.filter_factory = nova.api.openstack:FaultWrapper.factory
[filter:someone]
paste.filter_factory = nova_requests:someone
[app:app]
paste.app_factory = nova.api.openstack.compute:APIRouterV21.factory
"""


def someone(_: object, **__: object) -> Any:
    """A filter that says who asks, in the place of keystonemiddleware."""

    def around(application: Any) -> Any:
        def call(environment: dict[str, Any], start_response: Any) -> Any:
            environment["nova.context"] = context.RequestContext(
                "u1", "p1", is_admin=True, roles=["admin", "member", "reader"]
            )
            return application(environment, start_response)

        return call

    return around


def map_cells(admin: Any, urls: dict[str, str]) -> objects.CellMapping:
    """Cell 0 and cell 1 on this client's own URLs; cell 1's mapping."""
    found = {cell.name: cell for cell in objects.CellMappingList.get_all(admin)}
    wanted = {"cell0": (objects.CellMapping.CELL0_UUID, "none:///", urls["nova_cell0"]),
              "cell1": (str(uuid.uuid4()), "fake:/", urls["nova_cell1"])}  # fmt: skip
    for name, (key, transport, url) in wanted.items():
        if name in found:
            found[name].database_connection = url
            found[name].save()
            continue
        found[name] = objects.CellMapping(
            context=admin, uuid=key, name=name, transport_url=transport, database_connection=url
        )
        found[name].create()
        if name == "cell0":
            with context.target_cell(admin, found[name]) as in_cell:
                migration.db_sync(database="main", context=in_cell)
    return found["cell1"]


def map_instances(admin: Any, cell: objects.CellMapping, count: int = 20) -> str:
    """Say where some of project p1's instances are; the first one's UUID."""
    found = objects.InstanceList.get_by_filters(
        admin, {"project_id": "p1", "host": "h1", "deleted": False}, limit=count
    )
    for instance in found:
        try:
            objects.InstanceMapping.get_by_instance_uuid(admin, instance.uuid)
        except exception.InstanceMappingNotFound:
            objects.InstanceMapping(
                context=admin, instance_uuid=instance.uuid, cell_mapping=cell, project_id="p1",
                user_id="u1", queued_for_delete=False,
            ).create()  # fmt: skip
    first: str = sorted(instance.uuid for instance in found)[0]
    return first


def requests(server: str) -> dict[str, Operation]:
    security_group_api.get_instances_security_groups_bindings = lambda *_, **__: {}
    security_group_api.get_instance_security_groups = lambda *_, **__: []
    from nova.conf import CONF  # noqa: PLC0415 - configured by now

    application = Client(loadapp("config:" + CONF.wsgi.api_paste_config, name="osapi_compute"))
    numbers = itertools.count()

    def ask(method: str, path: str, body: Any = None) -> None:
        answer = application.open(
            "http://127.0.0.1:8774/v2.1/" + path, method=method, json=body,
            headers={"OpenStack-API-Version": "compute 2.1"},
        )  # fmt: skip
        assert answer.status_code < 300, (answer.status, answer.get_data(as_text=True)[:500])

    metadata = f"servers/{server}/metadata"
    return {
        "nova: GET /servers/{id}": lambda: ask("GET", f"servers/{server}"),
        "nova: GET /servers/detail (50)": lambda: ask("GET", "servers/detail?limit=50"),
        "nova: POST server metadata": lambda: ask(
            "POST", metadata, {"metadata": {"k": str(next(numbers))}}
        ),
    }


def main() -> None:
    sys.modules["nova_requests"] = sys.modules["__main__"]
    urls, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
    paste = folder / "paste.ini"
    paste.write_text(PASTE)
    admin = client.configure(urls, folder, str(paste))
    serve(requests(map_instances(admin, map_cells(admin, urls))))


if __name__ == "__main__":
    main()
