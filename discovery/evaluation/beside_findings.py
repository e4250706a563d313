"""Sentences on the figures that set the study's bars beside ours, made from their rows.

Each is a plain sentence without LaTeX, or ``None`` where the rows cannot say it. Rows are those of
:mod:`discovery.analysis.beside`, as the notebook wrote them.
"""

from __future__ import annotations

import pandas as pd

from discovery.analysis.beside import HERE, PUBLISHED, RALLY_BESIDE
from discovery.analysis.style import NAMES, backend_order, present
from discovery.claims.wording import number
from discovery.evaluation.numbers import AUTHENTICATE
from discovery.evaluation.words import listed, seconds, span

FEW = 0.1
"""The share of failed iterations above which the times of the others decide nothing."""


def sizes(rows: pd.DataFrame) -> str | None:
    """At how many sites ours are, beside the nine instances of the study's figures on delay."""
    ours = _ours(rows)
    if ours.empty:
        return None
    counts = sorted(ours["sites"].unique())
    if counts == [9]:
        return "Here and in 2018 these are times of nine instances."
    words = listed(f"{count:g}" for count in counts)
    return (
        f"In 2018 these were times of nine instances; here they are of {words} sites, as each "
        "panel says."
    )


def on_a_lan(rows: pd.DataFrame) -> str | None:
    """How ours on a LAN compare with the study's of as many instances, over all scenarios."""
    if rows.empty:
        return None
    both = _both(rows)
    if both.empty:
        return None
    parts = [
        f"{span(both.loc[both['backend'] == name, 'ratio'])} times as long on {NAMES[name]}"
        for name in present(both["backend"], backend_order())
    ]
    counts = listed(f"{count:g}" for count in sorted(both["level"].unique()))
    return (
        f"On a LAN with {counts} instances under light load, a scenario takes {listed(parts)} as "
        "the study's bar says: that is a ratio of machines and of releases, not of databases."
    )


def flat(rows: pd.DataFrame, verdict: str | None) -> str | None:
    """What delay does to an authentication on MariaDB: published, and here."""
    part = _of(rows, scenario=AUTHENTICATE, backend="mariadb")
    theirs, ours = _ends(part, PUBLISHED), _ends(part, HERE)
    if theirs is None:
        return None
    text = (
        f"The study's bar for an authentication on MariaDB is {seconds(theirs[1])} at "
        f"{theirs[2]:g} ms one way and {seconds(theirs[0])} on the LAN."
    )
    if ours is None:
        return f"{text} Here it was not run."
    recurs = {"contradicted": " The flat line does not recur.", "supported": " It recurs."}
    near, far, delay = ours
    return (
        f"{text}{recurs.get(verdict or '', '')} Here, with Rally on another site than the server, "
        f"it is {seconds(far)} at {delay:g} ms and {seconds(near)} on the LAN, "
        f"{number(far / near, '')} times as long."
    )


def rally_beside(rows: pd.DataFrame) -> str | None:
    """What the same delay does where Rally runs beside MariaDB's server, as it did in 2018."""
    ends = _ends(_of(rows, scenario=AUTHENTICATE, backend="mariadb"), RALLY_BESIDE)
    if ends is None:
        return "The variation that puts Rally on the database's node is not part of this run."
    near, far, delay = ends
    told = "the study's curve, made again" if far < 1.25 * near else "not the study's flat curve"
    return (
        f"With Rally on the database's node, where it was in 2018, an authentication takes "
        f"{seconds(far)} at {delay:g} ms one way and {seconds(near)} on the LAN: {told}."
    )


def fastest(rows: pd.DataFrame, load: str, origin: str = HERE) -> str | None:
    """Which back ends are the fastest at the longest delay, and in how many scenarios."""
    known = _of(rows, origin=origin)
    if known.empty:
        return None
    known = known[known["value_s"].notna() & (known["bound"] != "at most")]
    known = known[(known["level"] > 0) & (known["level"] == known["level"].max())]
    known = known[known["failure_share"] <= FEW]
    usual = known.groupby("scenario")["sites"].transform(lambda sites: sites.mode().iloc[0])
    known = known[known["sites"] == usual]  # two numbers of sites are not compared
    if known.empty or known["backend"].nunique() < 2:
        return None
    first = known.loc[known.groupby("scenario")["value_s"].idxmin(), "backend"].value_counts()
    parts = [f"{NAMES[name]} in {first[name]}" for name in present(first.index, backend_order())]
    where = "in the study" if origin == PUBLISHED else "here"
    return (
        f"At {known['level'].iloc[0]:g} ms one way under {load} load the fastest back end {where} "
        f"is {listed(parts)} of {int(first.sum())} scenarios."
    )


