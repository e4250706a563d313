"""A client process of the conflicts benchmark: what Nova's services write, all at once.

    python conflict_client.py '{"nova_api": URL, "nova_cell1": URL}' FOLDER NUMBER

Nova's own objects, with the retries that Nova itself has; what a caller of Nova would see as an
error is counted by the name of its exception.
"""

from __future__ import annotations

import collections
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import nova_client as client
import sqlalchemy as sa
from nova import exception, objects
from nova.db.main import api as main_db
from nova.db.main import models
from oslo_db import exception as db_exception
from serving import rome_counters, serve

SHARED = 8
MIX = {"heartbeat": 5, "save own": 5, "save shared": 5, "action": 3, "create and destroy": 2,
       "count up": 2}  # fmt: skip
EXPECTED = (exception.UnexpectedTaskStateError, exception.InstanceNotFound)


class Client:
    """One process: instances of its own, and some that all processes write to."""

    def __init__(self, admin: Any, number: int) -> None:
        self.admin, self.number = admin, number
        self.random = random.Random(number)
        self.counted = 0

    def prepare(self, request: dict[str, Any]) -> None:
        """Instances and a service to work on, as the first client has made them."""
        self.shared = request["shared"]
        self.own = [client.new_instance(self.admin, f"own-{self.number}").uuid for _ in range(3)]
        self.service = objects.Service.get_by_compute_host(self.admin, f"h{1 + self.number % 2}")

    def heartbeat(self) -> None:
        """Two processes beat for each host, as after a restart that left one behind."""
        self.service.report_count += 1
        self.service.save()

    def _save(self, uuid: str) -> None:
        instance = objects.Instance.get_by_uuid(
            self.admin, uuid, expected_attrs=["system_metadata"]
        )
        instance.task_state = self.random.choice(["rebooting", "resizing", "powering-off"])
        instance.system_metadata[f"k{self.number}"] = str(self.random.random())
        instance.save()

    def save_own(self) -> None:
        self._save(self.random.choice(self.own))

    def save_shared(self) -> None:
        self._save(self.random.choice(self.shared))

    def action(self) -> None:
        instance = objects.Instance.get_by_uuid(self.admin, self.random.choice(self.shared))
        client.new_action(self.admin, instance)

    def create_and_destroy(self) -> None:
        client.new_instance(self.admin, f"own-{self.number}").destroy()

    def count_up(self) -> None:
        """Read a number and write the next, in one transaction: an update that can be lost."""
        table = models.Service.__table__
        where = sa.and_(table.c.host == "counter", table.c.deleted == 0)
        with main_db.get_engine().begin() as connection:
            now = connection.scalar(sa.select(table.c.report_count).where(where))
            connection.execute(table.update().where(where).values(report_count=now + 1))
        self.counted += 1

    def work(self, request: dict[str, Any]) -> dict[str, Any]:
        """The mix for some seconds; what was done, and what went wrong."""
        operations = [name for name, weight in MIX.items() for _ in range(weight)]
        done: collections.Counter[str] = collections.Counter()
        errors: collections.Counter[str] = collections.Counter()
        before, start = rome_counters(), time.perf_counter()
        while time.perf_counter() - start < request["seconds"]:
            name = self.random.choice(operations)
            try:
                getattr(self, name.replace(" ", "_"))()
            except EXPECTED as error:  # the application's own answer to a race
                errors[f"expected: {type(error).__name__}"] += 1
            except (db_exception.DBError, sa.exc.SQLAlchemyError) as error:
                errors[f"{name}: {type(error).__name__}"] += 1
            else:
                done[name] += 1
        after = rome_counters()
        return {"done": done, "errors": errors, "counted": self.counted,
                "rome": {name: after[name] - before.get(name, 0) for name in after}}  # fmt: skip


def shared_instances(admin: Any) -> list[str]:
    """Made once, by the first client: the schema, services, and instances that all write to."""
    client.populate(admin, {})
    client.new_service(admin, "counter")
    return [client.new_instance(admin, "shared").uuid for _ in range(SHARED)]


def count(admin: Any) -> int:
    """Where `Client.count_up` has come to."""
    counter = objects.Service.get_by_compute_host(admin, "counter")
    return int(counter.report_count)


def main() -> None:
    urls, folder, number = json.loads(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    admin = client.configure(urls, folder)
    this = Client(admin, number)
    serve(
        {},
        {
            "make": lambda _: shared_instances(admin),
            "prepare": this.prepare,
            "work": this.work,
            "count": lambda _: count(admin),
        },
    )


if __name__ == "__main__":
    main()
