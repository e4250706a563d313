"""What figures and tables of each study show: their captions, in the order they are shown in.

These are the only lists. A figure is found by the beginning of its file's name, so that one entry
covers a figure per load or per number of sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Section = Literal["testbed", "results", "appendix"]


@dataclass(frozen=True)
class Caption:
    """What the figures whose names begin with ``prefix`` show.

    ``section`` is where the paper has them; ``wide`` ones span its two columns. ``optional`` ones
    are of cells that not every tier has, so that nobody misses them.
    """

    prefix: str
    title: str
    text: str
    section: Section = "appendix"
    wide: bool = False
    optional: bool = False


_BARS = (
    "Hollow bars were read off the study's figure, with the reading error; full ones are ours, "
    "with 95 % intervals. The axis is logarithmic."
)

# Of every study.
_TESTBED = (
    Caption(
        "wan",
        "Accuracy of the WAN",
        "Measured minus asked round trip of every pair of sites, after shaping and after the load; "
        "the band is what is allowed.",
        section="testbed",
    ),
    Caption(
        "phases",
        "Phases of a cell",
        "Mean seconds before and after the load, by back end.",
        section="testbed",
    ),
    Caption("deploy-steps", "Steps of a deployment", "Mean seconds of each step, by back end."),
)

_KEYSTONE = (
    Caption(
        "figure-23",
        "Delay under light load, as in Figure 23 of the study",
        f"Mean completion time against the one-way delay. {_BARS} In 2018 the one Rally ran on the "
        "node of MariaDB's server, here on another site.",
        section="results",
        wide=True,
    ),
    Caption(
        "figure-25",
        "Delay under high load, as in Figure 25 of the study",
        f"Mean completion time against the one-way delay, with a Rally on every site. {_BARS}",
        section="results",
        wide=True,
    ),
    Caption(
        "model",
        "Time as round trips",
        "Mean time of whole iterations, as time = processors + round trips × RTT. (a) One "
        "scenario with its lines. (b) The slope of every scenario, with its 95 % interval, against "
        "what the servers counted: requests where one server decides, commits where every site has "
        "one; on the line each waits for one round trip. (c) How far the mean of each cell and "
        "client site is from its line.",
        section="results",
        wide=True,
    ),
    Caption(
        "both-ways",
        "The study's statistic and ours",
        "Left: what is left of every mean after the study's cut (errors, and of each client the "
        "times at or above its 95th percentile). Right: each back end against Galera, both ways; a "
        "mark per scenario, delay and load.",
        section="results",
        wide=True,
    ),
    Caption(
        "figure-19",
        "Number of instances under light load, as in Figure 19 of the study",
        f"Mean completion time on a LAN. {_BARS} The study's instances had a machine each, all of "
        "ours share one.",
        wide=True,
    ),
    Caption(
        "figure-21",
        "Number of instances under high load, as in Figure 21 of the study",
        f"Mean completion time on a LAN, with a Rally on every site. {_BARS} The study's instances "
        "had a machine each, all of ours share one; that is why a Rally may have fewer iterations "
        "at once where there are more of them.",
        wide=True,
    ),
    Caption(
        "placement",
        "Placement of replicas, as in the study's appendix",
        "Median completion time with the three replicas of every range spread over three zones, "
        f"two of them in the clients' zone, or all. {_BARS}",
        wide=True,
    ),
    Caption(
        "distribution",
        "Distribution of completion times",
        "All iterations of each scenario and delay. A failed one never completes, so a curve ends "
        "at the share that succeeded; triangles are the means that the study published, of nine "
        "instances or, on a LAN, of as many as here.",
        wide=True,
    ),
    Caption(
        "completion-time",
        "Completion time",
        "Mean completion time of each scenario against the one-way delay, stacked by atomic action "
        "as in the study of 2018: iterations that succeeded, with 95 % intervals, n and failures.",
        wide=True,
    ),
    Caption(
        "prediction",
        "Queries times round trip",
        "Time measured against what the servers' query counters and the round trip predict; on the "
        "line, every query waits for one round trip.",
    ),
    Caption(
        "round-trips",
        "Round trips waited for",
        "Growth of an iteration with the round trip, beside the requests and commits that the "
        "servers counted. Whole iterations, with Rally's log-in.",
    ),
    Caption(
        "variation",
        "Variation",
        "Completion times in the variation, as a multiple of those of the study's own cell of the "
        "same levels; lines are 95 % intervals.",
        section="results",
        wide=True,
        optional=True,
    ),
    Caption(
        "resources",
        "Resources",
        "Processor, memory and traffic of each kind of node under load; a mark is the mean over "
        "its nodes, the line spans them.",
        wide=True,
    ),
)

_KEYSTONE_TABLES = (
    Caption(
        "both-ways",
        "Verdicts under both statistics",
        "Effect and verdict on all iterations, and on those that the study would have kept. Shown "
        "are the parts of claims on times whose verdict differs, and the first part of each other "
        "claim.",
        section="results",
    ),
    Caption(
        "reads",
        "Shares of reads",
        "Percent of the statements that read or write rows that read, as the study printed it and "
        "from the servers' counters.",
    ),
    Caption(
        "completion-time",
        "Completion time",
        "Mean (s) of the iterations that succeeded, 95 % interval, and failures.",
    ),
    Caption(
        "round-trips",
        "Requests and round trips",
        "Requests and commits per iteration and the share of reads, from the servers' counters; "
        "the round trips that an iteration waits for, the time it takes without any, and how far "
        "the means are from that line (root of the mean square).",
    ),
)


_NOVA = (
    Caption(
        "calls",
        "Calls of the data-access layer, as in Figure 7 of the study",
        "Share of the calls that take no longer; on one site, hollow marks were read off the "
        "study's figure. A call that failed never ends.",
        section="results",
    ),
    Caption(
        "operations",
        "Operations as round trips",
        "Mean time of each operation of the data-access layer against its round trips times the "
        "RTT to the server that decides; on the line it waits for nothing else. Databases that "
        "every site has a server of are left out.",
        section="results",
    ),
    Caption(
        "bursts",
        "Bursts, as in Figure 9 of the study",
        "Time from the first request to the last ACTIVE server against the number of sites; a "
        "burst is one value, and the intervals are over repetitions. Hollow marks are the study's, "
        "of 500 servers.",
        section="results",
        wide=True,
    ),
    Caption(
        "volumes",
        "Network volume, as in Figure 8 of the study",
        "Volume of a burst, per server, by the kind of node that it went to; on one site, hollow "
        "bars are the study's, of 500 servers.",
        section="results",
    ),
    Caption(
        "services",
        "What services take",
        "Processor time for each server asked for, over all nodes, and the most memory that one "
        "of the units held, while a burst boots.",
        wide=True,
    ),
    Caption(
        "rest",
        "REST requests of a remote client",
        "Mean time of an iteration of Rally's scenarios with its 95 % interval, from a client far "
        "from the first site that asks the APIs of its own.",
        section="results",
        wide=True,
        optional=True,
    ),
)

_NOVA_TABLES = (
    Caption(
        "agreement",
        "What all that know of servers know",
        "Of each burst: servers asked for, ACTIVE, failed, gone after their deletion; and, while "
        "all were booted, how many the API, each database, Placement and the quotas had, with the "
        "number of findings that did not agree.",
    ),
    Caption(
        "conflicts",
        "Conflicts",
        "Errors of the database that calls met, and those that they ended in; requests that the "
        "client sent again; deadlocks and failed certifications that the servers counted.",
    ),
    Caption("rest", "REST requests", "Mean (ms) of the iterations that succeeded, 95 % interval."),
    Caption("calls", "Calls", "Mean time of a call of the data-access layer beside the study's."),
    Caption(
        "operations",
        "Operations",
        "Those that took most of the time: round trips, what they predict, and what is left over.",
    ),
    Caption("bursts", "Bursts", "Time of a burst beside the study's."),
    Caption("volumes", "Network volume", "Volume of a burst beside the study's."),
    Caption(
        "volumes-to",
        "Network volume by destination",
        "Volume of a burst that went to each kind of node, beside the study's.",
    ),
    Caption("zones", "Zones", "Share of the ACTIVE servers that each site got."),
    Caption(
        "noise",
        "Noise floor",
        "MariaDB deployed twice under two names: the ratio of the second to the first.",
    ),
)


@dataclass(frozen=True)
class Captions:
    """The captions of a study's figures and tables, in the order they are shown in."""

    figures: tuple[Caption, ...]
    tables: tuple[Caption, ...]


CAPTIONS: dict[str, Captions] = {
    "keystone": Captions((*_KEYSTONE, *_TESTBED), _KEYSTONE_TABLES),
    "nova": Captions((*_NOVA, *_TESTBED), _NOVA_TABLES),
}
"""By the service that the study is of."""
