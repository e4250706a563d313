"""A cell on Keystone under high load: clients near the database begin with those far from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from discovery.deploy.credentials import Secrets
from discovery.experiment.cells import Cell
from discovery.experiment.load import load_cells
from discovery.results.tables import read_tables
from discovery.results.tidy import tidy
from discovery.testbed import load_testbed
from discovery.workload.cell import run_cell
from tests import exposure

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]

STUDY = Path(__file__).parents[2] / "experiments" / "keystone-2018"
ONE_WAY_MS, TIMES = 50.0, 2
LOG_INS_S = 2 * 10 * 2 * ONE_WAY_MS / 1000
"""What a far client does before its first iteration: two log-ins of ten round trips and more."""


def test_every_site_begins_at_once(local_file, own_home, node_image, tmp_path, monkeypatch):
    (own_home / "images").symlink_to(node_image.parents[1])
    cells = [cell for cell in load_cells(STUDY, "smoke") if isinstance(cell, Cell)]
    mariadb = next(cell for cell in cells if cell.backend == "mariadb")
    changes = {
        "one_way_delay_ms": ONE_WAY_MS,
        "load": "high",
        "scenarios": ("authenticate-user-and-validate-token",),
        "times": TIMES,
        "concurrency": TIMES,
    }
    cell = mariadb.model_copy(update=changes)
    said: list[str] = []
    made: list[Secrets] = []
    monkeypatch.setattr(Secrets, "fresh", exposure.recorded(made))
    with exposure.watched() as arguments:
        run_cell(cell, load_testbed(local_file), tmp_path / "raw" / cell.id, said.append)
    tidy([tmp_path / "raw" / cell.id], tmp_path / "tidy")
    # No secret is left behind: the lease's, and nobody's where a dump was made.
    for secrets in made:
        assert arguments.with_one_of(secrets) == []
        assert exposure.files_with_one_of(secrets, tmp_path, own_home) == []
        assert not any(
            secrets.store in log.read_text() for log in own_home.glob("images/*/*.jsonl")
        )
    iterations = read_tables(tmp_path / "tidy")["iterations"]
    assert len(iterations) == 3 * TIMES
    assert iterations["error"].isna().all()
    first = iterations.groupby("client_site")["start"].min()
    assert len(first) == 3
    assert first.max() - first.min() < LOG_INS_S / 2
    assert any("6 iterations, 0 failed" in line and "begun within" in line for line in said), said
