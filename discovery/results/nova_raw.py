"""Raw results that cells on Nova have beside the others: their files, columns, and reading them.

================== ===========================================================================
``calls.parquet``  a row per call of Nova's data-access layer (`discovery.probe.lines.Call`)
``processes.parquet`` a row per process of Nova's: its calls, and what the probe could not keep
``burst/<site>.json`` the servers that a site's client asked for (``workload/on_node/burst.py``)
``traffic.parquet`` what each node has exchanged with each other, cumulative
``consistency.json`` what all that know of servers know of them, once a burst was booted
``faults.json``     what was broken on purpose, and when; only there if something was
================== ===========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from discovery.results.files import Count, Epoch, Name, Recorded, Seconds, Site

CALLS = "calls.parquet"
PROCESSES = "processes.parquet"
TRAFFIC = "traffic.parquet"
BURST = "burst"
CONSISTENCY = "consistency.json"
FAULTS = "faults.json"

_WHO = ("node", "site", "process", "pid")
CALLS_COLUMNS = (
    *_WHO, "start", "duration_s", "statements", "round_trips", "connections", "db_errors",
    "database", "error", "function",
)  # fmt: skip
PROCESSES_COLUMNS = (*_WHO, "calls", "strays", "lost")
TRAFFIC_COLUMNS = (
    "node", "site", "role", "peer", "peer_site", "peer_role", "time", "counter", "rx_bytes",
    "tx_bytes", "rx_packets", "tx_packets", "missed",
)  # fmt: skip


Failed = Annotated[
    str,
    Field(pattern="^(http-[1-5][0-9][0-9]|no-connection|no-answer|error|vanished|unfinished)$"),
]


class Server(Recorded):
    """A server that was asked for; times in s since the epoch, ``None`` where it never came so far.

    ``host`` and ``node`` are what the API tells, which tells them to administrators alone.

    ``ended`` is when it was ACTIVE, or when it was known that it would not be: then ``failure``
    says which way (``http-403``, ``no-connection``, ``no-answer``, ``error``, ``vanished``,
    ``unfinished``), and ``fault`` what was said of it.
    """

    name: Name
    api_site: Site
    zone: Name | None
    id: Name | None
    request_start: Epoch | None
    accepted: Epoch | None
    ended: Epoch | None
    failure: Failed | None
    fault: str | None
    host: Name | None
    node: Name | None
    delete_start: Epoch | None
    delete_accepted: Epoch | None
    gone: Epoch | None
    delete_failure: Failed | None
    boot_tries: Count
    delete_tries: Count
    missed: Count


class Poll(Recorded):
    """A look at all servers, at ``time``; how many were ``listed``, or why none were."""

    time: Epoch
    seconds: Seconds
    listed: Count | None
    error: str | None


class Burst(Recorded):
    """``burst/<site>.json``: what one client asked for, as which ``project`` (id), and saw."""

    schema_version: Literal[1]
    config: dict[str, Any]
    project: Name
    servers: tuple[Server, ...]
    polls: dict[Literal["boot", "delete"], tuple[Poll, ...]]


class Finding(Recorded):
    """Something that a quiet Nova must not have, of ``what``: a server or project."""

    kind: Name
    what: Name
    detail: str


class Placed(Recorded):
    """The host and its (fake) node that an instance is on."""

    host: Name | None
    node: Name | None


class Consistency(Recorded):
    """``consistency.json``: how many servers each that knows of them has, and what disagrees.

    ``placed`` is where they are, by id.
    """

    schema_version: Literal[1]
    counts: dict[Name, Count]
    findings: tuple[Finding, ...]
    placed: dict[str, Placed]


class Fault(Recorded):
    """What was broken, on which node, at ``time`` (s, epoch)."""

    fault: Name
    node: Name
    site: Site
    time: Epoch


class Faults(Recorded):
    """``faults.json``."""

    schema_version: Literal[1]
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class NovaRaw:
    """What a cell on Nova has beside the others; empty only where it failed before there was any.

    ``bursts`` are by the site of their client; there are none, and no ``consistency``, where Rally
    was the load.
    """

    calls: pd.DataFrame
    processes: pd.DataFrame
    traffic: pd.DataFrame
    units: pd.DataFrame
    bursts: dict[str, Burst]
    consistency: Consistency | None = None
    faults: tuple[Fault, ...] = ()
