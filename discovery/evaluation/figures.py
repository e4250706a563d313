"""Which figures the report and the paper show, in which order, and with which captions.

This is the one list. A figure is found by the beginning of its file's name, so that one entry
covers a figure per load or per number of sites. Files that no entry names are shown last, and
entries without a file are told as not made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Caption:
    """What the figures whose names begin with ``prefix`` show; ``wide`` ones span two columns."""

    prefix: str
    title: str
    text: str
    wide: bool = False


CAPTIONS: tuple[Caption, ...] = (
    Caption(
        "completion-time",
        "Completion time",
        "Completion time of each scenario against the one-way delay: the mean of the iterations "
        "that succeeded, stacked by atomic action as in the study of 2018, with n and failures.",
        wide=True,
    ),
    Caption(
        "distribution",
        "Distributions of completion times",
        "Distribution of the completion times of all iterations; a failed one never completes, so "
        "a curve that ends below 1 shows the share that failed.",
        wide=True,
    ),
    Caption(
        "queries",
        "Queries explain times",
        "Time predicted from the queries per iteration and the round trip, against the time that "
        "was measured.",
    ),
    Caption(
        "wan",
        "Accuracy of the WAN",
        "Round trips asked for and measured, for every pair of sites and every measurement.",
    ),
    Caption(
        "resource",
        "Resources",
        "Processor, memory and traffic of the nodes while the load ran.",
        wide=True,
    ),
    Caption(
        "phases",
        "Where the time of a cell goes",
        "Seconds of each phase of a cell, by back end.",
    ),
)


@dataclass(frozen=True)
class Figure:
    """A figure of a results folder; ``png`` and ``pdf`` are ``None`` where it was not made."""

    name: str
    title: str
    text: str
    wide: bool
    png: Path | None = None
    pdf: Path | None = None


def figures_in(folder: Path) -> tuple[Figure, ...]:
    """The figures in ``folder``, in the order of :data:`CAPTIONS`."""
    names = sorted({path.stem for path in folder.glob("*") if path.suffix in (".png", ".pdf")})
    found: list[Figure] = []
    for caption in CAPTIONS:
        mine = [name for name in names if name.startswith(caption.prefix)]
        names = [name for name in names if name not in mine]
        for name in mine:
            level = name.removeprefix(caption.prefix).strip("-").replace("-", " ")
            title = f"{caption.title}: {level}" if level else caption.title
            found.append(_figure(folder, name, title, caption.text, caption.wide))
        if not mine:
            found.append(Figure(caption.prefix, caption.title, caption.text, caption.wide))
    for name in names:
        title = name.replace("-", " ").capitalize()
        found.append(_figure(folder, name, title, f"{title}.", wide=False))
    return tuple(found)


def _figure(folder: Path, name: str, title: str, text: str, wide: bool) -> Figure:
    files = {suffix: folder / f"{name}.{suffix}" for suffix in ("png", "pdf")}
    there = {suffix: path if path.is_file() else None for suffix, path in files.items()}
    return Figure(name, title, text, wide, png=there["png"], pdf=there["pdf"])
