"""How large a database on Redis is, who holds copies of it, and who is connected."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from redis.crc import key_slot

from discovery.rome.catalogue import Catalogue
from discovery.rome.damage import Refused
from discovery.rome.head import FORMAT, Head
from discovery.rome.ids import numbers_given
from discovery.rome.scripts import LOOK
from discovery.rome.settings import Settings
from discovery.rome.snapshot import read_schema
from discovery.rome.store import Command, Store
from discovery.rome.watch import lost

_NAME = re.compile(r"rome:(?P<database>[^:]+):(?P<process>\d+)")


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table: its rows, the bytes of their hash in Redis, and the last id that was leased."""

    name: str
    rows: int
    bytes: int
    last_id: int | None


@dataclass(frozen=True, slots=True)
class Follower:
    """A replica of the Redis server; what it lacks in bytes, and seconds since it last said so."""

    address: str
    state: str
    bytes_behind: int
    heard_s: int


@dataclass(frozen=True, slots=True)
class Process:
    """A process that uses the database, by its client name; ``follows``: with ``fresh=push``."""

    host: str
    pid: int
    connections: int
    follows: bool


@dataclass(frozen=True, slots=True)
class Status:
    """One database. Bytes are what Redis says a key takes in its memory, by a sample."""

    database: str
    server: str
    version: str
    role: str
    slot: int | None
    server_bytes: int
    server_limit_bytes: int
    eviction: str
    append_only: bool
    format: str
    epoch: str
    schema_number: int
    newest: int
    oldest: int
    keep: int
    entries: int
    log_bytes: int
    version_keys: int
    version_bytes: int
    tables: tuple[TableSize, ...]
    followers: tuple[Follower, ...]
    processes: tuple[Process, ...]
    damage: tuple[str, ...]


def status(settings: Settings) -> Status:
    """Look at one database, without making a replica of it: a few round trips.

    Raises:
        OperationalError: there is no such database.
        ConnectionLost, StoreRefused: from the store.
    """
    with Store(settings) as store:
        return _status(store)


def _status(store: Store) -> Status:
    settings, keys = store.settings, store.keys
    refused: list[Refused] = []
    head, _, catalogue = read_schema(store, refused)
    commands: list[Command] = [["HGETALL", keys.ids], ["XLEN", keys.log], ["HLEN", keys.versions]]
    commands += [["MEMORY", "USAGE", key] for key in (keys.log, keys.versions)]
    for name in catalogue.tables:
        commands += [["HLEN", keys.rows(name)], ["MEMORY", "USAGE", keys.rows(name)]]
    ids, entries, versions, log_bytes, version_bytes, *sizes = store.at_once(commands)
    last = numbers_given(ids)
    server, memory, persistence, replication, clients, here, address = store.request(_server)
    return Status(
        database=settings.database,
        server=address,
        version=str(server["redis_version"]),
        role="replica" if replication["role"] == "slave" else "master",
        slot=key_slot(keys.head.encode()) if settings.cluster else None,
        server_bytes=int(memory["used_memory"]),
        server_limit_bytes=int(memory["maxmemory"]),
        eviction=str(memory.get("maxmemory_policy", "")),
        append_only=bool(persistence.get("aof_enabled")),
        format=head["format"].decode(),
        epoch=head["epoch"].hex(),
        schema_number=int(head["schema"]),
        newest=int(head["seq"]),
        oldest=int(head["oldest"]),
        keep=int(head["keep"]),
        entries=entries,
        log_bytes=log_bytes or 0,
        version_keys=versions,
        version_bytes=version_bytes or 0,
        tables=tuple(
            TableSize(name, rows, size or 0, last.get(name))
            for name, rows, size in zip(catalogue.tables, sizes[::2], sizes[1::2], strict=True)
        ),
        followers=_followers(replication),
        processes=_processes(clients, settings.database, here),
        damage=_damage(store, head, catalogue, refused),
    )


def _damage(
    store: Store, head: Head, catalogue: Catalogue, refused: list[Refused]
) -> tuple[str, ...]:
    """What can be told without reading the rows."""
    found = [str(one) for one in refused]
    if head.get("format") != FORMAT:
        found.append("losses are not noticed: it has no totals; `discovery rome repair` adds them")
    tables = list(catalogue.tables)
    reply = store.run(LOOK, [*store.keys.fixed, *map(store.keys.rows, tables)], list(tables))
    if reply[0] == b"LOST":
        found.append(str(lost(store.settings, *reply[1:])))
    return tuple(found)


def _server(client: Any) -> tuple[Any, ...]:
    """What a server says of itself, of its replicas and clients, and which client this is."""
    with client.pipeline(transaction=False) as pipeline:
        for section in ("server", "memory", "persistence", "replication"):
            pipeline.info(section)
        pipeline.client_list()
        pipeline.client_info()
        *said, clients, here = pipeline.execute()
    options = client.connection_pool.connection_kwargs
    address = options["address"]
    return *said, clients, here, address if isinstance(address, str) else "{}:{}".format(*address)


def _followers(replication: dict[str, Any]) -> tuple[Follower, ...]:
    newest = int(replication["master_repl_offset"])
    found = [
        value
        for key, value in replication.items()
        if re.fullmatch(r"slave\d+", key) and isinstance(value, dict)
    ]
    return tuple(
        Follower(
            f"{one['ip']}:{one['port']}",
            str(one["state"]),
            max(newest - int(one["offset"]), 0),
            int(one["lag"]),
        )
        for one in found
    )


def _processes(
    clients: list[dict[str, str]], database: str, here: dict[str, str]
) -> tuple[Process, ...]:
    """The clients of ``database`` by process, without the one that asks."""
    found: dict[tuple[str, int], list[dict[str, str]]] = {}
    own = (_host(here), here["name"])
    for client in clients:
        name = _NAME.fullmatch(client["name"])
        if name and name["database"] == quote(database) and (_host(client), client["name"]) != own:
            found.setdefault((_host(client), int(name["process"])), []).append(client)
    return tuple(
        Process(host, pid, len(group), any("b" in client["flags"] for client in group))
        for (host, pid), group in sorted(found.items())
    )


def _host(client: dict[str, str]) -> str:
    return client["addr"].rpartition(":")[0]
