"""What a reviewer without root does: figures, verdicts, paper and page from an archived run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
MANIFESTS = REPOSITORY.glob("experiments/*/archive/*/manifest.json")
ARCHIVES = sorted(manifest.parent for manifest in MANIFESTS)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def names(archive: Path) -> tuple[str, str]:
    """Its experiment and its tier."""
    return archive.parents[1].name, archive.name


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda found: "-".join(names(found)))
def archive(request) -> Path:
    return request.param


@pytest.fixture(scope="module")
def results(archive: Path, checkout: Path) -> Path:
    """The results of `scripts/reproduce --from-archive` in a copy of what git knows."""
    experiment, tier = names(archive)
    done = subprocess.run(
        ["scripts/reproduce", "--experiment", experiment, "--tier", tier, "--from-archive"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return checkout / "results" / experiment / "archive" / tier


def test_what_the_readme_begins_with_is_archived():
    assert ("keystone-2018", "laptop") in map(names, ARCHIVES)


def test_an_archive_is_where_its_run_belongs_and_small(archive):
    manifest = json.loads((archive / "manifest.json").read_text())
    assert (manifest["experiment"], manifest["tier"]) == names(archive)
    assert sum(path.stat().st_size for path in archive.iterdir()) < 8e6


def test_verdicts_figures_paper_and_page_are_made(results):
    verdicts = {
        claim["verdict"] for claim in json.loads((results / "claims.json").read_text())["claims"]
    }
    assert verdicts - {"not run"}
    assert (results / "paper.pdf").read_bytes().startswith(b"%PDF-")
    assert len(list((results / "figures").glob("*.pdf"))) >= 8
    page = (results / "report" / "index.html").read_text()
    assert re.search(r"data:image/(png|svg)", page)
    assert not re.search(r"(src|href)=[\"']https?://[^\"']+\.(js|css|png|svg)", page)
    assert not (results / "raw").exists()  # nothing was measured
