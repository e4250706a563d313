"""The figures and tables of a results folder, with the captions that report and paper give them.

Figures that no caption is for are shown last, and captions without a figure are told as not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from discovery.evaluation.captions import Caption, Section


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


def figures_in(folder: Path, captions: Sequence[Caption]) -> tuple[Figure, ...]:
    """The figures in ``folder``, in the order of ``captions``."""
    names = sorted({path.stem for path in folder.glob("*") if path.suffix in (".png", ".pdf")})
    found: list[Figure] = []
    for caption in captions:
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


def tables_in(
    folder: Path, section: Section, captions: Sequence[Caption]
) -> list[tuple[Path, str, str]]:
    """The LaTeX tables in ``folder`` that are shown in ``section``: file, title, text."""
    found: dict[Path, tuple[str, str]] = {}
    # The longest prefix of a name is its caption's.
    for caption in sorted(captions, key=lambda caption: len(caption.prefix)):
        for path in folder.glob(f"{caption.prefix}*.tex"):
            found[path] = (caption.prefix, _title(caption, path.stem))
    return [
        (path, found[path][1], caption.text)
        for caption in captions
        if caption.section == section
        for path in sorted(found, reverse=True)
        if found[path][0] == caption.prefix
        # The text names tables of the results, also where they have no row.
        and (section != "appendix" or _EMPTY not in path.read_text(encoding="utf-8"))
    ]


_EMPTY = "\\midrule\n\\bottomrule"


def _title(caption: Caption, name: str) -> str:
    """``completion-time-s3-high`` → ``Completion time, 3 sites, high load``; ``d10`` is a delay.

    What is no level is a name of its own: ``variation-no-cache`` → ``Variation, no-cache``.
    """
    names: list[str] = []
    levels: list[str] = []
    for part in name.removeprefix(caption.prefix).strip("-").split("-"):
        if part in ("light", "high"):
            levels.append(f"{part} load")
        elif part[:1] == "s" and part[1:].isdigit():
            levels.append(f"{part[1:]} site{'' if part == 's1' else 's'}")
        elif part[:1] == "d" and part[1:].replace(".", "").isdigit():
            levels.append(f"{part[1:]} ms one way")
        elif part:
            names.append(part)
    return ", ".join([caption.title, *(["-".join(names)] if names else []), *levels])


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
