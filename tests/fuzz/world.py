"""The files that the fuzzer damages: a small checkout with results, each made by the workbench."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

from discovery.claims.judge import judge_folder
from discovery.claims.verdicts import write_verdicts
from discovery.evaluation.archive import write_archive
from discovery.experiment.cells import Cell
from discovery.experiment.load import load_cells
from discovery.results.tidy import tidy
from tests.raw.cells import write_cell
from tests.raw.nova_cells import make_nova_cell, write_nova_cell

CHECKOUT = Path(__file__).parents[2]
KEYSTONE = "experiments/keystone-2018"
NOVA = "experiments/nova-2017"
BACKENDS = ("mariadb", "galera")
LEDGER = (
    '{"event": "held", "time": 1795369000.0, "lease": "abc123", "kind": "lease",'
    ' "name": "abc123", "details": {"provider": "local", "purpose": "fuzz", "sites": ["site-1"],'
    ' "kept": true, "pid": 1, "start": 1, "boot": "none"}}\n'
)


def make_world(folder: Path) -> None:
    """Write a small checkout with results into ``folder``: what every case begins with."""
    ignored = shutil.ignore_patterns("archive", "README.md")
    shutil.copytree(CHECKOUT / "experiments", folder / "experiments", ignore=ignored)
    shutil.copytree(CHECKOUT / "workflow" / "config", folder / "workflow" / "config")
    smoke = load_cells(folder / KEYSTONE, "smoke")
    cells = [cell for cell in smoke if isinstance(cell, Cell) and cell.backend in BACKENDS]
    for cell in cells:
        write_cell(folder / "raw", cell)
    tidy([folder / "raw" / cell.id for cell in cells], folder / "tidy")
    for number in (0, 1):
        write_nova_cell(folder / "nova-raw", make_nova_cell(number))
    (folder / "results").mkdir()
    write_verdicts(judge_folder(folder / KEYSTONE, folder / "tidy"), folder / "results/claims.json")
    shutil.copytree(folder / "tidy", folder / "results" / "tidy")
    write_archive(folder / "tidy", folder / KEYSTONE / "archive" / "smoke")
    (folder / "home" / "leases").mkdir(parents=True)
    (folder / "home" / "ledger.jsonl").write_text(LEDGER)


def copy_world(base: Path, folder: Path) -> None:
    """A world of one's own; its files are those of ``base``, so each is replaced, not written."""
    shutil.copytree(base, folder, copy_function=os.link)


def write(path: Path, content: bytes) -> None:
    """Write a file of a copied world, without changing the one that it was copied from."""
    path.unlink()
    path.write_bytes(content)


def snapshot(folder: Path) -> dict[str, str]:
    """Every path below ``folder`` with what is there, so that a change is seen."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        what = f"{stat.S_IFMT(state.st_mode):o}"
        if stat.S_ISLNK(state.st_mode):
            what += str(path.readlink())
        elif stat.S_ISREG(state.st_mode) and state.st_size < 2**26:
            what += hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = what
    return found
