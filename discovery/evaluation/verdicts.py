"""The verdicts as a table in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from discovery.claims.verdicts import VERDICTS, read_verdicts

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
        table.add_column(heading)
    for claim in found.claims:
        style = _STYLE[claim.verdict]
        table.add_row(claim.id, claim.title, f"[{style}]{claim.verdict}[/]", claim.why)
    console = Console()
    console.print(table)
    console.print(", ".join(f"{found.count(verdict)} {verdict}" for verdict in VERDICTS))
