"""The ``grid5000`` provider from plan to release: a fake REST API, local nodes behind it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import enoslib as en
import pytest

from discovery.errors import TestbedError
from discovery.experiment.models import WanSettings
from discovery.testbed.config import Testbed
from discovery.testbed.down import held, release_all
from discovery.testbed.factory import keep, lease
from discovery.testbed.grid5000 import oar
from discovery.testbed.home import ledger_path, machine_mark
from discovery.testbed.ledger import Held, Ledger, Thing, tell_once
from tests.e2e.foreign import Foreign, foreign_machines
from tests.e2e.grid5000_api import Grid5000Api
from tests.e2e.grid5000_world import EMULATED, TWO_SITES, declare, world

RUN = """
import sys
from pathlib import Path
from discovery.testbed.load import load_testbed
from discovery.testbed.factory import lease
with lease(load_testbed(Path(sys.argv[1])), sites=2, purpose="to be killed"):
    pass
"""


@pytest.fixture(scope="module")
def machines(node_image: Path) -> Iterator[Foreign]:
    with foreign_machines(node_image) as made:
        yield made


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty state folder, which needs no root."""
    folder = Path(tempfile.mkdtemp(prefix="dw-", dir="/var/tmp"))
    monkeypatch.setenv("DISCOVERY_HOME", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def api(state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Grid5000Api]:
    """The API of clusters whose machines do not exist: enough for what ends before SSH."""
    with world("192.0", state, monkeypatch) as started:
        yield started


@pytest.fixture
def full_api(
    state: Path, machines: Foreign, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Grid5000Api]:
    """The API with machines behind it, whose names ssh knows as it would from DNS."""
    with world(machines.prefix, state, monkeypatch) as started:
        lines = [
            f"Host {cluster}-{number}.{name}.grid5000.fr\n  HostName {address}\n"
            for name, site in started.sites.items()
            for cluster, addresses in site.clusters.items()
            for number, address in enumerate(addresses, 1)
        ]
        lines.append(f"Host *\n  IdentityFile {machines.key}\n  IdentitiesOnly yes\n")
        (state / "ssh_config").write_text("".join(lines))
        monkeypatch.setenv("ANSIBLE_SSH_EXTRA_ARGS", f"-F {state}/ssh_config")
        yield started


def with_key(state: Path, machines: Foreign, text: str = TWO_SITES) -> Testbed:
    return declare(state, f"{text}public_key: {machines.key}.pub\n")


def reservations() -> list[Held]:
    return [thing for thing in Ledger(ledger_path()).held() if thing.kind == "reservation"]


@pytest.mark.root
def test_two_sites_from_plan_to_release(
    state: Path, machines: Foreign, full_api: Grid5000Api, capfd: pytest.CaptureFixture[str]
) -> None:
    with lease(with_key(state, machines), sites=2, purpose="test") as got:
        (noted,) = reservations()
        assert noted.name == f"discovery-{got.id}-{machine_mark()}"
        assert sorted(map(tuple, noted.details["jobs"])) == sorted(
            (job.site, job.uid) for job in full_api.jobs.values()
        )
        assert [(node.alias, node.address) for node in got.nodes] == [
            ("site-1-control", f"{machines.prefix}.1.11"),
            ("site-1-client", f"{machines.prefix}.1.12"),
            ("site-2-control", f"{machines.prefix}.2.11"),
            ("site-2-client", f"{machines.prefix}.2.12"),
        ]
        assert set(got.roles) == {"control", "client", "site-1", "site-2"}
        assert {str(net.network) for net in got.networks["site-1"]} == {f"{machines.prefix}.1.0/24"}
        assert len(got.networks["testbed"]) == 2
        results = en.run_command("hostname", roles=got.roles)
        assert {(result.host, result.stdout) for result in results} == {
            (node.alias, node.alias) for node in got.nodes
        }
        got.wan.shape(((0.0, 0.0), (0.0, 0.0)), WanSettings())
        assert {job.ended for job in full_api.jobs.values()} == {False}
    assert {job.ended for job in full_api.jobs.values()} == {True}
    deployed = list(full_api.deployments.values())
    assert {item["environment"] for item in deployed} == {"debian12-min"}
    assert {item["key"] for item in deployed} == {Path(f"{machines.key}.pub").read_text().strip()}
    assert held() == []
    told = capfd.readouterr().err
    assert "Grid'5000: 2 nodes of paravance and 2 nodes of econome for 01:00:00, to start" in told
    assert "Grid'5000: deploying debian12-min on 4 nodes" in told


@pytest.mark.root
def test_two_sites_emulated_in_one_cluster(
    state: Path, machines: Foreign, full_api: Grid5000Api
) -> None:
    with lease(with_key(state, machines, EMULATED), sites=2, purpose="test") as got:
        assert len({node.address for node in got.nodes}) == 4
        assert [str(net.network) for net in got.networks["site-1"]] == [
            str(net.network) for net in got.networks["site-2"]
        ]
        assert len(got.networks["testbed"]) == 1
    assert {job.ended for job in full_api.jobs.values()} == {True}


@pytest.mark.root
@pytest.mark.parametrize(
    ("fault", "value", "told"),
    [
        ("kill_after_s", 0.3, r"Grid'5000 ended job 1000 of nancy \(error\) before the nodes"),
        ("deployment_fails", True, "debian12-min could not be deployed"),
    ],
)
def test_a_deployment_that_does_not_end_well_is_one_sentence(
    state: Path, machines: Foreign, full_api: Grid5000Api, fault: str, value: object, told: str
) -> None:
    setattr(full_api.faults, fault, value)
    full_api.deploy_s = 1.0
    with pytest.raises(TestbedError, match=told) as caught:
        keep(with_key(state, machines, EMULATED), sites=2, purpose="test")
    assert "\n" not in str(caught.value)
    assert {job.ended for job in full_api.jobs.values()} == {True}
    assert held() == []


def test_a_refused_reservation_is_one_sentence_and_leaves_no_job(
    state: Path, api: Grid5000Api
) -> None:
    api.faults.refuse = {"rennes": "Job rejected by the admission rules"}
    with pytest.raises(TestbedError, match=r"refused while reserving.*admission rules") as caught:
        keep(declare(state), sites=2, purpose="test")
    assert "\n" not in str(caught.value)
    assert all(job.ended for job in api.jobs.values())
    assert held() == []


@pytest.mark.parametrize("moment", ["the job exists", "the job's id is noted"])
def test_a_run_killed_after_its_reservation_leaves_a_job_that_the_ledger_deletes(
    state: Path, api: Grid5000Api, moment: str
) -> None:
    api.start_after_s = 600.0
    declare(state, EMULATED)
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(state / "grid5000.yaml")], stderr=subprocess.PIPE
    )
    reached: dict[str, Callable[[], bool]] = {
        "the job exists": lambda: bool(api.jobs),
        "the job's id is noted": lambda: any(thing.details.get("jobs") for thing in reservations()),
    }
    deadline = time.monotonic() + 60
    while not reached[moment]():
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.002)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    assert [job.ended for job in api.jobs.values()] == [False]
    assert [item.state for item in held()] == ["stale"]
    release_all()
    assert [job.ended for job in api.jobs.values()] == [True]
    assert held() == []


