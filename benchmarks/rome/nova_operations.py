"""A client process: Nova's own objects, unmodified, one operation at a time.

python nova_operations.py '{"nova_api": URL, "nova_cell1": URL}' FOLDER
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import nova_client as client
from nova import objects
from serving import Operation, serve


class Operations:
    """The operations of the table; what they work on is made at the first call."""

    def __init__(self, admin: Any) -> None:
        self.admin = admin
        self._numbers = itertools.count(1)
        self._made: dict[str, Any] = {}

    def _once(self, name: str, make: Operation) -> Any:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _instance(self) -> objects.Instance:
        return self._once("instance", lambda: client.new_instance(self.admin, "h3"))

    def create(self) -> None:
        self._made.setdefault("created", []).append(client.new_instance(self.admin, "h3"))

    def get(self) -> None:
        uuid = self._instance().uuid
        objects.Instance.get_by_uuid(self.admin, uuid, expected_attrs=client.ATTRIBUTES)

    def save(self) -> None:
        uuid = self._instance().uuid
        held = self._once(
            "held",
            lambda: objects.Instance.get_by_uuid(
                self.admin, uuid, expected_attrs=client.ATTRIBUTES
            ),
        )
        number = str(next(self._numbers))
        held.task_state = "t" + number
        held.system_metadata["x"] = number
        held.save()

    def heartbeat(self) -> None:
        service = self._once(
            "service", lambda: objects.Service.get_by_compute_host(self.admin, "h1")
        )
        service.report_count += 1
        service.save()

    def action(self) -> None:
        client.new_action(self.admin, self._instance())

    def list_100(self) -> None:
        found = objects.InstanceList.get_by_host(
            self.admin, "h1", expected_attrs=client.LIST_ATTRIBUTES
        )
        assert len(found) == client.INSTANCES["h1"], len(found)

    def list_1000(self) -> None:
        found = objects.InstanceList.get_by_host(
            self.admin, "h2", expected_attrs=client.LIST_ATTRIBUTES
        )
        assert len(found) == client.INSTANCES["h2"], len(found)

    def destroy(self) -> None:
        self._made["created"].pop().destroy()

    def named(self) -> dict[str, Operation]:
        """All of them, in an order in which they can be run."""
        return {
            "instance.create": self.create,
            "instance.get_by_uuid, 7 joined": self.get,
            "instance.save": self.save,
            "service heartbeat": self.heartbeat,
            "action start, event start, finish": self.action,
            "list 100 by host": self.list_100,
            "list 1000 by host": self.list_1000,
            "instance.destroy": self.destroy,
        }


def main() -> None:
    urls, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
    admin = client.configure(urls, folder)
    serve(Operations(admin).named(), {"populate": lambda _: client.populate(admin)})


if __name__ == "__main__":
    main()
