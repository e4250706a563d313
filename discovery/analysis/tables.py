"""Tables for the paper: LaTeX (booktabs) to read, CSV to compute with; each written whole."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from discovery import outside
from discovery.analysis.resources import usage
from discovery.analysis.style import NAMES, backend_order, delay_label, present
from discovery.analysis.summary import in_order
from discovery.analysis.testbed import phase_means, wan_errors
from discovery.whole import write_whole

Tables = Mapping[str, pd.DataFrame]
TwoTables = tuple[pd.DataFrame, pd.DataFrame]
"""A table to read, and one to compute with."""


def write_table(out: Path, name: str, shown: pd.DataFrame, computed: pd.DataFrame) -> None:
    """Write ``out/tables/<name>.tex``, a tabular of ``shown``, and ``<name>.csv``, ``computed``."""
    numeric = [pd.api.types.is_numeric_dtype(shown[column]) for column in shown.columns]
    shown = shown.rename(columns=_HEADINGS)
    latex = (
        shown.style.hide(axis="index")
        .format(_in_latex)
        .format(_whole, subset=[name for name in _WHOLE if name in shown.columns])
        .format_index(_in_latex, axis="columns")
        .to_latex(hrules=True, column_format="".join("r" if right else "l" for right in numeric))
    )
    write_whole(out / "tables" / f"{name}.tex", latex)
    write_whole(out / "tables" / f"{name}.csv", computed.to_csv(index=False))


_DELAY = "one-way delay (ms)"
_HEADINGS = {"one_way_delay_ms": _DELAY, "one way delay ms": _DELAY, "host_site": "site"}
"""Of the columns that tables to compute with have, in words."""

_WHOLE = (_DELAY, "servers")
"""What is counted, or set: no digits that were not asked for."""


def _whole(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and pd.notna(value) else _in_latex(value)


def _in_latex(value: object) -> str:
    """A cell: a text cannot be a command, a number has two digits, nothing is a dash."""
    if isinstance(value, str):
        return "--" if value == "--" else outside.latex(value)
    if pd.isna(value):  # type: ignore[call-overload]
        return "--"
    return f"{value:.2f}" if isinstance(value, float) else outside.latex(str(value))


def write_rows(out: Path, name: str, rows: pd.DataFrame) -> None:
    """Write ``out/tables/<name>.csv``, what a figure shows, to compute with."""
    write_whole(out / "tables" / f"{name}.csv", rows.to_csv(index=False))


def completion_table(
    summary: pd.DataFrame, *, sites: int, load: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scenario and delay by back end: mean (s) with its interval, and failures; and all numbers."""
    chosen = summary[(summary["sites"] == sites) & (summary["load"] == load)]
    backends = present(chosen["backend"], backend_order())
    rows = []
    keys = ["scenario", "one_way_delay_ms", "delay"]
    for key, part in chosen.groupby(keys, sort=False):
        scenario, _, delay = key
        row = {"scenario": scenario, "one-way delay (ms)": delay_label(str(delay))}
        by_backend = {str(item["backend"]): item for item in part.to_dict("records")}
        for name in backends:
            item = by_backend.get(name)
            row[f"{NAMES[name]} (s)"] = _completion_cell(item) if item else "not run"
        rows.append(row)
    shown = pd.DataFrame(rows)
    return shown, chosen.reset_index(drop=True)


def _completion_cell(row: dict[Hashable, Any]) -> str:
    n, failures = int(row["n"]), int(row["failures"])
    if n == 0:
        return "cell failed" if row["failed_cells"] else "no iteration"
    if failures == n:
        return f"all {n} failed"
    words = with_interval(row["mean_s"], row["mean_s_low"], row["mean_s_high"])
    return words if not failures else f"{words}, {failures}/{n} failed"


