"""A cell on Nova, from lease to release: what was measured is whole, and all agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from discovery.analysis.nova_agreement import agreement
from discovery.analysis.nova_rest import rest_times
from discovery.deploy.credentials import Secrets
from discovery.experiment.load import load_cells
from discovery.experiment.nova_cells import NovaCell
from discovery.results.tables import read_tables
from discovery.results.tidy import tidy
from discovery.testbed import load_testbed
from discovery.workload.cell import run_cell
from discovery.workload.nova_scenarios import NOVA_SCENARIOS
from tests import exposure

pytestmark = [pytest.mark.root, pytest.mark.timeout(900)]

STUDY = Path(__file__).parents[2] / "experiments" / "nova-2017"
BURST, RALLY = 5, 1


@pytest.fixture
def testbed(local_file: Path, own_home: Path, node_image: Path):
    """Local nodes, in a state folder that shares image and dumps."""
    (own_home / "images").symlink_to(node_image.parents[1])
    return load_testbed(local_file)


def cell_of(variant: str, **changes: object) -> NovaCell:
    """A cell of the smoke tier on ``variant``, with fewer servers."""
    cells = [cell for cell in load_cells(STUDY, "smoke") if isinstance(cell, NovaCell)]
    (found,) = [cell for cell in cells if cell.variant == variant]
    return found.model_copy(update=changes)


def test_a_burst_and_what_is_made_of_it(testbed, tmp_path):
    cell = cell_of("redis-nova-one", servers=BURST)
    said: list[str] = []
    run_cell(cell, testbed, tmp_path / "raw" / cell.id, said.append)
    assert any(line.startswith("  consistency: 0 findings") for line in said), said
    tidy([tmp_path / "raw" / cell.id], tmp_path / "tidy")
    tables = read_tables(tmp_path / "tidy")
    assert tables["cells"]["status"].tolist() == ["ok"]
    known, findings = agreement(tables)
    assert findings.empty
    (row,) = known.to_dict("records")
    everywhere = ("asked", "active", "gone", "API", "nova_cell1", "mappings", "consumers")
    assert {row[name] for name in everywhere} == {BURST}
    assert row["failed"] == 0
    # Servers in BUILD are listed on this back end, too; else every poll looks at all of them.
    polls = [
        poll
        for client in (tmp_path / "raw" / cell.id / "burst").glob("*.json")
        for poll in json.loads(client.read_text())["polls"]["boot"]
    ]
    assert any(poll["listed"] for poll in polls), polls
    # Every kind of database was asked, and the one of the cell most of all; nothing was lost.
    calls = tables["calls"]
    assert {"nova_api", "nova_cell1"} <= set(calls["database"].dropna())
    assert (calls["duration_s"] > 0).all()
    assert calls["round_trips"].sum() > 10 * BURST
    assert tables["traffic"]["mb"].sum() > 0.1
    assert {"discovery-nova-api", "discovery-redis"} <= set(tables["units"]["unit"])
    counted = tables["counted"].set_index("counter")["value"]
    assert counted["queries"] > BURST


def test_rally_far_from_the_database(testbed, tmp_path, monkeypatch):
    cell = cell_of("vanilla", workload="rally", servers=RALLY)
    made: list[Secrets] = []
    monkeypatch.setattr(Secrets, "fresh", exposure.recorded(made))
    with exposure.watched() as arguments:
        run_cell(cell, testbed, tmp_path / "raw" / cell.id, print)
    assert arguments.with_one_of(made[0]) == []
    tidy([tmp_path / "raw" / cell.id], tmp_path / "tidy")
    tables = read_tables(tmp_path / "tidy")
    assert exposure.files_with_one_of(made[0], tmp_path) == []
    times = rest_times(tables)
    assert set(times["scenario"]) == set(NOVA_SCENARIOS)
    assert (times["failures"] == 0).all()
    # Nothing of it is faster than one round trip with the database's site.
    assert times["value"].min() > 2 * cell.one_way_delay_ms / 1e3
    assert len(tables["calls"]) > 0
    assert tables["servers"].empty
