# Reads and checks everything the user wrote, before any rule, and names every file of the run.
import sys
from pathlib import Path

from discovery.claims.load import load_claims
from discovery.claims.published_values import check_published
from discovery.errors import DiscoveryError, MachineError, sentence
from discovery.evaluation.archive import read_manifest
from discovery.experiment.load import load_cells, load_experiment
from discovery.experiment.run import read_run
from discovery.results.schema import tables_of
from discovery.workload.workflow import mark

# A cell ends when this process does, however it does.
mark()

try:
    RUN = read_run(config, CONFIGURATION)
    load_claims(RUN.folder)
    check_published(RUN.folder)
    TABLES = tables_of(load_experiment(RUN.folder).service)
    if RUN.source == "measure":
        from discovery.evaluation.needs import lacks, missing_parts
        from discovery.evaluation.plan import check_memory, check_testbed
        from discovery.testbed.load import load_testbed

        PLANNED = load_cells(RUN.folder, RUN.tier)
        # What this machine lacks is not run, said by name, and hinders nothing else.
        MISSING = missing_parts(PLANNED)
        for part, why in MISSING.items():
            print(f"not run: {part}, {why}", file=sys.stderr)
        CELLS = {cell.id: cell for cell in PLANNED if not lacks(cell, MISSING)}
        if not CELLS:
            why = "; ".join(MISSING.values())
            raise MachineError(f"no cell of tier {RUN.tier} can run here: {why}")
        TESTBED = load_testbed(RUN.testbed)
        check_testbed(CELLS.values(), TESTBED, RUN)
        check_memory(CELLS.values(), TESTBED, RUN)
    else:
        CELLS = {}
        read_manifest(RUN.archive)
except DiscoveryError as error:
    print(sentence(error), file=sys.stderr)
    sys.exit(error.exit_code)

# A tier of an experiment has a results folder of its own, and so has its archive.
RESULTS = f"results/{RUN.name}"
RAW = f"{RESULTS}/raw"
TIDY = f"{RESULTS}/tidy"
LOGS = f"{RESULTS}/logs"

NOTEBOOKS = RUN.notebooks

MANIFESTS = expand(f"{RAW}/{{cell}}/cell.json", cell=CELLS)
TIDY_TABLES = expand(f"{TIDY}/{{table}}.parquet", table=TABLES)
# An executed notebook stands for the figures and tables that it wrote.
EXECUTED = expand(f"{RESULTS}/notebooks/{{notebook}}.ipynb", notebook=list(NOTEBOOKS))
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
        str(path)
        for room in rooms
        for path in Path("discovery", room).rglob("*.*")
        if path.suffix in (".py", ".j2")
    )


def parameters(wildcards):
    """Everything that decides how a cell is run, so that an edit of it measures the cell again."""
    return CELLS[wildcards.cell].model_dump_json()
