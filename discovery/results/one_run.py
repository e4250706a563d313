"""Whether tidy tables are of one run: the same cells in all of them, and each cell whole.

A table whose rows fit its own schema may still be another run's, or lack the rows of a cell. Here
the tables are held against ``cells``, which says what was run: no more than that is assumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import pandas as pd

from discovery.results.measurable import nonsense
from discovery.results.schema import CELL_COLUMNS, NOVA_SCHEMAS

_KEY = list(CELL_COLUMNS)
_OF_EVERY_CELL = ("phases", "system")
_OF_RALLY = ("iterations", "actions", "queries")
_OF_NOVA = ("units", "counted")
_NOVA_LOADS = ("burst", "rally")


def disagreement(tables: Mapping[str, pd.DataFrame]) -> str | None:
    """What keeps ``tables`` from being of one run, as a sentence without its point; else ``None``.

    ``tables`` follow their schemas. A cell that broke has what was measured until then.
    """
    return next(_disagreements(tables), None)


def _disagreements(tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    cells = tables["cells"]
    if cells.empty:
        yield "the table cells holds 0 cells, and a run has at least 1"
        return
    runs = cells[["experiment", "tier"]].drop_duplicates()
    if len(runs) > 1:
        yield (
            f"holds {len(runs)} runs (an experiment and a tier each): "
            f"{' and '.join(' '.join(run) for run in runs.to_numpy().tolist())}"
        )
    twice = cells.loc[cells["cell"].duplicated(), "cell"]
    if len(twice):
        yield f"the table cells holds {_count(cells, twice.iloc[0])} rows of {twice.iloc[0]}, not 1"
    nova = cells["load"].isin(_NOVA_LOADS)
    has_nova = any(name in NOVA_SCHEMAS for name in tables)
    if nova.any() != has_nova or nova.all() != has_nova:
        yield (
            f"{int(nova.sum())} of {len(cells)} cells are of Nova, and the tables are those of "
            f"{'Nova' if has_nova else 'Keystone'}"
        )
    for name, table in tables.items():
        yield from _strangers(name, table, cells)
    for name, wanted in _needed(cells, tables):
        missing = wanted[~wanted.isin(tables[name]["cell"])]
        if len(missing):
            yield (
                f"the table {name} has rows of {len(wanted) - len(missing)} of the {len(wanted)} "
                f"cells that must have some; {missing.iloc[0]} has none"
            )
    yield from _iterations(cells, tables["iterations"])
    if has_nova:
        yield from _servers(cells, tables["servers"])
    yield from nonsense(tables)
    for name, table in tables.items():
        yield from _doubles(name, table)


def _count(table: pd.DataFrame, cell: str) -> int:
    return int((table["cell"] == cell).sum())


def _strangers(name: str, table: pd.DataFrame, cells: pd.DataFrame) -> Iterator[str]:
    """Rows of ``table`` whose cell, or a factor of it, is none of ``cells``."""
    known = {row["cell"]: row for row in cells[_KEY].to_dict("records")}
    for row in table[_KEY].drop_duplicates().to_dict("records"):
        cell = row["cell"]
        if cell not in known:
            yield f"the table {name} has rows of {cell}, which the table cells has not"
            continue
        for column in _KEY:
            if row[column] != known[cell][column]:
                yield (
                    f"{column} of {cell} is {row[column]!r} in the table {name}, and "
                    f"{known[cell][column]!r} in the table cells"
                )


def _doubles(name: str, table: pd.DataFrame) -> Iterator[str]:
    """Rows that are there again: each has a moment or a name of its own."""
    twice = table.loc[table.duplicated(), "cell"]
    if len(twice):
        cell = twice.iloc[0]
        yield (
            f"the table {name} has {_count(table, cell)} rows of {cell}, and "
            f"{_count(twice.to_frame(), cell)} of them are others again"
        )


def _needed(
    cells: pd.DataFrame, tables: Mapping[str, pd.DataFrame]
) -> Iterator[tuple[str, pd.Series[str]]]:
    """The tables with the cells that must have rows in each."""
    well = cells[cells["status"] == "ok"]
    for name in _OF_EVERY_CELL:
        yield name, well["cell"]
    yield "wan", well.loc[well["sites"] > 1, "cell"]
    for name in _OF_RALLY:
        yield name, well.loc[well["load"] != "burst", "cell"]
    if "control_planes" in tables:
        yield "control_planes", cells["cell"]
        for name in _OF_NOVA:
            yield name, well["cell"]


@dataclass(frozen=True)
class _Ran:
    """What the table of cells says that one cell ran."""

    cell: str
    sites: int
    load: str
    status: str
    scenarios: str
    times: int

    def misses(self, found: int) -> bool:
        """Whether ``found`` are not the ``times`` of something; a cell that broke may lack some."""
        return found != self.times if self.status == "ok" else found > self.times


def _ran(cells: pd.DataFrame) -> list[_Ran]:
    names = [field.name for field in fields(_Ran)]
    return [_Ran(*row) for row in cells[names].itertuples(index=False, name=None)]


def _iterations(cells: pd.DataFrame, iterations: pd.DataFrame) -> Iterator[str]:
    """Scenarios of which not ``times`` iterations, numbered from 1, were run by each client."""
    counted = iterations.groupby(["cell", "client_site", "scenario"])["iteration"]
    found: dict[str, list[tuple[str, str, int, int, int]]] = {}
    table = counted.agg(["size", "nunique", "max"])
    for (cell, site, scenario), size, distinct, most in table.itertuples(name=None):
        found.setdefault(cell, []).append((site, scenario, size, distinct, most))
    for ran in _ran(cells):
        if ran.load == "burst":
            continue
        ours, asked = found.get(ran.cell, []), ran.scenarios.split(",")
        for site, scenario, size, distinct, most in ours:
            if scenario not in asked:
                yield f"{ran.cell} has iterations of {scenario}, and was to run {ran.scenarios}"
            if ran.misses(size) or distinct != size or most > ran.times:
                yield (
                    f"{ran.cell} has {size} iterations of {scenario} from {site} (of {distinct} "
                    f"numbers up to {most}), and was to run {ran.times}"
                )
        clients = ran.sites if ran.load == "high" else 1
        if ran.status == "ok" and len(ours) != len(asked) * clients:
            yield (
                f"{ran.cell} has iterations of {len(ours)} pairs of a client's site and a scenario,"
                f" and was to have {len(asked) * clients}"
            )


def _servers(cells: pd.DataFrame, servers: pd.DataFrame) -> Iterator[str]:
    """Bursts that have not as many servers as were asked for."""
    for ran in _ran(cells[cells["load"] == "burst"]):
        found = _count(servers, ran.cell)
        if ran.misses(found):
            yield f"{ran.cell} has {found} servers, and was to boot {ran.times}"
