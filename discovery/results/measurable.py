"""Whether the rows of tidy tables can have been measured: of their cell's sites, load and time.

Raw cells were held against all of this when they were made tables. An archive comes from elsewhere,
with checksums of its own: what no cell can have measured is told here, with what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np
import pandas as pd

from discovery.results.window import SLACK_HERE_S, SLACK_S
from discovery.testbed.here import are_here

_ROUNDED_MS = 0.001
_ACTION_SLACK_S = 0.1
_SITES = ("site", "client_site", "source", "destination", "source_site", "destination_site")
_TIMES = {"iterations": "start", "actions": "start", "system": "time", "units": "time"}
_SAMPLES = ("system", "units")
# Of the asked round trip, where jitter is as large as the delay and the record does not tell of it.
_SOONEST = 0.25
_ITERATION = ["cell", "client_site", "scenario", "iteration"]
_PHASES = ("lease", "deploy", "health", "shape", "collect", "release")

Tables = Mapping[str, pd.DataFrame]


def nonsense(tables: Tables) -> Iterator[str]:
    """What of ``tables``, which are of one run, cannot be; each as a sentence without its point."""
    unreadable = list(_cells(tables["cells"]))
    yield from unreadable
    yield from _sites(tables)
    yield from _phases(tables["cells"], tables["phases"])
    if not unreadable:
        yield from _times(tables)
    yield from _pairs(tables["cells"], tables["wan"])
    yield from _asked(tables["cells"], tables["wan"])
    yield from _actions(tables["iterations"], tables["actions"])


def _cells(cells: pd.DataFrame) -> Iterator[str]:
    for cell, started, packages in cells[["cell", "started", "packages"]].itertuples(index=False):
        try:
            if datetime.fromisoformat(started).tzinfo is None:
                raise ValueError
        except ValueError:
            yield f"started of {cell} is {started!a}, which is no date with time and zone"
        try:
            known = isinstance(json.loads(packages), dict)
        except (ValueError, RecursionError):
            known = False
        if not known:
            yield f"packages of {cell} is {packages[:60]!a}, which is no JSON object"


def _sites(tables: Tables) -> Iterator[str]:
    """Sites with a number that the cell has not."""
    for name, table in tables.items():
        for column in _SITES:
            if (
                column not in table
                or table.empty
                or not str(table[column].iloc[0]).startswith("site-")
            ):
                continue
            number = pd.to_numeric(table[column].str.removeprefix("site-"), errors="coerce")
            wrong = table[number.notna() & (number > table["sites"])]
            if len(wrong):
                first = wrong.iloc[0]
                yield (
                    f"the table {name} has {first[column]} of {first['cell']}, which has "
                    f"{first['sites']} sites"
                )


def _phases(cells: pd.DataFrame, phases: pd.DataFrame) -> Iterator[str]:
    once = phases[~phases["phase"].str.startswith("deploy:")]
    for row in once[once.duplicated(["cell", "phase"])].head(1).itertuples():
        yield f"the table phases has {row.phase} of {row.cell} twice"
    found = phases.groupby("cell")["phase"].agg(set).to_dict()
    for cell in cells.loc[cells["status"] == "ok", "cell"]:
        for name in _PHASES:
            if cell in found and name not in found[cell]:
                yield f"{cell} is ok, and the table phases lacks its {name}"


def _times(tables: Tables) -> Iterator[str]:
    """Times from before a cell began, or from after its last phase."""
    phases = tables["phases"]
    took = (phases["start"] + phases["seconds"]).groupby(phases["cell"]).max().to_dict()
    window = {
        cell: (begin, begin + took[cell], are_here(held_by))
        for cell, started, held_by in tables["cells"][["cell", "started", "provider"]].itertuples(
            index=False
        )
        if cell in took
        for begin in [datetime.fromisoformat(started).timestamp()]
    }
    for name, column in _TIMES.items():
        for cell, times in tables[name].groupby("cell")[column] if name in tables else ():
            begin, end, here = window.get(cell, (-np.inf, np.inf, False))
            slack = SLACK_HERE_S if here and name in _SAMPLES else SLACK_S
            wrong = times[(times < begin - slack) | (times > end + slack)]
            if len(wrong):
                yield (
                    f"the table {name} has a {column} of {wrong.iloc[0]:.0f} s since 1970 in "
                    f"{cell}, which was measured from {begin:.0f} to {end:.0f}"
                )


def _asked(cells: pd.DataFrame, wan: pd.DataFrame) -> Iterator[str]:
    """Round trips that were asked for and are not the cell's delays, or that came too soon."""
    delay = cells.drop_duplicates("cell").set_index("cell")["one_way_delay_ms"].to_dict()
    for (cell, when), asked in wan.groupby(["cell", "when"])["asked_rtt_ms"]:
        wanted = 0.0 if when == "unshaped" else 2 * delay.get(cell, np.nan)
        if abs(asked.mean() - wanted) > _ROUNDED_MS:
            yield (
                f"in the table wan, asked_rtt_ms of {cell} {when} is {asked.mean():g} ms in the "
                f"mean, and by its delay it is {wanted:g} ms"
            )
    soon = wan["measured_rtt_ms"] < _SOONEST * wan["asked_rtt_ms"]
    for row in wan[soon & (wan["when"] != "unshaped")].head(1).itertuples():
        yield (
            f"in the table wan, {row.when} of {row.cell} from {row.source} to {row.destination} "
            f"took {row.measured_rtt_ms:g} ms, and {row.asked_rtt_ms:g} ms were asked for"
        )


