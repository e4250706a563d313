"""What nodes used while Rally loaded them, per kind of node and back end."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from discovery.analysis.summary import in_order
from discovery.deploy.backends import BACKENDS

Tables = Mapping[str, pd.DataFrame]

KINDS = ("control + database", "control", "client")
METRICS = {
    "cpu_cores": "CPU (cores, mean)",
    "memory_mb": "memory (MB, largest)",
    "network_mb_s": "network (MB/s, mean)",
}


def usage(tables: Tables) -> pd.DataFrame:
    """A row per cell and node: ``cpu_cores`` and ``network_mb_s`` (sent and received) as means,
    ``memory_mb`` as the largest, over the seconds between the first iteration's start and the
    last one's end. Cells without an iteration are absent; ``seconds`` is how many were sampled.
    """
    iterations = tables["iterations"]
    spans = (
        iterations.assign(end=iterations["start"] + iterations["duration_s"])
        .groupby("cell")
        .agg(begin=("start", "min"), end=("end", "max"))
        .reset_index()
    )
    system = tables["system"].merge(spans, on="cell")
    loaded = system[(system["time"] > system["begin"]) & (system["time"] <= system["end"])]
    loaded = loaded.assign(network_mb_s=loaded["rx_mb"] + loaded["tx_mb"])
    factors = ["sites", "load", "backend", "one_way_delay_ms", "delay"]
    nodes = loaded.groupby([*factors, "cell", "node", "site", "role"], as_index=False).agg(
        cpu_cores=("cpu_cores", "mean"),
        memory_mb=("memory_mb", "max"),
        network_mb_s=("network_mb_s", "mean"),
        seconds=("time", "size"),
    )
    nodes["kind"] = [
        _kind(str(row["backend"]), str(row["site"]), str(row["role"]))
        for row in nodes.to_dict("records")
    ]
    return in_order(nodes)


def _kind(backend: str, site: str, role: str) -> str:
    if role != "control":
        return role
    serves = BACKENDS[backend].placement == "every-site" or site == "site-1"
    return "control + database" if serves else "control"
