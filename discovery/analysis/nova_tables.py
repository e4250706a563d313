"""Tables of the Nova study: what was measured beside what was published."""

from __future__ import annotations

import math

import pandas as pd

from discovery.analysis.nova import LEVELS
from discovery.analysis.tables import with_interval

_MOST = 15


def side_by_side(
    both: pd.DataFrame, *, unit: str, scale: float = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ours, times ``scale``, beside the published value, both in ``unit``; and all numbers.

    ``both`` is that of :func:`discovery.analysis.nova.with_published`. What only the study has is
    *not run* of ours.
    """
    ordered = both.sort_values(_keys(both), kind="stable").reset_index(drop=True)
    rows = []
    for row in ordered.to_dict("records"):
        count, failures = row["n"], row["failures"]
        ran = not math.isnan(count)
        ours = [row[name] * scale for name in ("value", "low", "high")]
        rows.append(
            {
                **{name.replace("_", " "): row[name] for name in _keys(both)},
                f"measured ({unit})": with_interval(*ours) if ran else "not run",
                "n": f"{count:.0f}" if ran else "",
                "failed": f"{failures:.0f}" if ran else "",
                f"published ({unit})": "" if math.isnan(row["published"]) else _plain(row),
            }
        )
    return pd.DataFrame(rows), ordered


def operations_table(found: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The operations that took most of the time, of all variants; and all numbers (s, ms)."""
    whole = found.assign(total_s=found["n"] * found["measured_s"])
    largest = whole.sort_values("total_s", ascending=False).head(_MOST)
    shown = pd.DataFrame(
        {
            "operation": largest["function"],
            "variant": largest["variant"],
            "sites": largest["sites"],
            "caller": largest["site"],
            "calls": largest["n"],
            "round trips": largest["round_trips"].map("{:.1f}".format),
            "RTT (ms)": largest["rtt_ms"].map("{:.1f}".format),
            "predicted (ms)": (largest["predicted_s"] * 1e3).map("{:.1f}".format),
            "measured (ms)": (largest["measured_s"] * 1e3).map("{:.1f}".format),
            "residual (ms)": (largest["residual_s"] * 1e3).map("{:.1f}".format),
        }
    )
    return shown, whole


def _keys(both: pd.DataFrame) -> list[str]:
    return [name for name in (*LEVELS, "destination") if name in both.columns]


def _plain(row: dict[object, object]) -> str:
    error = row["reading_error"]
    suffix = "" if error is None or math.isnan(float(str(error))) else f" ± {float(str(error)):.0f}"
    return f"{float(str(row['published'])):g}{suffix}"
