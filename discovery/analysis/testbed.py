"""Tidy tables → how accurate the WAN was and what each phase of a cell took."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from discovery.analysis.summary import in_order
from discovery.workload.phases import LOAD

Tables = Mapping[str, pd.DataFrame]

# A cell whose WAN is further off than the larger of the two is not loaded.
TOLERANCE_SHARE = 0.02
TOLERANCE_MS = 1.0


def wan_errors(tables: Tables) -> pd.DataFrame:
    """The pairs that were shaped, with ``error_ms``, measured minus asked, and ``allowed_ms``.

    ``error_ms`` is missing where every packet was lost.
    """
    pairs = tables["wan"][tables["wan"]["when"] != "unshaped"]
    return pairs.assign(
        error_ms=pairs["measured_rtt_ms"] - pairs["asked_rtt_ms"],
        allowed_ms=(TOLERANCE_SHARE * pairs["asked_rtt_ms"]).clip(lower=TOLERANCE_MS),
    )


def phase_means(tables: Tables, *, steps_of: str | None = None) -> pd.DataFrame:
    """Mean ``seconds`` per back end and phase, over ``cells`` cells, with its ``place`` in a cell.

    Phases are those of a cell without the load, or the steps inside ``steps_of``. Only cells that
    went well: one that failed did not have all its phases.
    """
    good = tables["cells"].loc[tables["cells"]["status"] == "ok", "cell"]
    phases = tables["phases"][tables["phases"]["cell"].isin(good)]
    if steps_of is None:
        chosen = phases[~phases["phase"].str.contains(":") & ~phases["phase"].isin(LOAD)]
    else:
        chosen = phases[phases["phase"].str.startswith(f"{steps_of}:")]
    chosen = chosen.assign(place=chosen.groupby("cell")["start"].rank(method="first"))
    grouped = chosen.groupby(["backend", "phase"], as_index=False)
    means = grouped.agg(
        total=("seconds", "sum"), place=("place", "mean"), cells=("cell", "nunique")
    )
    means["seconds"] = means["total"] / means["cells"]
    return in_order(means.drop(columns="total").sort_values("place", kind="stable"))
