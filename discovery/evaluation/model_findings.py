"""Sentences on the model and on the study's cut, made from the tables that the notebooks wrote.

Each is a plain sentence without LaTeX, or ``None`` where the tables cannot say it.
"""

from __future__ import annotations

import pandas as pd

from discovery.analysis.style import NAMES, backend_order, present
from discovery.deploy.backends import BACKENDS
from discovery.evaluation.words import listed, span


def slopes(trips: pd.DataFrame) -> str | None:
    """Round trips waited for, per request that the servers counted, under light load."""
    if trips.empty:
        return None
    known = trips[(trips["load"] == "light") & (trips["expected"] > 0)]
    known = known[known["round_trips"].notna()]
    known = known[known["sites"] == known["sites"].max()]
    known = known.assign(ratio=known["round_trips"] / known["expected"])
    parts = []
    for name in present(known["backend"], backend_order()):
        part = known[known["backend"] == name]
        what = "request" if BACKENDS[name].decided_by == "first-site" else "commit"
        parts.append(f"{span(part['ratio'])} round trips per {what} on {NAMES[name]}")
    if not parts:
        return None
    return f"Over the scenarios, the fitted slopes are {listed(parts)}."


def residuals(points: pd.DataFrame) -> str | None:
    """How far the model's line is from what was measured, over the WAN and on a LAN."""
    if points.empty:
        return None
    points = points.dropna(subset="share")  # of two delays no point is off the line
    far = points[(points["one_way_delay_ms"] > 0) & (points["rtt_ms"] >= 1)]
    near = points[points["one_way_delay_ms"] == 0]
    if far.empty:
        return None
    wan, lan = 100 * far["share"].abs(), 100 * near["share"].abs()
    text = (
        f"Over the WAN a mean is within {wan.median():.1f} % of its line in half of the cells and "
        f"sites, and within {wan.max():.0f} % in all"
    )
    if lan.empty:
        return f"{text}."
    return f"{text}; on a LAN, where there are processors alone, within {lan.max():.0f} %."


def cut(means: pd.DataFrame, ratios: pd.DataFrame) -> str | None:
    """What the study's cut would have dropped of ours, and what it would have left of the means."""
    remains = means["remains"].dropna() if len(means) else means
    if remains.empty:
        return None
    good = int((means["n"] - means["failures"]).sum())
    text = (
        f"On our iterations the cut would drop {int(means['dropped'].sum())} of {good} that "
        f"succeeded, and take {100 * (1 - remains.median()):.1f} % off a mean in the middle, "
        f"{100 * (1 - remains.min()):.0f} % at the most"
    )
    if ratios.empty:
        return f"{text}."
    return f"{text}; {int(ratios['turns'].sum())} of {len(ratios)} comparisons with Galera turn."


def cut_verdicts(compared: pd.DataFrame) -> str | None:
    """Which verdicts would have been others."""
    if compared.empty:
        return None
    other = compared[compared["verdict"] != compared["verdict_theirs"]]
    if other.empty:
        return f"None of the {len(compared)} verdicts on parts of claims would be another."
    told = [
        f"{row['claim']}{'' if pd.isna(row['part']) or not row['part'] else ' on ' + row['part']}"
        f" ({row['verdict']}, then {row['verdict_theirs']})"
        for row in other.head(4).to_dict("records")
    ]
    more = f", among them {listed(told)}" if len(other) > len(told) else f": {listed(told)}"
    return f"Of {len(compared)} verdicts on parts of claims {len(other)} would be another{more}."
