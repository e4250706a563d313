"""Cumulative readings of each node → what it used in each second."""

from __future__ import annotations

import numpy as np
import pandas as pd

_MB = 1e6


def system_table(samples: pd.DataFrame) -> pd.DataFrame:
    """A row per node and second: cores busy, memory at its end (MB), and MB received and sent.

    ``samples`` is a raw cell's ``system.parquet``. Readings are interpolated linearly at whole
    seconds. A cumulative reading that fell (a process ended and took its share with it, an
    interface was made anew) says nothing about its second: the value is missing there.
    """
    parts = [
        _node_table(str(node), str(site), str(role), part.sort_values("time"))
        for (node, site, role), part in samples.groupby(["node", "site", "role"])
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def units_table(samples: pd.DataFrame) -> pd.DataFrame:
    """A row per systemd unit of ours and second: cores busy, and memory at its end (MB).

    ``samples`` is a raw cell's ``units.parquet``; they are treated as those of a node.
    """
    parts = [
        _node_table(str(node), str(site), str(role), part.sort_values("time")).assign(
            unit=str(unit)
        )
        for (node, site, role, unit), part in samples.assign(rx_bytes=0, tx_bytes=0).groupby(
            ["node", "site", "role", "unit"]
        )
    ]
    columns = ["node", "site", "role", "unit", "time", "cpu_cores", "memory_mb"]
    whole = [part for part in parts if len(part)]
    return pd.concat(whole, ignore_index=True)[columns] if whole else pd.DataFrame(columns=columns)


def _node_table(node: str, site: str, role: str, samples: pd.DataFrame) -> pd.DataFrame:
    time = samples["time"].to_numpy(dtype=float)
    seconds = np.arange(np.ceil(time[0]), np.floor(time[-1]) + 1)
    if len(seconds) < 2:
        return pd.DataFrame()

    def per_second(column: str) -> np.ndarray:
        reading = np.interp(seconds, time, samples[column].to_numpy(dtype=float))
        grown = np.diff(reading)
        return np.where(grown < 0, np.nan, grown)

    memory = np.interp(seconds[1:], time, samples["memory_bytes"].to_numpy(dtype=float))
    return pd.DataFrame(
        {
            "node": node,
            "site": site,
            "role": role,
            "time": seconds[1:],
            "cpu_cores": per_second("cpu_s"),
            "memory_mb": memory / _MB,
            "rx_mb": per_second("rx_bytes") / _MB,
            "tx_mb": per_second("tx_bytes") / _MB,
        }
    )