def _pairs(cells: pd.DataFrame, wan: pd.DataFrame) -> Iterator[str]:
    """Round trips that cannot be, and pairs of sites that are not there once."""
    trips = wan[["min_rtt_ms", "measured_rtt_ms", "max_rtt_ms"]]
    known = trips.notna().sum(axis=1)
    low, middle, high = (trips[column] for column in trips)
    for wrong, why in (
        (
            (wan["lost"] > wan["sent"]) | (wan["sent"] < 1),
            "lost more pings than were sent, or none",
        ),
        (known != np.where(wan["lost"] < wan["sent"], 3, 0), "has other round trips than answers"),
        ((low > middle + _ROUNDED_MS) | (middle > high + _ROUNDED_MS), "is not min ≤ median ≤ max"),
        (wan["source"] == wan["destination"], "is from a site to itself"),
        (wan.duplicated(["cell", "when", "source", "destination"]), "is there twice"),
    ):
        for row in wan[wrong].head(1).itertuples():
            pair = f"{row.source} to {row.destination}"
            yield f"in the table wan, {row.when} of {row.cell} from {pair} {why}"
    found = wan.groupby(["cell", "when"]).size().to_dict()
    for cell, sites, status in cells[["cell", "sites", "status"]].itertuples(index=False):
        for when in ("unshaped", "shaped", "after-load"):
            needed = status == "ok" and sites > 1 and when != "unshaped"
            counted = found.get((cell, when), 0)
            if counted != sites * (sites - 1) and (counted or needed):
                yield (
                    f"the table wan has {counted} pairs of {cell} {when}, which has "
                    f"{sites * (sites - 1)}"
                )


def _actions(iterations: pd.DataFrame, actions: pd.DataFrame) -> Iterator[str]:
    """Actions of no iteration, or out of its time; iterations that did nothing."""
    for table, key in ((actions, [*_ITERATION, "action", "start"]), (iterations, _ITERATION)):
        for row in table[table.duplicated(key)].head(1).itertuples():
            yield f"{_told(row)} has a row, or an action, twice"
    both = actions.merge(
        iterations[[*_ITERATION, "start", "duration_s", "idle_s", "error"]],
        on=_ITERATION, how="left", suffixes=("", "_of"), indicator=True,
    )  # fmt: skip
    end = both["start_of"] + both["duration_s_of"] + both["idle_s"]
    ended = both["start"] + both["duration_s"].fillna(0.0)
    outside = (both["start"] < both["start_of"] - _ACTION_SLACK_S) | (ended > end + _ACTION_SLACK_S)
    for wrong, why in (
        (both["_merge"] != "both", "has actions, and is not in the table iterations"),
        (outside, "has an action out of its time"),
        (both["duration_s"].isna() & both["error"].isna(), "has no error, but an action not ended"),
    ):
        for row in both[wrong].head(1).itertuples():
            yield f"{_told(row)} {why}"
    well = iterations[iterations["error"].isna()]
    idle = well[_ITERATION].merge(
        actions[_ITERATION].drop_duplicates(), on=_ITERATION, how="left", indicator=True
    )
    for row in idle[idle["_merge"] != "both"].head(1).itertuples():
        yield f"{_told(row)} has no error, but no action"
    for row in iterations[iterations["error"] == ""].head(1).itertuples():
        yield f"{_told(row)} has an error without a word"


def _told(row: object) -> str:
    return f"iteration {row.iteration} of {row.scenario} from {row.client_site} in {row.cell}"  # type: ignore[attr-defined]
