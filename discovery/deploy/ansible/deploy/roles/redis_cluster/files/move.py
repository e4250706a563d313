"""Move databases of ROME from this node of a Redis Cluster to others: ``move.py``.

The question, its input, is JSON: ``socket`` (this node's), ``password`` (of the account
``openstack``, everywhere), ``addresses`` (per host) and ``homes`` (per database, the host it goes
to). A node's id is the SHA-1 of its host's name. Nobody uses the
databases yet.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import sys
from typing import Any

from redis import Redis

ACCOUNT = "openstack"
SLOTS = 16384
TIMEOUT_MS = 30_000


def node_id(host: str) -> str:
    """The node's id in the cluster."""
    return hashlib.sha1(host.encode()).hexdigest()


def ask(server: Redis, *words: object) -> Any:
    """What ``server`` answers to a command."""
    return server.execute_command(*words)  # type: ignore[no-untyped-call]


def move(source: Redis, own: str, address: str, target: str, database: str, password: str) -> None:
    """Move the slot of ``database`` and all its keys to the node ``target`` at ``address``."""
    slot = binascii.crc_hqx(database.encode(), 0) % SLOTS
    destination = Redis(address, username=ACCOUNT, password=password)
    ask(destination, "CLUSTER", "SETSLOT", slot, "IMPORTING", own)
    ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", target)
    while keys := ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 1000):
        where = (address, 6379, "", 0, TIMEOUT_MS)
        ask(source, "MIGRATE", *where, "AUTH2", ACCOUNT, password, "KEYS", *keys)
    for server in (destination, source):
        ask(server, "CLUSTER", "SETSLOT", slot, "NODE", target)
    destination.close()


def main(question: dict[str, Any]) -> None:
    """Move each database that is to be elsewhere."""
    password = question["password"]
    source = Redis(unix_socket_path=question["socket"], username=ACCOUNT, password=password)
    own = ask(source, "CLUSTER", "MYID")
    own = own.decode() if isinstance(own, bytes) else own
    for database, host in question["homes"].items():
        if node_id(host) != own:
            move(source, own, question["addresses"][host], node_id(host), database, password)
    source.close()


if __name__ == "__main__":
    main(json.load(sys.stdin))
