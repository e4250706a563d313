"""Tables of cells on Nova by hand, as small as a verdict can be computed from."""

import json
import math

import pandas as pd

from discovery.results.schema import NOVA_SCHEMAS, SCHEMAS
from discovery.results.tables import write_tables

FUNCTIONS = ("db.main.api.instance_create", "db.main.api.instance_get")
SERVICES = ("keystone", "glance", "neutron", "placement", "nova_api", "nova_cell0", "nova_cell1")
KINDS = ("master", "control", "compute", "database")


def cell(variant, sites=3, delay=10.0, *, zones="flat", repetition=1, servers=10):
    """The levels of a cell."""
    zoned = "-zoned" if zones == "per-site" else ""
    return {
        "cell": f"{variant}-s{sites}-d{delay:g}{zoned}-burst{servers}-f6-w1-r{repetition}",
        "variant": variant,
        "sites": sites,
        "one_way_delay_ms": delay,
        "zones": zones,
        "repetition": repetition,
        "servers": servers,
    }


def tables(cells):
    """Tables of ``[(levels, what was measured)]``.

    Measured are ``calls`` (durations in s, in their order), ``completion_s`` of the burst,
    ``volume_mb`` from every kind of node to every other, ``failed`` servers, and ``hosts``, the
    sites that the servers are on (else each is on the site that was asked). A cell with ``rest``,
    durations (s) of listing servers (NaN: one that failed), was loaded by Rally.
    """
    names = ("cells", "control_planes", "calls", "servers", "traffic", "wan", "iterations", "units")
    found = {name: [] for name in names}
    for levels, measured in cells:
        key = {name: levels[name] for name in ("cell", "sites", "one_way_delay_ms", "repetition")}
        factors = {
            **key,
            "experiment": "nova-2017",
            "tier": "laptop",
            "variation": "rally" if "rest" in measured else "study",
            "backend": "mariadb",
            "delay": f"{levels['one_way_delay_ms']:g}",
        }
        found["cells"].append({**factors, "status": "ok", "failure": None})
        plane = {
            "workload": "burst",
            "fault": "none",
            "fake_nodes": 6,
            "workers": 1,
            "replicas": 0,
            "fresh": "sync",
        }
        plane |= {"redis_nodes": math.nan, "backends": json.dumps(_backends(levels["variant"]))}
        plane |= {name: levels[name] for name in ("cell", "variant", "zones", "servers")}
        found["control_planes"].append(plane)
        for number, duration in enumerate(measured.get("calls", [])):
            found["calls"].append(
                {
                    **factors,
                    "site": f"site-{levels['sites']}",
                    "process": "nova-api",
                    "function": ("db.main.api.instance_create", "db.main.api.instance_get")[
                        number % 2
                    ],
                    "start": 1e9 + number,
                    "duration_s": duration,
                    "round_trips": 3,
                    "database": "nova_cell1",
                    "error": None,
                }
            )
        found["wan"] += _wan(factors, levels)
        if "rest" in measured:
            found["iterations"] += _iterations(factors, measured["rest"])
            continue
        found["servers"] += _servers(factors, levels, measured)
        found["units"] += _units(factors, measured)
        for source in KINDS:
            for destination in KINDS:
                mb = measured.get("volume_mb", 0.0)
                found["traffic"].append(
                    {**factors, "source": source, "destination": destination, "mb": mb}
                )
    return {name: pd.DataFrame(rows) for name, rows in found.items()}


def _servers(factors, levels, measured):
    count, sites = levels["servers"], levels["sites"]
    last = measured.get("completion_s", 10.0)
    for number in range(count):
        asked = f"site-{1 + number % sites}"
        hosts = measured.get("hosts") or [asked]
        failed = number < measured.get("failed", 0)
        yield {
            **factors,
            "asked_on": asked,
            "asked_at": 1e9 + number / 1000,
            "active_at": None if failed else 1e9 + last * (number + 1) / count,
            "ended_at": 1e9 + last * (number + 1) / count,
            "host_site": None if failed else hosts[number % len(hosts)],
            "error": "error" if failed else None,
        }


def _units(factors, measured):
    """A service that is half busy and one that sleeps, from before the burst until after it."""
    for second in range(-2, int(measured.get("completion_s", 10.0)) + 3):
        for unit, busy in (("discovery-nova-api", 0.5), ("discovery-rabbitmq", 0.0)):
            yield {
                **factors,
                "unit": unit,
                "time": 1e9 + second,
                "cpu_cores": busy,
                "memory_mb": 100.0 + second,
            }


def _iterations(factors, durations):
    for number, duration in enumerate(durations, 1):
        yield {
            **factors,
            "scenario": "list-servers",
            "iteration": number,
            "duration_s": 60.0 if math.isnan(duration) else duration,
            "error": "TimeoutException: gone" if math.isnan(duration) else None,
        }


def _backends(variant):
    rome = {"redis-nova": "rome-cluster", "redis-nova-one": "rome"}.get(variant, "mariadb")
    return dict.fromkeys(SERVICES, "mariadb") | dict.fromkeys(SERVICES[3:], rome)


def _wan(factors, levels):
    rtt = 2 * levels["one_way_delay_ms"] + 0.5
    names = [f"site-{number}" for number in range(1, levels["sites"] + 1)]
    for source in names:
        for destination in names:
            if source != destination:
                ends = {"source": source, "destination": destination}
                yield {**factors, **ends, "when": "shaped", "measured_rtt_ms": rtt}


DEFAULTS = {
    "load": "burst",
    "tier": "laptop",
    "scenarios": "burst",
    "started": "2026-11-23T05:00:00+00:00",
    "rally_on": "client-node",
    "packages": "{}",
    "node": "site-1-control",
    "role": "control",
    "asked_on": "site-1",
}


def write(found, folder):
    """Write ``found`` as tidy tables, with something in every column that was left out."""
    factors, whole = found["cells"], {}
    for name, schema in {**SCHEMAS, **NOVA_SCHEMAS}.items():
        table = found.get(name, pd.DataFrame())
        types = {key: str(column.dtype) for key, column in schema.columns.items()}
        types = {key: "str" if kind.startswith("str") else kind for key, kind in types.items()}
        if table.empty:
            table = pd.DataFrame(columns=list(types))
        for key, column in schema.columns.items():
            if key not in table.columns and key in factors.columns and name in NOVA_SCHEMAS:
                table[key] = table["cell"].map(factors.set_index("cell")[key])
            elif key not in table.columns:
                table[key] = _something(key, column, types[key], len(table))
        whole[name] = table[list(types)].astype(types)
    write_tables(folder, whole)
    return folder


def _something(key, column, kind, count):
    if column.nullable:
        return [None] * count
    if key in DEFAULTS:
        return [DEFAULTS[key]] * count
    if key.endswith("site"):
        return ["site-1"] * count
    return [{"str": "x", "bool": False}.get(kind, 1)] * count
