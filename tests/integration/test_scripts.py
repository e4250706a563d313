"""The scripts' own sentences: what they say before they do anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(*command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--teir", "smoke"], "does not know --teir; allowed: --tier smoke|laptop|full|scale"),
        (["--tier"], "--tier needs a value; allowed: smoke, laptop, full, scale"),
    ],
)
def test_an_unknown_option_is_one_sentence(arguments, said):
    done = run(str(SCRIPTS / "reproduce"), *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_tier_that_does_not_exist_is_refused_before_anything_is_leased():
    if os.geteuid() != 0:
        pytest.skip("without root, root is what is asked for first")
    done = run(str(SCRIPTS / "reproduce"), "--tier", "tiny")
    assert done.returncode == 2
    assert "tiny" in done.stderr
    assert "laptop" in done.stderr
    assert "lease" not in done.stdout


def test_without_root_it_says_what_can_be_done():
    # A checkout may be where only root can read, so it is `id` that says who somebody is here.
    somebody = {**os.environ, "BASH_FUNC_id%%": "() { echo 65534; }"}
    done = run(str(SCRIPTS / "reproduce"), "--tier", "smoke", env=somebody)
    assert done.returncode == 3
    assert "needs root" in done.stderr
    assert "--from-archive" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_is_the_usage():
    done = run(str(SCRIPTS / "reproduce"), "--help")
    assert done.returncode == 0
    assert "--from-archive" in done.stdout
