"""What a testbed file of provider ``grid5000`` may say, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from discovery.errors import ConfigError
from discovery.testbed.grid5000.config import Grid5000Testbed
from discovery.testbed.load import load_testbed

EXAMPLE = Path(__file__).parents[3] / "experiments" / "testbeds" / "grid5000.yaml"

MINIMAL = """
provider: grid5000
walltime: "01:00:00"
sites:
  - cluster: paravance
"""


def load(tmp_path: Path, text: str) -> Grid5000Testbed:
    path = tmp_path / "grid5000.yaml"
    path.write_text(text)
    testbed = load_testbed(path)
    assert isinstance(testbed, Grid5000Testbed)
    return testbed


def test_the_example_is_valid() -> None:
    testbed = load_testbed(EXAMPLE)
    assert isinstance(testbed, Grid5000Testbed)
    assert testbed.clusters == ["ecotype"] * 9


def test_sites_are_placed_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = MINIMAL + "  - {cluster: econome, count: 2}\n  - cluster: paravance\n"
    assert load(tmp_path, text).clusters == ["paravance", "econome", "econome", "paravance"]


@pytest.mark.parametrize(
    ("written", "meant"), [('"02:30:00"', "02:30:00"), ("12:30:00", "12:30:00")]
)
def test_a_walltime_is_hours_with_or_without_quotes(
    tmp_path: Path, written: str, meant: str
) -> None:
    assert load(tmp_path, MINIMAL.replace('"01:00:00"', written)).walltime == meant


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('"01:00:00"', '"24:00:00"', "allowed: HH:MM:SS below 24:00:00"),
        ('"01:00:00"', "soon", "walltime = 'soon'"),
        ('"01:00:00"', "0", "walltime"),
        ("cluster: paravance", "cluster: a'b", "sites[0].cluster"),
        ("cluster: paravance", "{cluster: paravance, count: 0}", "sites[0].count"),
        ("cluster: paravance", "clutser: paravance", "did you mean cluster?"),
        ("walltime", "reservation: 2026-12-01T19:00:00+01:00\nwalltime", "Paris time"),
        ("walltime", "reservation: tomorrow\nwalltime", "reservation"),
        ("walltime", "queue: fast\nwalltime", "besteffort"),
        ("walltime", "job_name: 'a b'\nwalltime", "job_name"),
        ("walltime", "wait_hours: -1\nwalltime", "wait_hours"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, before: str, after: str, told: str) -> None:
    assert before in MINIMAL
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, MINIMAL.replace(before, after))
    assert told in str(caught.value)
    assert "grid5000.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)
