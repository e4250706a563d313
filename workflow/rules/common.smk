# Reads and checks everything the user wrote, before any rule; and holds every input function.
import sys
from pathlib import Path

from discovery.errors import DiscoveryError
from discovery.experiment.load import load_cells
from discovery.experiment.run import read_run

try:
    RUN = read_run(config, Path("workflow/config/config.yaml"))
    CELLS = {}
    if RUN.source == "measure":
        CELLS = {cell.id: cell for cell in load_cells(RUN.folder, RUN.tier)}
except DiscoveryError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)

# A tier has a results folder of its own, and so has the archive.
RESULTS = f"results/{RUN.name}"
RAW = f"{RESULTS}/raw/{RUN.experiment}"
TIDY = f"{RESULTS}/tidy/{RUN.experiment}"
LOGS = f"{RESULTS}/logs"

TABLES = ["cells", "iterations", "actions", "wan", "system", "phases", "queries"]
NOTEBOOKS = sorted(path.stem for path in Path("notebooks").glob("*.ipynb"))
CLAIMS = f"{RESULTS}/claims.json"
PAPER = f"{RESULTS}/paper.pdf"
REPORT = f"{RESULTS}/report/index.html"


wildcard_constraints:
    cell="|".join(CELLS),
    notebook="|".join(NOTEBOOKS),


def sources(*rooms):
    """The workbench's own code that a job's output depends on.

    Named as inputs because a changed line of code there must redo figures and verdicts, which take
    seconds, while it must not redo cells, which take hours (see profiles/default).
    """
    return sorted(
        str(path) for room in rooms for path in Path("discovery", room).glob("*.py")
    )


def cell_manifests(wildcards):
    """The manifests of all cells of the tier; each is written last, when its cell is whole."""
    return expand(f"{RAW}/{{cell}}/cell.json", cell=CELLS)


def parameters(wildcards):
    """Everything that decides how a cell is run, so that an edit of it measures the cell again."""
    return CELLS[wildcards.cell].model_dump_json()


def tidy_tables(wildcards):
    """The experiment's tables, measured or archived."""
    return expand(f"{TIDY}/{{table}}.parquet", table=TABLES)


def executed_notebooks(wildcards):
    """One executed notebook per figure group; it stands for the figures and tables it wrote."""
    return expand(f"{RESULTS}/notebooks/{{notebook}}.ipynb", notebook=NOTEBOOKS)
