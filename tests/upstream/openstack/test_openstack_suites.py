"""The database tests of Nova, Keystone, Placement, Glance and oslo.db, from their wheels,
on ROME; and our own of what oslo.db promises about errors (`oslo_db_contract`).

Nothing may fail there that passes on SQLite. ``expected_failures.toml`` lists what fails, on which
database, and why; what passes although it is listed fails the run, too.

    pytest tests/upstream/openstack                          all on one server with fresh=sync,
                                                             every 25th test on the others
    DISCOVERY_UPSTREAM=full pytest tests/upstream/openstack  all on all, SQLite among them
"""

import json
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SUITES = {
    "nova": ["nova.tests.unit.db", "nova.tests.functional.db"],
    "keystone": [
        "keystone.tests.unit.test_backend_sql",
        "keystone.tests.unit.identity.test_backend_sql",
    ],
    "placement": ["placement.tests.functional.db"],
    "glance": ["glance.tests.functional.db.test_sqlalchemy"],
    "oslo_db": ["oslo_db.tests"],
    "contract": ["oslo_db_contract"],
}
REGEX = "nova.tests.unit.db.main.test_api.InstanceTestCase.test_instance_get_all_by_filters_regex"
DATABASES = ("sync", "push", "cluster", "cluster-push", "alias")
EVERY = 25


@dataclass(frozen=True)
class Results:
    """What `run_suite.py` said: for each database, each test's line; and its own last words."""

    lines: dict
    status: int
    said: str


@pytest.fixture(scope="module", params=SUITES)
def suite(request):
    return request.param


@pytest.fixture(scope="module")
def results(suite, openstack, full, single, cluster, tmp_path_factory):
    """One run of a suite, on all databases."""
    # SQLite enforces foreign keys where Keystone asks for it, and not for Nova; 21 of Nova's tests
    # make children without parents.
    options = {"foreign_keys": False} if suite == "nova" else {}
    jobs = {
        "sync": {"url": single.url("%s", **options)},
        "push": {"url": single.url("%s", fresh="push", **options)},
        "cluster": {"url": cluster.url("%s", **options)},
        "cluster-push": {"url": cluster.url("%s", fresh="push", **options)},
    }
    if not full and suite != "contract":
        for first, name in enumerate(["push", "cluster", "cluster-push"]):
            jobs[name] |= {"every": EVERY, "first": first}
    if suite == "nova":
        jobs["alias"] = {"url": "sqlite+" + single.url("%s", **options)}
        if not full:
            jobs["alias"]["select"] = [REGEX]
    if full and suite != "contract":
        jobs["sqlite"] = {"url": None}
    folder = tmp_path_factory.mktemp(suite)
    # Glance's tests look for their files where a source tree has them: below the current folder.
    (found,) = openstack.parent.glob("lib/python*/site-packages/glance")
    (folder / "glance").symlink_to(found)
    asked = [
        {"name": k, "select": SUITES[suite], **job, "modules": SUITES[suite]}
        for k, job in jobs.items()
    ]
    command = [openstack / "python", FOLDER / "run_suite.py", folder, *map(json.dumps, asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    lines = {name: {} for name in jobs}
    for name, found in lines.items():
        for file in sorted(folder.glob(f"{name}.*.jsonl")):
            for line in file.read_text().splitlines():
                said = json.loads(line)
                found[said["test"]] = said
    return Results(lines, done.returncode, done.stderr[-3000:])


def expected(database):
    """The tests that are listed as failing on a database, with the reason."""
    entries = tomllib.loads((FOLDER / "expected_failures.toml").read_text())["failure"]
    return {entry["test"]: entry["reason"] for entry in entries if database in entry["on"]}


def differences(database, lines, everything):
    """What is not as the list says, as sentences; of ``everything``, also what is not there."""
    known = expected(database)
    for test in known.keys() - lines.keys():
        if test.startswith(everything):
            yield f"{test} is listed, and there is no such test"
    for test, said in lines.items():
        if said["outcome"] == "failed" and test not in known:
            last = said["detail"].strip().splitlines()[-25:]
            yield f"{test} failed on {database}:\n    " + "\n    ".join(last)
        elif said["outcome"] != "failed" and test in known:
            yield f"{test} {said['outcome']} on {database}; take it off the list: {known[test]}"


@pytest.mark.slow
@pytest.mark.timeout(10_800)
@pytest.mark.parametrize("database", ["sqlite", *DATABASES])
def test_as_on_sqlite(results, suite, database, full):
    """Fails what is listed, and nothing else."""
    if database not in results.lines:
        pytest.skip("for Nova" if database == "alias" else "with DISCOVERY_UPSTREAM=full")
    assert results.status == 0, results.said
    lines = results.lines[database]
    assert any(line["outcome"] == "passed" for line in lines.values())
    everything = tuple(SUITES[suite]) if full or database == "sync" else ()
    wrong = list(differences(database, lines, everything))
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.timeout(10_800)
def test_the_same_tests_run(results):
    """What runs on SQLite runs on ROME: nothing is skipped there, or missing."""
    if "sqlite" not in results.lines:
        pytest.skip("with DISCOVERY_UPSTREAM=full")
    ran = {
        name: {test for test, said in lines.items() if said["outcome"] != "skipped"}
        for name, lines in results.lines.items()
    }
    assert all(tests == ran["sqlite"] for tests in ran.values()), {
        name: sorted(tests ^ ran["sqlite"]) for name, tests in ran.items()
    }


def test_every_expected_failure_has_a_reason():
    entries = tomllib.loads((FOLDER / "expected_failures.toml").read_text())["failure"]
    for entry in entries:
        assert entry.keys() == {"test", "on", "reason"}
        assert entry["reason"].strip()
        assert entry["on"]
        assert set(entry["on"]) <= {"sqlite", *DATABASES}
    names = [(entry["test"], database) for entry in entries for database in entry["on"]]
    assert len(names) == len(set(names))
