"""ROME keeps its promises while clients, connections and servers fail; a broken ROME is found out.

The long trials are ``python -m tests.histories``; these are the same, short.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.histories import mariadb
from tests.histories.faults import FAULTS
from tests.histories.profile import Profile, profiles
from tests.histories.run import Trial, run, witnesses

WHATEVER = Profile(seed=2024)
DAMAGED = "rows that lack what was committed"
LOST = {"lost update (G-single)", "reads no state (G1 or G-single)", "rows that violate a key"}


def verify(trial: Trial, folder: Path) -> None:
    report = run(trial, folder)
    print(report.line())
    assert not report.violations, "\n".join([str(report.line()), *witnesses(report.violations)])
    assert report.outcomes()["ok"] > trial.transactions / 4
    for workload in trial.profile.workloads:
        assert any(op.survived for op in report.history.of(workload)), f"{workload} did nothing"


TRIALS = [(fault, "sync") for fault in FAULTS if fault != "none"] + [
    ("clients-killed", "push"),
    ("connections-dropped", "push"),
    ("replies-lost", "push"),
    ("partition", "push"),
    ("replica-promoted", "push"),
    ("replica-promoted-wait", "push"),
    ("cluster-failover", "push"),
]


@pytest.mark.parametrize(("fault", "fresh"), TRIALS)
def test_promises_are_kept_under(fault: str, fresh: str, tmp_path: Path) -> None:
    cluster = fault.startswith("cluster")
    options = {"fresh": fresh}
    verify(Trial(fault, 400, 1 if cluster else 2, options, profile=WHATEVER), tmp_path)


def test_promises_are_kept_by_clients_of_all_kinds(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    @settings(
        max_examples=4,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # no shrinking: two runs of one profile differ
        suppress_health_check=list(HealthCheck),
    )
    @given(profiles())
    def try_profile(profile: Profile) -> None:
        options = {"fresh": "push" if profile.seed % 2 else "sync", "keep": 50}
        verify(Trial("none", 200, 1, options, profile=profile), tmp_path_factory.mktemp("trial"))

    try_profile()


@pytest.mark.parametrize("fault", ["none", "connections-dropped"])
def test_serializable_has_no_cycles(fault: str, tmp_path: Path) -> None:
    profile = Profile(seed=3, workloads=("appends", "bank", "programs"), keys=6)
    trial = Trial(fault, 300, 2, {"fresh": "sync"}, isolation="SERIALIZABLE", profile=profile)
    verify(trial, tmp_path)


@pytest.mark.parametrize(
    ("sabotage", "fault", "workloads", "anomalies"),
    [
        ("no certification", "none", ("appends",), {"lost update (G-single)", "lost append"}),
        ("no certification", "none", ("bank",), {"lost update"}),
        ("no certification", "none", ("programs",), LOST),
        ("no memory of commits", "replies-lost", ("sets",), {"refused commit is there"}),
        ("no hashes", "replica-promoted", ("sets",), {"silent loss", "diverged replicas"}),
        ("no unique keys", "none", ("uniques",), {"duplicate", DAMAGED}),
        ("no foreign keys", "none", ("references",), {"orphan"}),
        ("no waiting", "replica-promoted-wait", ("sets",), {"lost commit"}),
        ("no locks", "none", ("tickets",), {"numbers"}),
    ],
)
def test_a_missing_safeguard_is_found(
    sabotage: str, fault: str, workloads: tuple[str, ...], anomalies: set[str], tmp_path: Path
) -> None:
    profile = Profile(seed=5, workloads=workloads, names=3, parents=2)
    report = run(Trial(fault, 400, 3, profile=profile, sabotage=sabotage), tmp_path)
    found = {violation.anomaly for violation in report.violations}
    assert found & anomalies, f"found {found or 'nothing'} in {report.line()}"


@pytest.mark.skipif(mariadb.missing() is not None, reason=f"{mariadb.missing()} is not installed")
def test_mariadb_loses_updates_by_default(tmp_path: Path) -> None:
    report = run(Trial("mariadb", 1000), tmp_path, kind=mariadb.MariaDB)
    found = {violation.anomaly for violation in report.violations}
    assert {"lost update", "lost append"} <= found, report.line()
    assert "client error" not in found, witnesses(report.violations)
