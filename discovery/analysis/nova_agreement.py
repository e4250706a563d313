"""Whether all that know of Nova's servers know the same ones."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from discovery.analysis.nova_numbers import add
from discovery.analysis.numbers import Numbers

Tables = Mapping[str, pd.DataFrame]

_COUNTED = ["asked", "active", "failed", "gone"]


def agreement(tables: Tables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What became of the servers of every burst, and what all that know of servers knew of them.

    The first has a row per cell: servers ``asked`` for, ``active``, ``failed`` to be, ``gone``
    after their deletion; then how many each of API, databases, Placement (``consumers``) and quotas
    had while all were booted, and ``findings``, what did not agree. The second has a row for each.
    """
    servers = tables["servers"]
    grouped = servers.groupby("cell", sort=True)
    counted = pd.DataFrame(
        {
            "asked": grouped.size(),
            "active": grouped["active_at"].count(),
            "failed": grouped["error"].count(),
            "gone": grouped["gone_at"].count(),
        },
        columns=_COUNTED,
    )
    known = tables["known"].pivot(index="cell", columns="by", values="servers")
    found = tables["findings"]
    whole = counted.join(known.rename(columns={"servers": "API"}))
    whole["findings"] = found.groupby("cell").size().reindex(whole.index, fill_value=0)
    return (
        whole.rename_axis("cell").reset_index(),
        found[["cell", "kind", "what", "detail"]].reset_index(drop=True),
    )


def agreement_numbers(known: pd.DataFrame) -> Numbers:
    """Over all bursts: how many there were, their servers, and what did not agree."""
    sums = {
        "nova-bursts": len(known),
        "nova-servers-asked": known["asked"].sum(),
        "nova-servers-active": known["active"].sum(),
        "nova-findings": known["findings"].sum(),
    }
    numbers: Numbers = {}
    for name, value in sums.items():
        add(numbers, name, "", {"value": value, "n": len(known)})
    return numbers
