"""The matrix of services: its page says what is kept, and its tool leaves nothing behind.

The measurement takes hours: ``python -m tests.upstream.services``, weekly by ``.ci/services``.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from discovery.errors import UsageError
from discovery.testbed.processes import start_time, wait_until
from tests.upstream.services import matrix
from tests.upstream.services.command import main
from tests.upstream.services.declarations import services
from tests.upstream.services.environments import REPOSITORY
from tests.upstream.services.kept import keep, missing, read_kept
from tests.upstream.services.started import Started, ended, run_in

STARTS = """
import sys, pathlib
from tests.upstream.services.started import ended, run_in
with run_in(pathlib.Path(sys.argv[1])) as started:
    ended(started, ["sh", "-c", "sleep 300 & echo $! > pid; wait"], sys.argv[2], 300)
"""


def outcomes(**failed):
    """What is kept of three tests, of which each engine fails those that are named."""
    return {
        engine: {
            "run": 3,
            "skipped": 0,
            "ended": True,
            "every": 4,
            "failed": failed.get(engine, []),
        }
        for engine in ("sqlite", "mariadb", "rome")
    }


def test_the_page_says_what_is_kept(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(matrix.PAGE.read_text())
    matrix.write_matrix(read_kept(), page)
    assert page.read_text() == matrix.PAGE.read_text(), (
        "python -m tests.upstream.services --write makes the page anew"
    )


def test_what_is_kept_is_expected():
    assert list(matrix.unexpected(read_kept(), services())) == []


def test_every_expected_failure_has_a_reason_and_was_measured():
    known, kept = matrix.expected(), read_kept()
    for name, tests in known.tests.items():
        assert "tests" in kept[name]
        assert all(reason.strip() for reason in tests.values())
    for name, reason in known.migrations.items():
        assert "migrates" in kept[name]
        assert reason.strip()


def test_what_is_kept_is_of_declared_services():
    assert read_kept().keys() <= services().keys()


def test_worse_is_what_passes_elsewhere():
    tests = outcomes(sqlite=["a"], mariadb=["a", "b"], rome=["a", "b", "c"])
    assert matrix.worse(tests) == {"b", "c"}
    assert matrix.alone(tests) == {"c"}


def test_a_row_tells_of_tests_that_did_not_run():
    tests = outcomes(rome=["c"]) | {"mariadb": {"run": 2, "failed": []}}
    ok, no = {"ok": True, "tables": 7}, {"ok": False, "said": "…"}
    found = {"version": "1", "migrates": {"sqlite": no, "mariadb": ok, "rome": ok}, "tests": tests}
    assert (
        "| a | 1 | no | 7 tables | 7 tables | 3, one in 4 | 0 | 0 of 2 | 1 | 1 |"
        in matrix.matrix({"a": found})
    )


def test_an_unexpected_failure_is_told():
    found = {"version": "1", "tests": outcomes(rome=["x.y"])}
    assert list(matrix.unexpected({"a": found}, ["a"])) == ["a: x.y fails on ROME"]


def test_a_pattern_stands_for_several_tests():
    known = matrix.Expected({}, {"a": {"x.*": "why"}})
    assert known.reason("a", "x.y") == "why"
    assert known.reason("a", "z.y") is None
    assert known.reason("b", "x.y") is None


@pytest.mark.parametrize(
    ("name", "rome", "told"),
    [
        ("a", {"ok": False, "said": "no"}, ["a does not migrate on ROME: no"]),
        ("blazar", {"ok": False, "said": "no"}, []),
        (
            "blazar",
            {"ok": True, "tables": 1},
            ["blazar is expected not to migrate on ROME, and does"],
        ),
    ],
)
def test_a_migration_that_is_not_as_expected_is_told(name, rome, told):
    found = {"version": "1", "migrates": {"rome": rome}}
    assert list(matrix.unexpected({name: found}, [name])) == told


def test_a_service_is_kept_once_and_of_one_version(tmp_path):
    file = tmp_path / "services.json"
    service = services()["placement"]
    keep("placement", {"version": "1", "migrates": {}}, file)
    assert missing(service, read_kept(file)) == ["tests"]
    keep("placement", {"version": "1", "tests": {}}, file)
    assert missing(service, read_kept(file)) == []
    keep("placement", {"version": "2", "migrates": {}}, file)
    assert missing(service, read_kept(file)) == ["tests"]
    assert json.loads(file.read_text()) == {"placement": {"version": "2", "migrates": {}}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[a]\nmigrate = []\ntests = []\nengin = "each"', "a.engin is no key of a service"),
        ('[a]\nmigrate = []\ntests = []\nengine = "all"', "a.engine is 'all'; allowed: each, kept"),
        ("[a]\ntests = []", "a.migrate is missing"),
        ("[a", "services.toml: "),
    ],
)
def test_a_wrong_declaration_is_one_sentence(text, told, tmp_path):
    file = tmp_path / "services.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        services(file)
    assert told in str(error.value)


def test_an_unknown_service_is_one_sentence(capsys):
    assert main(["--only", "keyston"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("--only keyston: no such service; allowed: keystone, nova, ")
    assert said.count("\n") == 1


def test_every_nothing_is_refused(capsys):
    with pytest.raises(SystemExit) as ended_with:
        main(["--every", "0"])
    assert ended_with.value.code == 2
    assert "'0' is no whole number; allowed: 1 and more" in capsys.readouterr().err


def test_the_list_needs_no_server(capsys):
    assert main(["--list", "--only", "nova"]) == 0
    assert capsys.readouterr().out.startswith("nova ")


def test_a_killed_run_is_swept_by_the_next(tmp_path):
    runs, place = tmp_path / "runs", tmp_path / "place"
    place.mkdir()
    run = subprocess.Popen([sys.executable, "-c", STARTS, runs, place], cwd=REPOSITORY)
    deadline = time.monotonic() + 60
    while not (place / "pid").exists() or not (place / "pid").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    sleeper = int((place / "pid").read_text())
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert start_time(sleeper) is not None, "it outlives its run until somebody looks"
    with run_in(runs) as started:
        assert start_time(sleeper) is None
        assert [folder.name for folder in runs.iterdir()] == [started.folder.name]
    assert list(runs.iterdir()) == []
    assert "DISCOVERY_SERVICES_RUN" not in os.environ


def test_a_program_that_takes_too_long_is_ended_with_its_own(tmp_path):
    command = ["sh", "-c", "sleep 300 & echo $!; wait"]
    done = ended(Started(tmp_path), command, tmp_path, 0.5)
    assert done.status is None
    assert wait_until(lambda: start_time(int(done.said)) is None, timeout=10)
