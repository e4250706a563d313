"""Every notebook on Keystone runs with papermill, on a whole study and on what is left of one."""

import json
from pathlib import Path

import papermill
import pytest

from discovery.results.tables import read_table
from discovery.results.tidy import tidy
from tests.raw.cells import make_cell, write_cell, write_study

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
FILES = {
    path.stem: path
    for folder in (NOTEBOOKS, NOTEBOOKS / "keystone-2018")
    for path in folder.glob("*.ipynb")
}
NAMES = sorted(FILES)
TWO = ["authenticate-user-and-validate-token", "create-user-update-password"]

MORE = {"study-of-2018": {"experiment": str(ROOT / "experiments" / "keystone-2018")}}

STUDIES = {
    "study": lambda folder: [
        *write_study(folder, delays=[0.0, 50.0], scenarios=TWO, broken=["galera-s3-d50-high-r1"]),
        write_cell(folder, make_cell(scenarios=TWO, variation="no-cache")),
    ],
    "one-cell": lambda folder: [write_cell(folder, make_cell("postgresql", delay=0.0))],
    "failed": lambda folder: [write_cell(folder, make_cell(), fails=True)],
}


@pytest.fixture(scope="module", params=STUDIES)
def tables(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    tidy(STUDIES[request.param](folder / "raw"), folder / "tidy")
    return folder / "tidy"


# Its own file descriptors and sockets outlive the kernel's client by a moment.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_writes_what_it_shows(tables, tmp_path, name):
    (tmp_path / "notebooks").mkdir()
    papermill.execute_notebook(
        FILES[name],
        tmp_path / "notebooks" / f"{name}.ipynb",
        parameters={"tidy": str(tables), "out": str(tmp_path), **MORE.get(name, {})},
        progress_bar=False,
        kernel_name="python3",
    )
    varied = "no-cache" in set(read_table(tables, "cells")["variation"])
    figures = {path.name for path in (tmp_path / "figures").glob("*")}
    assert bool(figures) == (name != "variations" or varied)
    assert {name[:-4] for name in figures if name.endswith(".pdf")} == {
        name[:-4] for name in figures if name.endswith(".png")
    }
    written = {path.suffix for path in (tmp_path / "tables").iterdir()}
    assert written == ({".tex", ".csv", ".json"} if figures else {".json"})
    json.loads((tmp_path / "tables" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_stored_without_output(name):
    book = json.loads(FILES[name].read_text())
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert [cell["metadata"].get("tags") for cell in code].count(["parameters"]) == 1
    assert book["metadata"]["kernelspec"]["name"] == "python3"


def test_the_notebooks_are_there():
    assert NAMES == [
        "completion-time",
        "resources",
        "round-trips",
        "study-of-2018",
        "testbed",
        "variations",
    ]
