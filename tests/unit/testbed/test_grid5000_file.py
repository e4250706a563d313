"""What a testbed file of provider ``grid5000`` may say, and how its mistakes are told."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

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
        ('"01:00:00"', "2:00", "walltime: 2:00 at line 3 is a number in base 60 to YAML; write it"),
        ('"01:00:00"', "2:00", 'write it in quotes: "2:00"'),
        ('"01:00:00"', "10:30", 'write it in quotes: "10:30"'),
        ('"01:00:00"', "36:00", 'write it in quotes: "36:00"'),
        ('"01:00:00"', '"36:00"', "walltime = '36:00': is no duration"),
        ('"01:00:00"', "4", "walltime = 4: is no duration; allowed: HH:MM:SS"),
        ('"01:00:00"', '"00:00"', "walltime = '00:00': is no time at all"),
        ('"01:00:00"', "yes", "walltime"),
        ("walltime", "reservation: 1926-12-01 19:00:00\nwalltime", "in the year 1926; allowed: a"),
        ("walltime", "reservation: 2126-12-01 19:00:00\nwalltime", "in the year 2126; allowed: a"),
        ("walltime", 'env_name: "x; id"\nwalltime', "env_name = 'x; id'"),
        ("walltime", "project: -x\nwalltime", "project = '-x'"),
        ("walltime", 'public_key: ""\nwalltime', "public_key"),
        ("walltime", "reservation: 2026-12-01\nwalltime", 'in quotes: "2026-12-01"'),
        ("walltime", 'reservation: "2026-12-01"\nwalltime', "is no date with a time"),
        ("walltime", "reservation: 1764616800\nwalltime", "is no date with a time"),
        ("walltime", "reservation: 2026-13-41 19:00:00\nwalltime", "reservation"),
        ("walltime", "wait_hours: yes\nwalltime", "wait_hours"),
        ("walltime", "jump: 1\nwalltime", "jump = 1; allowed: true or false"),
        ("cluster: paravance", "{cluster: paravance, count: yes}", "sites[0].count"),
        ("cluster: paravance", "cluster: a'b", "sites[0].cluster"),
        ("cluster: paravance", "{cluster: paravance, count: 0}", "sites[0].count"),
        ("cluster: paravance", "clutser: paravance", "did you mean cluster?"),
        ("walltime", "reservation: 2026-12-01T19:00:00+01:00\nwalltime", "Paris time"),
        (
            "walltime",
            'reservation: "2027-03-28 02:30"\nwalltime',
            "02:30:00, which Paris has not, as",
        ),
        (
            "walltime",
            'reservation: "2027-03-28 02:00"\nwalltime',
            "02:00:00, which Paris has not, as",
        ),
        (
            "walltime",
            'reservation: "2027-10-31 02:30"\nwalltime',
            "which Paris has twice, as its cl",
        ),
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


# As somebody gets it who reads the file with PyYAML, which makes numbers of them.
@pytest.mark.parametrize(
    ("number", "meant"), [(36_000, "10:00:00"), (120, None), (630, None), (2160, None), (4, None)]
)
def test_a_number_that_may_be_hours_and_minutes_is_no_walltime(
    number: int, meant: str | None
) -> None:
    sites = [{"cluster": "ecotype"}]
    document = {"provider": "grid5000", "sites": sites, "walltime": number}
    if meant is None:
        with pytest.raises(ValidationError, match="is no duration"):
            Grid5000Testbed.model_validate(document)
    else:
        assert Grid5000Testbed.model_validate(document).walltime == meant


def test_a_start_is_a_date_and_a_time(tmp_path: Path) -> None:
    for written in ("2026-12-01 19:00:00", "'2026-12-01T19:00'"):
        text = MINIMAL.replace("walltime", f"reservation: {written}\nwalltime")
        assert load(tmp_path, text).reservation == datetime(2026, 12, 1, 19)


@pytest.mark.parametrize(
    "written", ["2027-03-28 01:59", "2027-03-28 03:00", "2027-10-31 01:59", "2027-10-31 03:00"]
)
def test_the_times_beside_a_change_of_the_clocks_are_taken(tmp_path: Path, written: str) -> None:
    text = MINIMAL.replace("walltime", f'reservation: "{written}"\nwalltime')
    assert load(tmp_path, text).reservation == datetime.fromisoformat(written)
