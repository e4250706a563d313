"""The numbers of the Nova study that prose quotes, by names as in `discovery.analysis.numbers`."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from discovery.analysis.nova import completion, mean_calls, noise, volume
from discovery.analysis.numbers import Numbers

Tables = Mapping[str, pd.DataFrame]


def call_numbers(tables: Tables) -> Numbers:
    """Mean times of calls."""
    return _numbers("nova-call", "s", mean_calls(tables))


def burst_numbers(tables: Tables) -> Numbers:
    """Times of bursts, and the noise floor of each measure."""
    numbers = _numbers("nova-burst", "s", completion(tables))
    for row in noise(tables).to_dict("records"):
        measure = str(row["measure"]).replace(" ", "-")
        name = f"nova-noise-{measure}-s{row['sites']}-d{row['one_way_delay_ms']:g}"
        add(numbers, name, "×", {"value": row["ratio"], "n": 2})
    return numbers


def volume_numbers(tables: Tables) -> Numbers:
    """Volumes of bursts."""
    return _numbers("nova-volume", "MB", volume(tables))


def _numbers(prefix: str, unit: str, found: pd.DataFrame) -> Numbers:
    numbers: Numbers = {}
    for row in found.to_dict("records"):
        zoned = "-zoned" if row["zones"] == "per-site" else ""
        name = f"{prefix}-{row['variant']}-s{row['sites']}-d{row['one_way_delay_ms']:g}{zoned}"
        add(numbers, name, unit, row)
    return numbers


def add(numbers: Numbers, name: str, unit: str, row: Mapping[Hashable, Any]) -> None:
    """Put a number that is known into ``numbers``; one that is not stays absent."""
    if math.isfinite(row["value"]):
        ends = {end: float(row.get(end, math.nan)) for end in ("low", "high")}
        numbers[name] = {
            "value": float(row["value"]),
            "unit": unit,
            "n": int(row["n"]),
            **{end: found if math.isfinite(found) else None for end, found in ends.items()},
        }