def control(rows: pd.DataFrame) -> str | None:
    """PostgreSQL in MariaDB's place, at the longest delay."""
    ratios = _ratios(rows, "postgresql", "mariadb")
    if ratios is None:
        return None
    return (
        f"PostgreSQL, in MariaDB's place, takes {span(ratios)} times as long as MariaDB at the "
        "longest delay under light load, over the scenarios."
    )


def rome(rows: pd.DataFrame) -> str | None:
    """ROME on one server and on a cluster, beside the others at the longest delay."""
    parts = []
    for name, other in (("rome", "mariadb"), ("rome", "galera"), ("rome-cluster", "rome")):
        ratios = _ratios(rows, name, other)
        if ratios is not None:
            parts.append(f"{NAMES[name]} takes {span(ratios)} times as long as {NAMES[other]}")
    if not parts:
        return "ROME was not part of this run." if _of(rows, backend="rome").empty else None
    return f"At the longest delay under light load, {listed(parts)}, over the scenarios."


def survivors(rows: pd.DataFrame) -> str | None:
    """The published bars that get shorter as the delay and the failures grow."""
    theirs = _of(rows, origin=PUBLISHED)
    if theirs.empty:
        return None
    theirs = theirs[theirs["value_s"].notna() & (theirs["bound"] == "exact")]
    for (scenario, backend), part in theirs.groupby(["scenario", "backend"], sort=False):
        ends = part.sort_values("level").iloc[-2:]
        if len(ends) == 2:
            near, far = ends.to_dict("records")
            if far["value_s"] < near["value_s"] and far["failure_share"] > near["failure_share"]:
                return (
                    f"Its bar of {scenario} on {NAMES[str(backend)]} under high load falls from "
                    f"{seconds(near['value_s'])} at {near['level']:g} ms to "
                    f"{seconds(far['value_s'])} at {far['level']:g} ms, while the printed share "
                    f"of failures rises from {near['failure_share']:g} to {far['failure_share']:g}."
                )
    return None


def placement(rows: pd.DataFrame) -> str | None:
    """Whether sites were in zones here."""
    if rows.empty or (rows["origin"] != PUBLISHED).any():
        return None
    return (
        "No cell of this run has its sites in zones, so that the figure on placements has the "
        "study's bars alone."
    )


def _of(rows: pd.DataFrame, **levels: str) -> pd.DataFrame:
    for column, level in levels.items():
        rows = rows[rows[column] == level] if len(rows) else rows
    return rows


def _ours(rows: pd.DataFrame) -> pd.DataFrame:
    return _of(rows, origin=HERE)


def _ends(rows: pd.DataFrame, origin: str) -> tuple[float, float, float] | None:
    """The values on the LAN and at the longest delay, and that delay; of few failures alone."""
    known = _of(rows, origin=origin)
    if known.empty:
        return None
    known = known[known["value_s"].notna() & (known["failure_share"] <= FEW)]
    values = known.set_index("level")["value_s"].sort_index()
    if 0.0 not in values.index or len(values) < 2:
        return None
    return float(values[0.0]), float(values.iloc[-1]), float(values.index[-1])


def _ratios(rows: pd.DataFrame, name: str, other: str) -> pd.Series[float] | None:
    """Ours of one back end over those of another at the longest delay both have, per scenario."""
    ours = _ours(rows)
    if ours.empty:
        return None
    ours = ours[ours["value_s"].notna() & (ours["failure_share"] <= FEW)]
    wide = ours.pivot_table(
        index=["scenario", "level", "sites"], columns="backend", values="value_s"
    )
    if name not in wide or other not in wide:
        return None
    ratios = (wide[name] / wide[other]).dropna()
    levels = ratios.index.get_level_values("level")
    ratios = ratios[(levels == levels.max()) & (levels > 0)]
    return ratios if len(ratios) else None


def _both(rows: pd.DataFrame) -> pd.DataFrame:
    """Ours over the study's, where both have a value of one level that can be computed with."""
    keys = ["scenario", "level", "backend"]
    theirs, ours = _of(rows, origin=PUBLISHED), _ours(rows)
    theirs = theirs[theirs["bound"].isin(["exact", "about"]) & (theirs["failure_share"] <= FEW)]
    ours = ours[ours["value_s"].notna() & (ours["failure_share"] <= FEW)]
    joined = ours[[*keys, "value_s"]].merge(theirs[[*keys, "value_s"]], on=keys)
    return joined.assign(ratio=joined["value_s_x"] / joined["value_s_y"])
