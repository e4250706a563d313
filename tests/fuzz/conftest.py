"""The fuzzer's size, and its counts at the end of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.contract import COUNTS, Runner, counts
from tests.fuzz.world import make_world

SHORT = 60


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="run every bad input, not a few")


@pytest.fixture(scope="session")
def most(request: pytest.FixtureRequest) -> int | None:
    """How many cases are run; ``None`` for all."""
    nightly = (
        request.config.getoption("--nightly", default=False)
        or os.environ.get("DISCOVERY_NIGHTLY") == "1"
    )
    return None if nightly else SHORT


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    make_world(folder)
    return folder


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    one = Runner()
    yield one
    one.close()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if COUNTS in config.stash:
        done, faults = config.stash[COUNTS]
        terminalreporter.write_line(f"fuzzer: {done} bad inputs: {counts(faults)}")
