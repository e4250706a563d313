"""An outside suite of tests, run by pytest in a process of its own.

SQLAlchemy's pytest plugin changes how tests are collected and engines are made, for the whole
process; so a suite that needs it gets one, and hands its results over as JUnit XML.
"""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

REPOSITORY = Path(__file__).parents[2]
TIMEOUT_S = 600


@dataclass(frozen=True)
class Results:
    """What became of each test: ``passed``, ``failed`` (or an error), ``skipped``."""

    outcomes: dict[str, str]
    output: str

    def named(self, outcome):
        """The tests with this outcome."""
        return {name for name, found in self.outcomes.items() if found == outcome}

    @property
    def summary(self):
        """Counts, for people."""
        counts = Counter(self.outcomes.values())
        listed = ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "skipped"))
        return f"{len(self.outcomes)} tests: {listed}"


def run_suite(file, url, tmp_path):
    """The results of the suite in ``file`` on the database at ``url``.

    Beside it are pytest's configuration, ``setup.cfg``, and a ``conftest.py`` for it.
    """
    report = tmp_path / "results.xml"
    command = [sys.executable, "-m", "pytest", "-q", f"--rootdir={file.parent}", "-c", "setup.cfg"]
    command += [f"--junitxml={report}", "--dburi", url, file.name]
    finished = subprocess.run(
        command,
        cwd=file.parent,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "SQLALCHEMY_WARN_20": "true"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    output = finished.stdout + finished.stderr
    if finished.returncode not in (0, 1):
        raise AssertionError(f"the suite did not run (exit code {finished.returncode}):\n{output}")
    return Results(_outcomes(report), output)


def _outcomes(report):
    outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        _, _, kind = case.get("classname").partition(".")
        name = f"{re.sub(r'_sqlite[+][^.]*', '', kind)}::{case.get('name')}"
        found = {child.tag for child in case}
        outcome = "skipped" if "skipped" in found else "passed"
        if found & {"failure", "error"}:
            outcome = "failed"
        if outcomes.get(name) != "failed":  # an error after the test is a case of its own
            outcomes[name] = outcome
    return outcomes


def read_expected(path):
    """The tests that are known to fail: lines of names, under a ``#`` line with their reason.

    A name that has no reason above it is refused.
    """
    names, reason = {}, None
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("# "):
            reason = line.removeprefix("# ")
        elif line:
            assert reason, f"{path}: {line}: no reason above it"
            names[line] = reason
        else:
            reason = None
    return names


def compare(results, expected, least):
    """Fail where results are not as expected, in either direction, or where tests are missing."""
    failed, passed = results.named("failed"), results.named("passed")
    wrong = [f"failed: {name}" for name in sorted(failed - expected.keys())]
    wrong += [
        f"passed, and is expected to fail: {name}" for name in sorted(expected.keys() & passed)
    ]
    unknown = expected.keys() - failed - passed
    wrong += [f"expected to fail, and was not run: {name}" for name in sorted(unknown)]
    if len(passed) < least:
        wrong.append(f"{len(passed)} tests passed; at least {least} were there to pass")
    listed = "\n".join(wrong)
    assert not wrong, f"{results.summary}\n{listed}\n{results.output[-20_000:]}"
