"""Every notebook on Nova runs with papermill, on made-up tables and on what a poor run leaves."""

import json
from pathlib import Path

import numpy as np
import papermill
import pytest

from tests.unit.claims.nova_tables import cell, tables, write

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FILES = {
    path.stem: path
    for folder in (NOTEBOOKS, NOTEBOOKS / "nova-2017")
    for path in folder.glob("*.ipynb")
}
NAMES = sorted(FILES)


def measured(number):
    rng = np.random.default_rng(number)
    calls = list(rng.lognormal(-4, 1, 100))
    return {"calls": calls, "completion_s": 50.0 + number, "volume_mb": 2.0}


STUDIES = {
    "study": [
        (cell(variant, sites, delay, repetition=number), measured(number))
        for variant in ("vanilla", "vanilla-again", "redis-nova")
        for sites, delay in ((1, 0.0), (3, 10.0), (4, 50.0))
        for number in (1, 2)
    ]
    + [
        (cell(variant, 3, 10.0, servers=20), {"rest": [0.2, 0.3, 0.25]})
        for variant in ("vanilla", "redis-nova")
    ],
    "one-cell-without-a-server": [(cell("vanilla", 2), {"calls": [0.1], "failed": 10})],
}


@pytest.fixture(scope="module", params=STUDIES)
def folder(request, tmp_path_factory):
    return write(tables(STUDIES[request.param]), tmp_path_factory.mktemp(request.param))


# Its own file descriptors and sockets outlive the kernel's client by a moment.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_writes_what_it_shows(folder, tmp_path, name):
    (tmp_path / "notebooks").mkdir()
    papermill.execute_notebook(
        FILES[name],
        tmp_path / "notebooks" / f"{name}.ipynb",
        parameters={"tidy": str(folder), "out": str(tmp_path)},
        progress_bar=False,
        kernel_name="python3",
    )
    figures = {path.suffix for path in (tmp_path / "figures").glob("*")}
    assert figures == {".pdf", ".png"}
    assert {path.suffix for path in (tmp_path / "tables").iterdir()} == {".tex", ".csv", ".json"}
    json.loads((tmp_path / "tables" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_stored_without_output(name):
    book = json.loads(FILES[name].read_text())
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert [cell["metadata"].get("tags") for cell in code].count(["parameters"]) == 1


def test_the_notebooks_are_there():
    assert NAMES == ["bursts", "calls", "network", "rest", "services", "testbed"]
