"""The schema of every tidy table: columns, types and ranges; anything else is refused.

Times called ``start`` or ``time`` are seconds since the epoch, but for ``phases.start``, which
counts from the cell's ``started``. MB are 10⁶ bytes.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandera.pandas as pa

from discovery.deploy.backends import BACKENDS
from discovery.experiment.tiers import Tier
from discovery.workload.nova_scenarios import NOVA_SCENARIOS
from discovery.workload.scenarios import SCENARIOS

SCHEMA_VERSION = 2

# Tables in CSV have names, and a spreadsheet takes one that begins like a formula for one.
_NAME = pa.Check.str_matches(r"^[^\s=+@-].*$")
_SITE = pa.Check.str_matches(r"^site-[1-9][0-9]*$")
NODE_ROLES = ("master", "control", "compute", "database", "client")
_NODE_ROLE = pa.Check.isin(NODE_ROLES)
_POSITIVE = pa.Check.gt(0)
_NON_NEGATIVE = pa.Check.ge(0)
_FINITE = pa.Check(np.isfinite, error="a finite number")
"""No infinity; a value that is missing is none of it, and refused where a column has them all."""


def _text(*checks: pa.Check, nullable: bool = False) -> pa.Column:
    return pa.Column(str, list(checks), nullable=nullable)


def _number(*checks: pa.Check, nullable: bool = False) -> pa.Column:
    return pa.Column(float, [_FINITE, *checks], nullable=nullable)


def _count(*checks: pa.Check) -> pa.Column:
    return pa.Column("int64", list(checks))


def _scenario() -> pa.Column:
    return _text(pa.Check.isin([*SCENARIOS, *NOVA_SCENARIOS]))


CELL_COLUMNS: dict[str, pa.Column] = {
    "experiment": _text(_NAME),
    "tier": _text(pa.Check.isin(list(get_args(Tier)))),
    "cell": _text(_NAME),
    "variation": _text(_NAME),
    "backend": _text(pa.Check.isin(list(BACKENDS))),
    "sites": _count(pa.Check.ge(1)),
    "one_way_delay_ms": _number(_NON_NEGATIVE),
    "delay": _text(_NAME),
    "load": _text(pa.Check.isin(["light", "high", "burst", "rally"])),
    "repetition": _count(pa.Check.ge(1)),
}


def _schema(name: str, columns: dict[str, pa.Column]) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(
        {**CELL_COLUMNS, **columns}, name=name, strict=True, ordered=True, coerce=False
    )


SCHEMAS: dict[str, pa.DataFrameSchema] = {
    "cells": _schema(
        "cells",
        {
            "status": _text(pa.Check.isin(["ok", "failed"])),
            "failure_class": _text(pa.Check.isin(["measured"]), nullable=True),
            "failure": _text(nullable=True),
            "started": _text(_NAME),
            "scenarios": _text(_NAME),
            "times": _count(_POSITIVE),
            "concurrency": _count(_POSITIVE),
            "keystone_cache": _text(_NAME),
            "keystone_bcrypt_rounds": _count(_POSITIVE),
            "keystone_processes": _count(_POSITIVE),
            "keystone_threads": _count(_POSITIVE),
            "wsrep_sync_wait": _count(_NON_NEGATIVE),
            "rally_on": _text(pa.Check.isin(["client-node", "database-node"])),
            "workbench": _text(_NAME),
            "commit": _text(nullable=True),
            "dirty": pa.Column(bool),
            "image": _text(),
            "provider": _text(_NAME),
            "wan": _text(_NAME),
            "kernel": _text(_NAME),
            "cpu": _text(),
            "cores": _count(_POSITIVE),
            "memory_mb": _number(_POSITIVE),
            "packages": _text(pa.Check.str_startswith("{")),
        },
    ),
    "iterations": _schema(
        "iterations",
        {
            "client_site": _text(_SITE),
            "scenario": _scenario(),
            "iteration": _count(_POSITIVE),
            "start": _number(_POSITIVE),
            "duration_s": _number(_NON_NEGATIVE),
            "idle_s": _number(_NON_NEGATIVE),
            "error": _text(nullable=True),
        },
    ),
    "actions": _schema(
        "actions",
        {
            "client_site": _text(_SITE),
            "scenario": _scenario(),
            "iteration": _count(_POSITIVE),
            "action": _text(_NAME),
            "start": _number(_POSITIVE),
            "duration_s": _number(_NON_NEGATIVE, nullable=True),
            "failed": pa.Column(bool),
        },
    ),
    "wan": _schema(
        "wan",
        {
            "when": _text(pa.Check.isin(["unshaped", "shaped", "after-load"])),
            "source": _text(_SITE),
            "destination": _text(_SITE),
            "asked_rtt_ms": _number(_NON_NEGATIVE),
            "measured_rtt_ms": _number(_NON_NEGATIVE, nullable=True),
            "min_rtt_ms": _number(_NON_NEGATIVE, nullable=True),
            "max_rtt_ms": _number(_NON_NEGATIVE, nullable=True),
            "sent": _count(_NON_NEGATIVE),
            "lost": _count(_NON_NEGATIVE),
        },
    ),
    "system": _schema(
        "system",
        {
            "node": _text(_NAME),
            "site": _text(_SITE),
            "role": _text(_NODE_ROLE),
            "time": _number(_POSITIVE),
            "cpu_cores": _number(_NON_NEGATIVE, nullable=True),
            "memory_mb": _number(_NON_NEGATIVE),
            "rx_mb": _number(_NON_NEGATIVE, nullable=True),
            "tx_mb": _number(_NON_NEGATIVE, nullable=True),
        },
    ),
    "phases": _schema(
        "phases",
        {"phase": _text(_NAME), "start": _number(_NON_NEGATIVE), "seconds": _number(_NON_NEGATIVE)},
    ),
    "queries": _schema(
        "queries",
        {
            "scenario": _scenario(),
            "iterations": _count(_NON_NEGATIVE),
            "queries": _number(_NON_NEGATIVE, nullable=True),
            "queries_per_iteration": _number(_NON_NEGATIVE, nullable=True),
            "commits_per_iteration": _number(_NON_NEGATIVE, nullable=True),
            "read_share": _number(_NON_NEGATIVE, pa.Check.le(1), nullable=True),
        },
    ),
    "replays": _schema(
        "replays",
        {
            "site": _text(_SITE),
            "requests": _count(_NON_NEGATIVE),
            "met_errors": _count(_NON_NEGATIVE),
            "replays": _count(_NON_NEGATIVE),
            "recovered": _count(_NON_NEGATIVE),
            "gave_up": _count(_NON_NEGATIVE),
            "not_replayable": _count(_NON_NEGATIVE),
            "lost_s": _number(_NON_NEGATIVE),
        },
    ),
}

TABLES: tuple[str, ...] = tuple(SCHEMAS)

_FAILURE = pa.Check.str_matches(
    r"^(http-[1-5][0-9][0-9]|no-connection|no-answer|error|vanished|unfinished)$"
)

NOVA_COLUMNS: dict[str, dict[str, pa.Column]] = {
    "calls": {
        "node": _text(_NAME),
        "site": _text(_SITE),
        "process": _text(_NAME),
        "start": _number(_POSITIVE),
        "duration_s": _number(_NON_NEGATIVE),
        "statements": _count(_NON_NEGATIVE),
        "round_trips": _count(_NON_NEGATIVE),
        "connections": _count(_NON_NEGATIVE),
        "db_errors": _count(_NON_NEGATIVE),
        "database": _text(_NAME, nullable=True),
        "error": _text(_NAME, nullable=True),
        "function": _text(pa.Check.str_matches(r"^\w+(\.[\w<>]+)+$")),
    },
    "servers": {
        "client_site": _text(_SITE),
        "name": _text(_NAME),
        "server": _text(_NAME, nullable=True),
        "asked_on": _text(_SITE),
        "asked_at": _number(_POSITIVE, nullable=True),
        "accepted_at": _number(_POSITIVE, nullable=True),
        "active_at": _number(_POSITIVE, nullable=True),
        "ended_at": _number(_POSITIVE, nullable=True),
        "error": _text(_FAILURE, nullable=True),
        "fault": _text(nullable=True),
        "tries": _count(_NON_NEGATIVE),
        "zone": _text(_NAME, nullable=True),
        "host": _text(_NAME, nullable=True),
        "host_site": _text(_SITE, nullable=True),
        "fake_node": _text(_NAME, nullable=True),
        "delete_asked_at": _number(_POSITIVE, nullable=True),
        "gone_at": _number(_POSITIVE, nullable=True),
        "delete_error": _text(_FAILURE, nullable=True),
    },
    "units": {
        "node": _text(_NAME),
        "site": _text(_SITE),
        "role": _text(_NODE_ROLE),
        "unit": _text(pa.Check.str_startswith("discovery-")),
        "time": _number(_POSITIVE),
        "cpu_cores": _number(_NON_NEGATIVE, nullable=True),
        "memory_mb": _number(_NON_NEGATIVE),
    },
    "traffic": {
        "source": _text(_NODE_ROLE),
        "destination": _text(_NODE_ROLE),
        "source_node": _text(_NAME),
        "destination_node": _text(_NAME),
        "source_site": _text(_SITE),
        "destination_site": _text(_SITE),
        "mb": _number(_NON_NEGATIVE, nullable=True),
        "packets": _number(_NON_NEGATIVE, nullable=True),
    },
    "counted": {
        "counter": _text(_NAME),
        "value": _number(_NON_NEGATIVE, nullable=True),
    },
    "known": {
        "by": _text(_NAME),
        "servers": _count(_NON_NEGATIVE),
    },
    "findings": {
        "kind": _text(_NAME),
        "what": _text(_NAME),
        "detail": _text(),
    },
    "faults": {
        "fault": _text(_NAME),
        "node": _text(_NAME),
        "site": _text(_SITE),
        "time": _number(_POSITIVE),
    },
    "control_planes": {
        "variant": _text(_NAME),
        "backends": _text(pa.Check.str_startswith("{")),
        "replicas": _count(_NON_NEGATIVE),
        "redis_nodes": _number(_POSITIVE, nullable=True),
        "fresh": _text(pa.Check.isin(["sync", "push"])),
        "zones": _text(pa.Check.isin(["flat", "per-site"])),
        "workload": _text(pa.Check.isin(["burst", "rally"])),
        "servers": _count(_POSITIVE),
        "fault": _text(_NAME),
        "fake_nodes": _count(_POSITIVE),
        "workers": _count(_POSITIVE),
    },
}
"""The columns, after the cell's, of what is measured in and around Nova (`discovery.results.nova`).

``control_planes`` has a row per cell: what deployed it, and its factors that no other cell has.
``counted`` is what the database servers counted while the load ran. ``known`` are the servers that
the API, each database, Placement and the quotas knew when all were booted, and ``findings`` what
did not agree; ``faults`` what was broken on purpose.

They are no part of :data:`TABLES`, which the Keystone study's tiers and archive hold all of.
"""

NOVA_SCHEMAS: dict[str, pa.DataFrameSchema] = {
    name: _schema(name, columns) for name, columns in NOVA_COLUMNS.items()
}


def tables_of(service: str) -> tuple[str, ...]:
    """The names of the tables of a study of ``service``, ``keystone`` or ``nova``."""
    return (*TABLES, *NOVA_SCHEMAS) if service == "nova" else TABLES
