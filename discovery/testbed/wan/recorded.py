"""The judgement of what ``wan.json`` records: was the WAN there, as asked, for as long as the load?

Of the record alone, so that whoever reads a cell's results judges as its run did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from discovery.errors import WanError
from discovery.testbed.wan.measure import AFTER_LOAD, Conditions, RoundTrip, judge
from discovery.testbed.wan.sites import Pair, crossing_pairs, ordered_pairs

# A WAN that stood still for so long (s) while there was load is not the one that was asked for.
LONGEST_STALL_S = 1.0

Record = Mapping[str, Any]


def judge_record(record: Record, conditions: Conditions) -> None:
    """Raise a :class:`WanError` if the WAN of ``record`` was not as asked while there was load.

    ``record`` is that of ``wan.json``, ``conditions`` the cell's ``wan``. Round trips are judged as
    they were after the load, but not of pairs that were cut on purpose.
    """
    after = _last(record, "after-load")
    if after is None:
        raise WanError("The WAN was not measured after the load, so nobody knows what it was.")
    judge_stalls(record)
    cut = parted(record, after["time"])
    trips = [RoundTrip(**pair) for pair in after["pairs"]]
    whole = [trip for trip in trips if not cut & _both_ways((trip.source, trip.destination))]
    try:
        judge(whole, conditions, record["backend"], AFTER_LOAD)
    except WanError as error:
        raise WanError(f"The WAN did not outlive the load. {error}") from None


def judge_stalls(record: Record) -> None:
    """Raise a :class:`WanError` if the WAN stood still for too long after it had been shaped."""
    shaped, after = _last(record, "shaped"), _last(record, "after-load")
    if shaped is None:
        return
    for stall in record.get("stalls", ()):
        ended = stall["time"] + stall["seconds"]
        loaded = ended > shaped["time"] and (after is None or stall["time"] < after["time"])
        if loaded and stall["seconds"] >= LONGEST_STALL_S:
            raise WanError(
                f"The WAN stood still for {stall['seconds']:.1f} s while the cell was loaded: what "
                "emulates it was stopped, or this machine was; run the cell again."
            )


def parted(record: Record, when: float) -> set[Pair]:
    """The ordered pairs of sites that the cell itself had cut at ``when`` (s, epoch)."""
    cut: set[Pair] = set()
    for change in record["changes"]:
        if change["time"] > when:
            continue
        if change["action"] == "heal":
            cut.clear()
        elif change["action"] == "cut-one-way":
            cut.add((change["sites"][0], change["sites"][1]))
        else:
            cut |= set(crossing_pairs(change["sites"], _sites(record)))
    return cut


def _sites(record: Record) -> list[str]:
    pairs = [pair for item in record["measurements"] for pair in item["pairs"]]
    return list(dict.fromkeys(pair["source"] for pair in pairs))


def _both_ways(pair: Pair) -> set[Pair]:
    return set(ordered_pairs(pair))


def _last(record: Record, when: str) -> Record | None:
    found: Sequence[Record] = [item for item in record["measurements"] if item["when"] == when]
    return found[-1] if found else None
