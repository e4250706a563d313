"""A claim in one line of a table: what decided it, published beside measured."""

from __future__ import annotations

from dataclasses import dataclass

from discovery.claims.verdicts import Judged, Judgement, Part
from discovery.claims.wording import NONE, bounds, effect, interval, published


@dataclass(frozen=True)
class ClaimRow:
    """What a table shows of a judged claim, as text.

    The effect is the one that decided: of a claim with several parts, the first part with the
    claim's verdict; ``part`` names it, and ``parts`` says how many parts share its verdict, of
    those that were to be run. ``at`` says at which of several levels the claim was judged, and on
    how many of its scenarios.
    """

    claim: Judgement
    part: str
    parts: str
    at: str
    effect: str
    asked: str
    published: str
    measured: str
    interval: str


def claim_row(claim: Judgement) -> ClaimRow:
    """The row of ``claim``; one that was not run has only its reason."""
    part = next((part for part in claim.parts if part.verdict == claim.verdict), None)
    part = part or next((part for part in claim.parts if part.effects), None)
    judged = _decisive(part) if part else None
    kept = [one for one in claim.parts if not one.left_out]
    same = sum(one.verdict == claim.verdict for one in kept)
    return ClaimRow(
        claim=claim,
        part=part.label if part else "",
        parts=f"{same} of {len(kept)}" if len(kept) > 1 else "",
        at=claim.at,
        effect=judged.label if judged else "",
        asked=bounds(judged) if judged else "",
        published=published(judged) if judged else NONE,
        measured=effect(judged) if judged else NONE,
        interval=interval(judged) if judged else "",
    )


def _decisive(part: Part) -> Judged | None:
    return next((one for one in part.effects if one.verdict == part.verdict), None)
