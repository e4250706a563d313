"""Jobs at Grid'5000, against a fake of its REST API: planned, reserved, watched, deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from discovery.errors import ConfigError, MachineError, TestbedError
from discovery.testbed.grid5000 import oar, reservation
from discovery.testbed.grid5000.open import cancel_grid5000
from discovery.testbed.ledger import Held
from tests.e2e.grid5000_api import PARIS, Grid5000Api
from tests.e2e.grid5000_world import EMULATED, TWO_SITES, declare, world

NAME = "discovery-abcdef"


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Grid5000Api]:
    with world("10.87", tmp_path, monkeypatch) as started:
        yield started


def configured(folder: Path, text: str = TWO_SITES) -> tuple:
    declared = declare(folder, text)
    return declared, reservation.configure(declared, sites=2, job_name=NAME)


def reserved(folder: Path, text: str = TWO_SITES) -> list[reservation.Job]:
    declared, conf = configured(folder, text)
    return reservation.reserve(conf, reservation.plan(declared, conf).start)


def posts(api: Grid5000Api, what: str) -> list[tuple[str, dict]]:
    return [
        (path, data)
        for verb, path, data in api.requests
        if verb == "POST" and path.endswith(f"/{what}")
    ]


def cancel(sites: list[str]) -> None:
    details = {"provider": "grid5000", "sites": sites}
    cancel_grid5000(Held("abcdef", "reservation", NAME, time.time(), details))


def test_two_sites_are_one_job_each_with_the_same_start(api: Grid5000Api, tmp_path: Path) -> None:
    jobs = reserved(tmp_path)
    assert sorted(site for site, _ in jobs) == ["nantes", "rennes"]
    assert sorted(uid for _, uid in jobs) == sorted(api.jobs)
    sent = dict(posts(api, "jobs"))
    assert {data["name"] for data in sent.values()} == {NAME}
    assert len({data["reservation"] for data in sent.values()}) == 1
    asked = sent["/stable/sites/rennes/jobs"]["resources"]
    assert asked.count("{cluster='paravance'}/nodes=1") == 2
    assert asked.endswith(",walltime=01:00:00")


def test_sites_emulated_in_one_cluster_are_one_job_at_once(
    api: Grid5000Api, tmp_path: Path
) -> None:
    declared, conf = configured(tmp_path, EMULATED)
    planned = reservation.plan(declared, conf)
    assert planned.start is None
    assert planned.sentence() == "4 nodes of gros for 01:00:00, to start at once"
    assert [site for site, _ in reservation.reserve(conf, None)] == ["nancy"]
    ((_, data),) = posts(api, "jobs")
    assert "reservation" not in data


def test_a_plan_reserves_nothing(api: Grid5000Api, tmp_path: Path) -> None:
    declared, conf = configured(tmp_path)
    sentence = reservation.plan(declared, conf).sentence()
    assert "2 nodes of paravance and 2 nodes of econome for 01:00:00, to start at 20" in sentence
    assert api.jobs == {}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Paris"])
def test_a_reservation_is_in_paris_time_wherever_this_machine_is(
    api: Grid5000Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        tomorrow = datetime.fromtimestamp(time.time() + 86_400, PARIS)
        wanted = f"{tomorrow:%Y-%m-%d} 19:00:00"
        reserved(tmp_path, f"{TWO_SITES}reservation: {wanted}\n")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [data["reservation"] for _, data in posts(api, "jobs")] == [wanted, wanted]


def test_a_busy_cluster_moves_the_start_to_when_it_is_free(
    api: Grid5000Api, tmp_path: Path
) -> None:
    before = reservation.plan(*configured(tmp_path, EMULATED)).start
    reserved(tmp_path, EMULATED)
    after = reservation.plan(*configured(tmp_path, EMULATED)).start
    assert before is None
    assert after is not None
    assert 3600 <= after - time.time() <= 3600 + 600


def test_no_slot_within_the_window_is_one_sentence(api: Grid5000Api, tmp_path: Path) -> None:
    reserved(tmp_path, EMULATED)
    with pytest.raises(TestbedError, match=r"no 4 nodes of gros free for 01:00:00 until .*Paris"):
        reservation.plan(*configured(tmp_path, f"{EMULATED}wait_hours: 0.5\n"))


def test_more_nodes_than_the_cluster_has_is_one_sentence(api: Grid5000Api, tmp_path: Path) -> None:
    text = TWO_SITES.replace("cluster: paravance", "{cluster: paravance, count: 2}")
    with pytest.raises(TestbedError, match="paravance has 2 nodes that work and 4 are needed"):
        reservation.plan(*configured(tmp_path, text))


def test_an_unknown_cluster_names_the_key_and_those_there_are(
    api: Grid5000Api, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"sites\[1\].cluster = 'ecotype'.*paravance"):
        configured(tmp_path, TWO_SITES.replace("econome", "ecotype"))


def test_too_few_sites_are_refused_without_asking_the_api(api: Grid5000Api, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs 3 sites and the file has 2"):
        reservation.configure(declare(tmp_path), sites=3, job_name=NAME)
    assert api.requests == []


@pytest.mark.parametrize("key", ["/dev/zero", "~no-such-user/key.pub", "/nowhere"])
def test_a_public_key_that_is_no_file_is_one_sentence(
    api: Grid5000Api, tmp_path: Path, key: str
) -> None:
    declared = declare(tmp_path).model_copy(update={"public_key": Path(key)})
    with pytest.raises(ConfigError, match=r"public_key = .*cannot be read .*a public SSH key"):
        reservation.configure(declared, sites=2, job_name=NAME)
    assert api.requests == []


def test_missing_credentials_are_one_sentence(api: Grid5000Api, tmp_path: Path) -> None:
    (tmp_path / ".python-grid5000.yaml").unlink()
    with pytest.raises(MachineError, match=r"There are no Grid'5000 credentials: write .*yaml"):
        configured(tmp_path)
    assert api.requests == []


def test_wrong_credentials_are_one_sentence(api: Grid5000Api, tmp_path: Path) -> None:
    (tmp_path / ".python-grid5000.yaml").write_text(api.credentials(password="wrong"))
    with pytest.raises(TestbedError, match="does not accept the user and password"):
        configured(tmp_path)


@pytest.mark.parametrize("broken", ["{", "[1, 2]", "user: alice\n"])
def test_a_credentials_file_that_cannot_be_read_is_one_sentence(
    api: Grid5000Api, tmp_path: Path, broken: str
) -> None:
    (tmp_path / ".python-grid5000.yaml").write_text(broken)
    with pytest.raises(MachineError, match="username"):
        configured(tmp_path)


def test_a_refused_reservation_is_one_sentence_and_its_sister_is_deleted(
    api: Grid5000Api, tmp_path: Path
) -> None:
    api.faults.refuse = {"rennes": "Job rejected by the admission rules"}
    with pytest.raises(TestbedError, match=r"refused.*rejected by the admission rules") as caught:
        reserved(tmp_path)
    assert "\n" not in str(caught.value)
    cancel(["nantes", "rennes"])
    assert len(api.jobs) <= 1
    assert all(job.ended for job in api.jobs.values())


def test_a_slow_api_is_given_up_with_one_sentence(api: Grid5000Api, tmp_path: Path) -> None:
    (tmp_path / ".python-grid5000.yaml").write_text(api.credentials() + "timeout: 0.1\n")
    api.faults.answer_delay_s = 0.5
    with pytest.raises(TestbedError, match="did not answer while asking for the list of clusters"):
        configured(tmp_path)


def test_an_api_that_is_not_there_is_one_sentence(api: Grid5000Api, tmp_path: Path) -> None:
    credentials = api.credentials().replace(api.uri, "http://127.0.0.1:9")
    (tmp_path / ".python-grid5000.yaml").write_text(credentials)
    with pytest.raises(TestbedError, match=r"did not answer .*Connection refused"):
        configured(tmp_path)


def test_a_few_server_errors_are_borne(api: Grid5000Api, tmp_path: Path) -> None:
    api.faults.server_errors = 3
    assert len(reserved(tmp_path)) == 2


def test_many_server_errors_are_one_sentence(api: Grid5000Api, tmp_path: Path) -> None:
    declared, conf = configured(tmp_path)
    api.faults.server_errors = 1000
    with pytest.raises(TestbedError, match="did not answer while looking for free nodes"):
        reservation.plan(declared, conf)


def test_the_states_of_a_job_are_told(api: Grid5000Api, tmp_path: Path) -> None:
    api.start_after_s = 1.0
    told: list[str] = []
    oar.wait_for_jobs(reserved(tmp_path, EMULATED), told.append)
    assert told[0].startswith("job 1000 of nancy: waiting, to start at 20")
    assert told[-1] == "job 1000 of nancy: running"


def test_a_job_that_ends_before_it_runs_is_one_sentence(api: Grid5000Api, tmp_path: Path) -> None:
    api.start_after_s = 60
    jobs = reserved(tmp_path, EMULATED)
    api.jobs[1000].ended = True
    with pytest.raises(TestbedError, match=r"Job 1000 of nancy ended \(error\) before it ran"):
        oar.wait_for_jobs(jobs, print)


def test_deleting_finds_jobs_by_name_alone_and_only_those(api: Grid5000Api, tmp_path: Path) -> None:
    reserved(tmp_path)
    declared = declare(tmp_path, EMULATED)
    other = reservation.configure(declared, sites=2, job_name="discovery-somebody-else")
    reservation.reserve(other, None)
    cancel(["nancy", "nantes", "rennes"])
    assert {job.name for job in api.jobs.values() if job.ended} == {NAME}
    assert not api.jobs[1002].ended
    cancel(["nancy", "nantes", "rennes"])


def test_deleting_when_the_api_is_gone_says_so(api: Grid5000Api, tmp_path: Path) -> None:
    reserved(tmp_path)
    api.faults.server_errors = 1000
    with pytest.raises(TestbedError, match=f"while deleting the jobs named {NAME}"):
        cancel(["nantes", "rennes"])
