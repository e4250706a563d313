"""What is measured in and around Nova: raw → the tables ``calls``, ``servers``, ``traffic`` ….

The cell's own columns are not in them; whoever writes the tables puts them in front.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from discovery.experiment.nova_cells import NovaCell
from discovery.results.nova_raw import Burst, Consistency, Placed, Server
from discovery.results.queries import growth
from discovery.results.raw import RawCell
from discovery.results.system import units_table

_SITE = re.compile(r"site-[1-9][0-9]*(?=-|$)")
_MB = 1e6
_PAIR = ["node", "site", "role", "peer", "peer_site", "peer_role"]


def nova_tables(cell: RawCell) -> dict[str, pd.DataFrame]:
    """The tables that a cell on Nova has beside the others; none of any other cell.

    Calls and traffic are those of the load: of a burst, from its first request to its last server's
    end, since what the services do while servers are deleted is not the study's; of Rally, from its
    first iteration to the end of its last.
    """
    what, raw = cell.manifest.cell, cell.nova
    if raw is None or not isinstance(what, NovaCell):
        return {}
    window = burst_window(raw.bursts) or _rally_window(cell)
    nothing = pd.DataFrame()
    return {
        "calls": nothing if window is None else calls_table(raw.calls, window),
        "servers": servers_table(raw.bursts, raw.consistency.placed if raw.consistency else {}),
        "units": units_table(raw.units),
        "traffic": nothing if window is None else traffic_table(raw.traffic, window),
        "counted": pd.DataFrame() if window is None else counted_table(cell.counters, window),
        **_consistency_tables(raw.consistency),
        "faults": pd.DataFrame([fault.model_dump() for fault in raw.faults]),
        "control_planes": pd.DataFrame(
            [
                {
                    "variant": what.variant,
                    "backends": json.dumps(what.backends, sort_keys=True),
                    "replicas": what.replicas,
                    "redis_nodes": what.redis_nodes,
                    "fresh": what.fresh,
                    "zones": what.zones,
                    "workload": what.workload,
                    "servers": what.servers,
                    "fault": what.fault,
                    "fake_nodes": what.fake_nodes,
                    "workers": what.workers,
                }
            ]
        ),
    }


def counted_table(counters: pd.DataFrame, window: tuple[float, float]) -> pd.DataFrame:
    """A row per counter of the database servers: its growth in ``window`` (s, epoch), over all.

    It is missing where the samples do not cover the window, or the server began anew in it.
    """
    names = counters["counter"].unique().tolist()
    return pd.DataFrame(
        [{"counter": name, "value": growth(counters, name, *window)} for name in names]
    )


def _consistency_tables(found: Consistency | None) -> dict[str, pd.DataFrame]:
    """How many servers each of those knew that know of servers, and what did not agree."""
    if found is None:
        return {"known": pd.DataFrame(), "findings": pd.DataFrame()}
    return {
        "known": pd.DataFrame([{"by": by, "servers": n} for by, n in found.counts.items()]),
        "findings": pd.DataFrame([finding.model_dump() for finding in found.findings]),
    }


def calls_table(calls: pd.DataFrame, window: tuple[float, float] | None = None) -> pd.DataFrame:
    """A row per call that began in ``window`` (s, epoch); of all there were if it is not given.

    ``calls`` is ``calls.parquet``. A call without an error has none, and neither has one that
    raised a ``…NotFound``: it asked, and was answered. One that asked no database has no database.
    """
    if window is not None:
        calls = calls[calls["start"].between(*window)]
    table = calls.drop(columns="pid").reset_index(drop=True)
    for column in ("error", "database"):
        table[column] = table[column].where(table[column] != "", None)
    table["error"] = table["error"].mask(table["error"].str.endswith("NotFound", na=False), None)
    return table


def servers_table(
    bursts: Mapping[str, Burst], placed: Mapping[str, Placed] = MappingProxyType({})
) -> pd.DataFrame:
    """A row per server that was asked for, of the bursts of every client's site.

    ``active_at`` is missing where it never was ACTIVE; then ``error`` is the kind of its failure.
    Where it is comes from ``placed``, by id. ``host_site`` is read from the host's name, which
    begins with its site's.
    """

    def where(server: Server) -> Placed:
        return placed.get(server.id or "", Placed(host=server.host, node=server.node))

    return pd.DataFrame(
        {
            "client_site": site,
            "name": server.name,
            "server": server.id,
            "asked_on": server.api_site,
            "asked_at": server.request_start,
            "accepted_at": server.accepted,
            "active_at": server.ended if server.failure is None else None,
            "ended_at": server.ended,
            "error": server.failure,
            "fault": server.fault,
            "tries": server.boot_tries,
            "zone": server.zone,
            "host": where(server).host,
            "host_site": _site_of(where(server).host),
            "fake_node": where(server).node,
            "delete_asked_at": server.delete_start,
            "gone_at": server.gone,
            "delete_error": server.delete_failure,
        }
        for site, burst in sorted(bursts.items())
        for server in sorted(burst.servers, key=lambda one: one.name)
    )


def _site_of(host: str | None) -> str | None:
    found = _SITE.match(host or "")
    return found[0] if found else None


def burst_window(bursts: Mapping[str, Burst]) -> tuple[float, float] | None:
    """From the first request to the last server's end (s, epoch); None if none was asked for.

    A server that was given up is none that ended: while it is waited for, nothing is at work.
    """
    servers = [server for burst in bursts.values() for server in burst.servers]
    starts = [server.request_start for server in servers if server.request_start is not None]
    given_up = [server for server in servers if server.failure == "unfinished"]
    ended = [server for server in servers if server.failure != "unfinished"] or given_up
    ends = [server.ended for server in ended if server.ended is not None]
    return (min(starts), max(ends)) if starts and ends else None


def _rally_window(cell: RawCell) -> tuple[float, float] | None:
    loads = [
        (one.start, one.start + one.load_s)
        for reported in cell.rally.values()
        for one in reported
        if one.start is not None
    ]
    return (min(start for start, _ in loads), max(end for _, end in loads)) if loads else None


def traffic_table(samples: pd.DataFrame, window: tuple[float, float]) -> pd.DataFrame:
    """A row per ordered pair of nodes: what went from ``source`` to ``destination`` in ``window``.

    ``samples`` is ``traffic.parquet``. At the window's ends a counter has the value that was told
    last (they are told each second, if they grew). A pair is counted where it was sent; by the
    receiver where the sender's numbers are missing, as they are where a counter fell (a node was
    restarted) or says that it could not keep up. ``mb`` are 10⁶ bytes of IP packets.
    """
    sent: dict[tuple[str, str], dict[str, Any]] = {}
    received: dict[tuple[str, str], dict[str, Any]] = {}
    unreliable = set(samples.loc[samples["missed"].fillna(0) > 0, "node"])
    for key, part in samples[samples["peer"].notna()].groupby(_PAIR, sort=True):
        node, site, role, peer, peer_site, peer_role = map(str, key)
        ordered = part.sort_values("time")
        here = {"node": node, "site": site, "role": role}
        there = {"node": peer, "site": peer_site, "role": peer_role}
        bad = node in unreliable
        sent[node, peer] = _pair(here, there, _grown(ordered, "tx", window, bad))
        received[peer, node] = _pair(there, here, _grown(ordered, "rx", window, bad))
    rows = []
    for pair in sorted({*sent, *received}):
        told = [way[pair] for way in (sent, received) if pair in way]
        rows.append(next((row for row in told if not np.isnan(row["mb"])), told[0]))
    return pd.DataFrame(rows)


def _pair(
    source: dict[str, str], destination: dict[str, str], grown: dict[str, float]
) -> dict[str, Any]:
    return {
        "source": source["role"],
        "destination": destination["role"],
        "source_node": source["node"],
        "destination_node": destination["node"],
        "source_site": source["site"],
        "destination_site": destination["site"],
        **grown,
    }


def _grown(
    samples: pd.DataFrame, way: str, window: tuple[float, float], bad: bool
) -> dict[str, float]:
    time = samples["time"].to_numpy(dtype=float)
    grown = {}
    for name, unit in (("bytes", _MB), ("packets", 1.0)):
        values = samples[f"{way}_{name}"].to_numpy(dtype=float)
        reset = bool((np.diff(values) < 0).any())
        last = np.searchsorted(time, window, side="right") - 1
        start, end = values[np.maximum(last, 0)]
        grown[name] = np.nan if bad or reset else (end - start) / unit
    return {"mb": grown["bytes"], "packets": grown["packets"]}
