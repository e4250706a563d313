"""Makes Nova's and Placement's tables, from their own models, and servers in them.

    store_servers.py '{"nova_api": URL, "nova_cell0": URL, "nova_cell1": URL, "placement": URL}'

Two servers in cell 1, of which one is deleted, one in cell 0, one that is still to be built; an
allocation of the first one.
"""

import json
import sys
import uuid

import sqlalchemy as sa
from nova.db.api import models as api
from nova.db.main import models as main
from placement.db.sqlalchemy import models as placement

KEYS = {name: str(uuid.UUID(int=n)) for n, name in enumerate(("one", "gone", "failed", "asked"), 1)}


def make(urls):
    engines = {name: sa.create_engine(url) for name, url in urls.items()}
    for name, base in (
        ("nova_api", api.BASE), ("nova_cell0", main.BASE), ("nova_cell1", main.BASE),
        ("placement", placement.BASE),
    ):  # fmt: skip
        base.metadata.create_all(engines[name])
    instances = main.Instance.__table__

    def instance(name, deleted, state):
        return {
            "uuid": KEYS[name], "display_name": name, "deleted": deleted, "vm_state": state,
            "host": "h", "node": "n", "project_id": "p", "vcpus": 2, "memory_mb": 512,
        }  # fmt: skip

    with engines["nova_cell1"].begin() as connection:
        connection.execute(instances.insert(), [instance("one", 0, "active")])
        connection.execute(instances.insert(), [instance("gone", 7, "deleted")])
    with engines["nova_cell0"].begin() as connection:
        connection.execute(instances.insert(), [instance("failed", 0, "error")])
    with engines["nova_api"].begin() as connection:
        for number in (0, 1):
            connection.execute(
                api.CellMapping.__table__.insert(),
                {"id": number + 1, "uuid": str(uuid.UUID(int=90 + number)), "name": f"cell{number}",
                 "transport_url": "none:/", "database_connection": "none:/"},
            )  # fmt: skip
        for name, cell in (("one", 2), ("gone", 2), ("failed", 1), ("asked", None)):
            connection.execute(
                api.InstanceMapping.__table__.insert(),
                {"instance_uuid": KEYS[name], "cell_id": cell, "project_id": "p",
                 "queued_for_delete": name == "gone"},
            )  # fmt: skip
        connection.execute(
            api.BuildRequest.__table__.insert(),
            {"instance_uuid": KEYS["asked"], "project_id": "p", "instance": "{}"},
        )
    with engines["placement"].begin() as connection:
        connection.execute(
            placement.ResourceProvider.__table__.insert(),
            {"id": 1, "uuid": str(uuid.UUID(int=70)), "name": "n", "root_provider_id": 1},
        )
        for resource, used in ((0, 2), (1, 512)):
            connection.execute(
                placement.Allocation.__table__.insert(),
                {"resource_provider_id": 1, "consumer_id": KEYS["one"],
                 "resource_class_id": resource, "used": used},
            )  # fmt: skip
    for engine in engines.values():
        engine.dispose()


make(json.loads(sys.argv[1]))
print(json.dumps(KEYS))