def test_a_job_that_cannot_be_deleted_now_stays_in_the_ledger(
    state: Path, api: Grid5000Api
) -> None:
    details = {"provider": "grid5000", "sites": ["nancy"]}
    Ledger(ledger_path()).hold("abcdef", [Thing("reservation", "discovery-abcdef", details)])
    api.faults.server_errors = 1000
    with pytest.raises(TestbedError, match=r"deleting the jobs.*discovery-abcdef"):
        release_all()
    assert len(reservations()) == 1
    api.faults.server_errors = 0
    release_all()
    assert held() == []


def test_a_job_without_a_ledger_is_found_by_its_name(state: Path, api: Grid5000Api) -> None:
    ours, others = f"discovery-abcdef-{machine_mark()}", "discovery-abcdef-00000000"
    for site, cluster, name in (
        ("nancy", "gros", ours),
        ("rennes", "paravance", ours),
        ("nantes", "econome", others),  # another machine's, or another state folder's here
    ):
        resources = f"{{cluster='{cluster}'}}/nodes=1,walltime=01:00:00"
        job = {"name": name, "resources": resources, "types": ["deploy"], "queue": "default"}
        oar.client().sites[site].jobs.create({**job, "command": "sleep 1"})
    assert held() == []
    (found,) = held(elsewhere=True)
    assert (found.id, found.provider, found.state, found.things) == (
        *("abcdef", "grid5000", "unrecorded"),
        1,
    )
    release_all()
    ended = {job.site: job.ended for job in api.jobs.values()}
    assert ended == {"nancy": True, "rennes": True, "nantes": False}
    assert held(elsewhere=True) == []


def test_an_api_that_fails_hides_nothing_that_is_here(
    state: Path, api: Grid5000Api, capsys: pytest.CaptureFixture[str]
) -> None:
    Ledger(ledger_path()).hold("abcdef", [Thing("lease", "abcdef")])
    api.faults.server_errors = 1000
    tell_once.cache_clear()
    assert [item.id for item in held(elsewhere=True)] == ["abcdef"]
    assert "Reservations there that the ledger does not know" in capsys.readouterr().err
