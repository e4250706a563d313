"""Tables that set the study of 2018 beside ours: verdicts both ways, and shares of reads."""

from __future__ import annotations

import pandas as pd

from discovery.analysis.model import queries_per_iteration
from discovery.analysis.style import NAMES, backend_order, present, scenario_order
from discovery.analysis.tables import Tables, TwoTables, with_interval

THEIRS = "study"
"""What stands for a back end in the rows that the study printed."""


def verdicts_table(compared: pd.DataFrame) -> TwoTables:
    """Claim and part: effect and verdict of all iterations, and of those that 2018 kept.

    ``compared`` is of :func:`discovery.analysis.both_ways.compare_verdicts`. Shown are the parts
    whose verdict differs, and of each other claim its first; the second table has all.
    """
    differs = compared["verdict"] != compared["verdict_theirs"]
    agreeing = ~compared["claim"].isin(compared.loc[differs, "claim"])
    chosen = compared[differs | (agreeing & ~compared["claim"].duplicated())]
    rows = chosen.to_dict("records")
    shown = pd.DataFrame(
        {
            "claim": chosen["claim"],
            "part": [row["part"] or "whole" for row in rows],
            "effect": chosen["effect"],
            "all iterations": [
                with_interval(row["ours"], row["ours_low"], row["ours_high"]) for row in rows
            ],
            "verdict": chosen["verdict"],
            "after the cut": [
                with_interval(row["theirs"], row["theirs_low"], row["theirs_high"]) for row in rows
            ],
            "verdict then": chosen["verdict_theirs"],
        }
    )
    return shown, compared


def reads_table(tables: Tables, published: pd.DataFrame, *, sites: int) -> TwoTables:
    """Scenario by back end: percent of the statements on rows that read; and the study's.

    ``published`` is the study's table of reads and writes, of one MariaDB. Ours are means over the
    loads.
    """
    counted = queries_per_iteration(tables)
    counted = counted[counted["sites"] == sites]
    theirs = published.assign(backend=THEIRS, read_share=published["reads_percent"] / 100)
    long = pd.concat([theirs, counted], ignore_index=True)
    long = long.loc[long["scenario"].isin(scenario_order()), ["scenario", "backend", "read_share"]]
    wide = long.pivot_table(index="scenario", columns="backend", values="read_share")
    backends = present(counted["backend"], backend_order())
    wide = wide.reindex(
        index=present(wide.index, scenario_order()), columns=[THEIRS, *backends]
    ).mul(100)
    names = {THEIRS: "2018, MariaDB (%)", **{name: f"{NAMES[name]} (%)" for name in backends}}
    shown = wide.rename(columns=names).map("{:.1f}".format).replace("nan", "--")
    return shown.reset_index().rename_axis(columns=None), long.reset_index(drop=True)
