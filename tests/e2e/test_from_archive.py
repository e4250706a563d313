"""What a reviewer without root does: figures, verdicts, paper and page from the archived run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ARCHIVE = "experiments/keystone-2018/archive/laptop"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def results(checkout: Path) -> Path:
    """The results of `scripts/reproduce --from-archive` in a copy of what git knows."""
    done = subprocess.run(
        ["scripts/reproduce", "--from-archive"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return checkout / "results" / "keystone-2018" / "archive" / "laptop"


def test_the_archive_is_a_laptop_run_that_was_measured():
    manifest = json.loads((REPOSITORY / ARCHIVE / "manifest.json").read_text())
    assert manifest["tier"] == "laptop"
    size = sum(path.stat().st_size for path in (REPOSITORY / ARCHIVE).iterdir())
    assert size < 8e6


def test_verdicts_figures_paper_and_page_are_made(results):
    verdicts = {
        claim["verdict"] for claim in json.loads((results / "claims.json").read_text())["claims"]
    }
    assert "supported" in verdicts
    assert (results / "paper.pdf").read_bytes().startswith(b"%PDF-")
    assert len(list((results / "figures").glob("*.pdf"))) >= 8
    page = (results / "report" / "index.html").read_text()
    assert re.search(r"data:image/(png|svg)", page)
    assert not re.search(r"(src|href)=[\"']https?://[^\"']+\.(js|css|png|svg)", page)


def test_nothing_was_measured(results):
    assert not (results / "raw").exists()
