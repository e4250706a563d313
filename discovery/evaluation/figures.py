"""Which figures and tables the report and the paper show, in which order, with which captions.

These are the only lists. A figure is found by the beginning of its file's name, so that one entry
covers a figure per load or per number of sites. Files that no entry names are shown last, and
entries without a file are told as not made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
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

CAPTIONS: tuple[Caption, ...] = (
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
        "had a machine each, all of ours share one.",
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
        "Completion times when one thing that the study kept fixed is another, as a multiple of "
        "those of the study's own cell of the same levels; lines are 95 % intervals.",
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

TABLE_CAPTIONS: tuple[Caption, ...] = (
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


@dataclass(frozen=True)
class Figure:
    """A figure of a results folder; ``png`` and ``pdf`` are ``None`` where it was not made."""

    name: str
    title: str
    text: str
    section: Section
    wide: bool
    png: Path | None = None
    pdf: Path | None = None


def figures_in(folder: Path) -> tuple[Figure, ...]:
    """The figures in ``folder``, in the order of :data:`CAPTIONS`."""
    names = sorted({path.stem for path in folder.glob("*") if path.suffix in (".png", ".pdf")})
    found: list[Figure] = []
    for caption in CAPTIONS:
        # In reverse, light load comes before high.
        mine = [name for name in reversed(names) if name.startswith(caption.prefix)]
        names = [name for name in names if name not in mine]
        for name in mine:
            title = _title(caption, name)
            found.append(_figure(folder, name, title, caption))
        if not mine and not caption.optional:
            found.append(
                Figure(caption.prefix, caption.title, caption.text, caption.section, caption.wide)
            )
    for name in names:
        title = name.replace("-", " ").capitalize()
        found.append(_figure(folder, name, title, Caption(name, title, f"{title}.")))
    return tuple(found)


def tables_in(folder: Path, section: Section) -> list[tuple[Path, str, str]]:
    """The LaTeX tables in ``folder`` that are shown in ``section``: file, title, text."""
    return [
        (path, _title(caption, path.stem), caption.text)
        for caption in TABLE_CAPTIONS
        if caption.section == section
        for path in sorted(folder.glob(f"{caption.prefix}*.tex"), reverse=True)
    ]


def _title(caption: Caption, name: str) -> str:
    """``completion-time-s3-high`` → ``Completion time, 3 sites, high load``."""
    words = [caption.title]
    for part in name.removeprefix(caption.prefix).strip("-").split("-"):
        if part in ("light", "high"):
            words.append(f"{part} load")
        elif part[:1] == "s" and part[1:].isdigit():
            words.append(f"{part[1:]} sites")
        elif part:
            words.append(part)
    return ", ".join(words)


def _figure(folder: Path, name: str, title: str, caption: Caption) -> Figure:
    files = {suffix: folder / f"{name}.{suffix}" for suffix in ("png", "pdf")}
    there = {suffix: path if path.is_file() else None for suffix, path in files.items()}
    return Figure(
        name,
        title,
        caption.text,
        caption.section,
        caption.wide,
        png=there["png"],
        pdf=there["pdf"],
    )
