"""The verdicts as a table in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from discovery.claims.verdicts import VERDICTS, read_verdicts
from discovery.evaluation.console import Terminal, styled

_STYLE = {
    "supported": "green",
    "contradicted": "red",
    "inconclusive": "yellow",
    "not run": "dim",
}


def render(path: Path) -> None:
    """Print the verdicts in the claims file ``path``, and how many there are of each."""
    found = read_verdicts(path)
    table = Table(title=f"{found.experiment}, {found.tier} tier", title_justify="left")
    for heading in ("claim", "", "verdict", "why"):
        table.add_column(heading, overflow="fold")
    for claim in found.claims:
        verdict = styled(claim.verdict, _STYLE[claim.verdict])
        table.add_row(claim.id, claim.title, verdict, claim.why)
    console = Terminal()
    console.print(table)
    console.print(", ".join(f"{found.count(verdict)} {verdict}" for verdict in VERDICTS))
    if found.count("not run") == len(found.claims):
        console.print(
            "No claim can be judged on the cells of this tier, and that is no fault: each names "
            "the tiers that would do."
        )