def with_interval(value: float, low: float, high: float) -> str:
    """``1.23 [1.20, 1.26]``, or the value alone where there is no interval."""
    if math.isnan(value):
        return "--"
    if math.isnan(low) or math.isnan(high):
        return f"{value:.2f}"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def round_trip_table(joined: pd.DataFrame, *, sites: int, load: str) -> TwoTables:
    """Scenario and back end: what the servers counted, and what the line says of the times.

    ``joined`` is of :func:`discovery.analysis.model.slopes_and_counts`.
    """
    chosen = joined[(joined["sites"] == sites) & (joined["load"] == load)].reset_index(drop=True)
    rows = chosen.to_dict("records")
    shown = pd.DataFrame(
        {
            "scenario": chosen["scenario"],
            "back end": chosen["backend"].map(NAMES),
            "requests": chosen["queries"].map("{:.1f}".format),
            "commits": chosen["commits"].map("{:.1f}".format),
            "reads (%)": chosen["read_share"].mul(100).map("{:.1f}".format),
            "round trips waited for": [
                with_interval(row["round_trips"], row["round_trips_low"], row["round_trips_high"])
                for row in rows
            ],
            "processors (s)": [
                with_interval(row["base_s"], row["base_s_low"], row["base_s_high"]) for row in rows
            ],
            "residual (s)": chosen["residual_s"].map("{:.3f}".format),
            "n": chosen["n"].map("{:.0f}".format),
        }
    ).replace("nan", "--")
    return shown, chosen


def variation_table(compared: pd.DataFrame, variation: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Back end, delay, load and scenario: both mean times (s), their ratio, and failures."""
    chosen = compared[compared["variation"] == variation].reset_index(drop=True)
    shown = pd.DataFrame(
        {
            "scenario": chosen["scenario"],
            "back end": chosen["backend"].map(NAMES),
            "one-way delay (ms)": chosen["delay"].map(delay_label),
            "load": chosen["load"],
            "study (s)": chosen["study_s"].map("{:.2f}".format),
            "varied (s)": chosen["varied_s"].map("{:.2f}".format),
            "ratio": [
                with_interval(row["ratio"], row["ratio_low"], row["ratio_high"])
                for row in chosen.to_dict("records")
            ],
            "failures": [f"{row['failures']}/{row['n']}" for row in chosen.to_dict("records")],
        }
    ).replace("nan", "--")
    return shown, chosen


def wan_table(tables: Tables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Round trip asked for: measured median, smallest and largest error of a pair, packets lost."""
    pairs = wan_errors(tables)
    computed = (
        pairs.groupby(["when", "asked_rtt_ms"], as_index=False)
        .agg(
            pairs=("source", "size"),
            measured_rtt_ms=("measured_rtt_ms", "median"),
            lowest_error_ms=("error_ms", "min"),
            highest_error_ms=("error_ms", "max"),
            allowed_ms=("allowed_ms", "max"),
            sent=("sent", "sum"),
            lost=("lost", "sum"),
        )
        .sort_values(["when", "asked_rtt_ms"], ascending=[False, True])
    )
    shown = computed.rename(
        columns={
            "when": "measured",
            "asked_rtt_ms": "asked (ms)",
            "measured_rtt_ms": "median (ms)",
            "lowest_error_ms": "lowest error (ms)",
            "highest_error_ms": "highest error (ms)",
            "allowed_ms": "allowed (ms)",
        }
    )
    return shown, computed


def phase_table(tables: Tables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Phases and the steps of the deployment by back end: mean seconds of a cell."""
    computed = pd.concat(
        [phase_means(tables), phase_means(tables, steps_of="deploy")], ignore_index=True
    )
    order = list(dict.fromkeys(computed["phase"]))
    wide = computed.pivot_table(index="phase", columns="backend", values="seconds", observed=True)
    wide = wide.reindex(index=order, columns=present(computed["backend"], backend_order()))
    wide = wide.rename(columns={name: f"{NAMES[name]} (s)" for name in wide.columns})
    return wide.reset_index().rename_axis(columns=None), computed


def resource_table(tables: Tables, *, sites: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Load, back end and kind of node: CPU and network (means), memory (largest)."""
    nodes = usage(tables)
    keys = ["load", "backend", "kind", "one_way_delay_ms", "delay"]
    computed = in_order(
        nodes[nodes["sites"] == sites]
        .groupby(keys, as_index=False)
        .agg(
            cpu_cores=("cpu_cores", "mean"),
            memory_mb=("memory_mb", "max"),
            network_mb_s=("network_mb_s", "mean"),
            nodes=("node", "size"),
        )
    )
    shown = pd.DataFrame(
        {
            "load": computed["load"],
            "back end": computed["backend"].map(NAMES),
            "node": computed["kind"],
            "one-way delay (ms)": computed["delay"].map(delay_label),
            "CPU (cores)": computed["cpu_cores"].astype(float),
            "memory (MB)": computed["memory_mb"].map("{:.0f}".format),
            "network (MB/s)": computed["network_mb_s"].map("{:.3f}".format),
            "n": computed["nodes"],
        }
    )
    return shown, computed
