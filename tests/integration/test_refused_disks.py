"""Every verb that writes, on a disk that is full or read-only, and below what is no folder.

All run in one process in a mount namespace of its own, where a disk is a small tmpfs: nothing stays
mounted however the test ends.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from discovery.cli import main
from discovery.experiment.load import load_cell

REPOSITORY = Path(__file__).parents[2]
EXPERIMENT = REPOSITORY / "experiments" / "keystone-2018"
CELL = "mariadb-s3-d0-light-r1"
OTHER = "mariadb-s3-d25-light-r1"

# Free bytes on the disk: none, and room for some of what is written.
KINDS = {"full": 0, "half": 20_000, "read-only": None, "a file": None}

# What each verb is given to write: `{}` is the disk. `tests/integration/rome` has `rome dump`.
VERBS = {
    "tidy": "tidy --tier smoke --partial --raw ../raw --out {}/tidy",
    "claims": "claims --tidy ../run/tidy --out {}/claims.json",
    "report": "report --results ../run --out {}/report/index.html",
    "paper": "paper --results ../run --out {}/paper.pdf",
    "pack": "archive pack ../run/tidy {}/archive",
    "add": "archive add ../run/tidy {}/archive",
    "unpack": "archive unpack ../archive {}/tidy",
    "cell": f"cell run --tier smoke --cell {CELL} --out {{}}/raw/{CELL}",
    "up": "testbed up --sites 2",
    "bake": "image bake",
}
STATE = ("up", "bake")  # write into DISCOVERY_HOME alone
SKIPPED = {
    # These write little, before they need more than a disk: nodes, an image, LaTeX.
    "half": (*STATE, "cell", "claims", "paper"),
    # They write as those do that are left, and take longer.
    "read-only": ("paper", "report"),
    "a file": ("paper", "report", "add"),
}


def prepare(here: Path) -> None:
    """Raw results, tidy tables and verdicts, made where there is room."""
    from raw.cells import write_cell  # noqa: PLC0415 (found once this runs by itself)

    for raw, name in (("raw", CELL), ("others", OTHER)):
        write_cell(here / raw, load_cell(EXPERIMENT, "smoke", name))
    for line in (
        "tidy --tier smoke --partial --raw ../others --out ../others",
        "archive pack ../others ../other",
        "tidy --tier smoke --partial --raw ../raw --out ../run/tidy",
        "archive pack ../run/tidy ../archive",
        "claims --tidy ../run/tidy --out ../run/claims.json",
    ):
        assert discovery(line) == (0, ""), line


def discovery(line: str) -> tuple[int, str]:
    """Run a command in this process; its exit code, and what it says on standard error."""
    said = io.StringIO()
    sys.argv = ["discovery", *line.split()]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0), said.getvalue()
    return 0, said.getvalue()


def content(disk: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(disk)): path.read_bytes() if path.is_file() else b""
        for path in disk.rglob("*")
        if path.name not in ("filling", "lock")  # the testbed's lock is no result
    }


@contextlib.contextmanager
def mounted(disk: Path, verb: str, kind: str):
    """A disk of ``kind`` that holds an earlier result of ``verb``."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=True)
    try:
        for name, text in {"claims.json": "old", "report/index.html": "old", "paper.pdf": "old",
                           "home/leases/.keep": ""}.items():  # fmt: skip
            (disk / name).parent.mkdir(parents=True, exist_ok=True)
            (disk / name).write_text(text)
        if verb in ("pack", "add"):  # `pack` replaces an archive, and no other folder
            shutil.copytree(disk.parent / "other", disk / "archive")
        if KINDS[kind] is not None:
            status = os.statvfs(disk)
            filling = status.f_bavail * status.f_bsize - KINDS[kind]
            (disk / "filling").write_bytes(b"x" * filling)
        if kind == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        yield
    finally:
        subprocess.run(["umount", disk], check=True)


def drive(here: Path) -> None:
    """Run every verb on every kind of disk, and print what came of it."""
    checkout = here / "checkout"
    disk, file = here / "disk", here / "file"
    disk.mkdir()
    file.touch()
    checkout.mkdir()
    for name in ("experiments", "paper", "variants"):
        if (REPOSITORY / name).exists():
            (checkout / name).symlink_to(REPOSITORY / name)
    os.chdir(checkout)
    os.environ["DISCOVERY_HOME"] = str(here / "home")
    prepare(here)
    for kind in KINDS:
        for verb, line in VERBS.items():
            if verb in SKIPPED.get(kind, ()):
                continue
            place = file / "x" if kind == "a file" else disk
            os.environ["DISCOVERY_HOME"] = str(place / "home" if verb in STATE else here / "home")
            with mounted(disk, verb, kind):
                before = content(disk)
                code, said = discovery(line.format(place))
                after = content(disk)
            changed = sorted(name for name in before | after if before.get(name) != after.get(name))
            print(json.dumps([kind, verb, code, said, changed]), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    drive(Path(sys.argv[1]))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> list[tuple[str, str, int, str, list[str]]]:
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts")
    here = tmp_path_factory.mktemp("disks")
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, __file__, here],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_verb_says_in_one_sentence_which_place_is_refused(outcomes):
    assert len(outcomes) == len(KINDS) * len(VERBS) - sum(map(len, SKIPPED.values()))
    wrong = []
    for kind, verb, code, said, _ in outcomes:
        (*_, sentence) = said.splitlines() or [""]
        named = "/file" if kind == "a file" else "/disk/"
        good = code == 3 and "Traceback" not in said and named in sentence
        good &= sentence.startswith("discovery: ")
        if not good:
            wrong.append((kind, verb, code, said[-400:]))
    assert wrong == []


def test_what_was_there_is_as_it_was_and_nothing_half_made_is_left(outcomes):
    changed = {(kind, verb): names for kind, verb, _, _, names in outcomes if names}
    # A ledger's line is what a lease is released by, and the images' folder has only a lock.
    allowed = {"home/ledger.jsonl", "home/images", "home/images/.lock"}
    assert {key: names for key, names in changed.items() if not allowed.issuperset(names)} == {}
