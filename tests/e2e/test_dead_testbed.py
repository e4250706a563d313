"""A testbed that dies under a cell is an accident, told in seconds; what a cell breaks is not.

Lease, nodes, WAN and watchdog are real. The system under test is a stand-in: a command on every
node that takes longer than anybody should have to wait.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from discovery.errors import DeployError, MeasuredFailure, TestbedError, WanError
from discovery.testbed import Lease, commands, load_testbed
from discovery.testbed.down import held
from discovery.testbed.factory import keep
from discovery.testbed.local import cgroups
from discovery.testbed.local.machines import init_of
from discovery.testbed.wan.control import request
from discovery.testbed.wan.local import CONFIG, SOCKET, ForwarderWan
from discovery.workload import cell as cells
from discovery.workload import remote
from tests.raw.cells import make_cell

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

# How long the load would last (s), and how soon a testbed that died has to end it.
LOAD_S, SOON_S = 60, 40.0
NO_ITERATION = MeasuredFailure("site-2-client: Rally could not begin an iteration")
CELL = make_cell(sites=2, delay=10.0)


class Deployed:
    """A system that is well before the load and, behind a dead WAN, not well after it."""

    image = "c0ffee"

    def __init__(self, lease: Lease) -> None:
        self.lease, self.asked = lease, 0

    def check_health(self) -> None:
        self.asked += 1
        if self.asked > 1:
            raise DeployError("site-2: no token in 60 s")

    def versions(self) -> dict[str, str]:
        return {}

    def logs(self, folder: Path) -> None:
        folder.mkdir()
        for alias, answer in remote.run("hostname", self.lease.nodes).items():
            (folder / f"{alias}.log").write_text(answer.stdout)


class Subject:
    """A load of ``command`` on every node beside ``fault``, that ends with ``error`` if given."""

    memory_mb, roles = 100, None

    def __init__(
        self, fault: Callable[[Lease], None], error: Exception | None, command: str
    ) -> None:
        self.fault, self.error, self.command = fault, error, command
        self.began = self.ended = 0.0

    def deploy(self, lease: Lease, _: Any) -> Deployed:
        if not isinstance(lease.wan, ForwarderWan):
            pytest.skip("this kernel has netem, so there is no forwarder to kill")
        self.lease = lease
        return Deployed(lease)

    def prepare(self) -> None:
        pass

    def steps(self, _: Path) -> list[tuple[str, Callable[[], None]]]:
        return [("load", self.load)]

    def load(self) -> None:
        self.began = time.monotonic()
        beside = threading.Timer(1.0, self.fault, [self.lease])
        beside.start()
        try:
            remote.run(self.command, self.lease.nodes)
        finally:
            self.ended = time.monotonic()
            beside.join()
        if self.error:
            raise self.error

    def collect(self, _: Path) -> None:
        pass


def pid_of(folder: Path) -> int:
    return int(request(folder, SOCKET, {"do": "pulse"})["pid"])


def router_of(site: str, lease: Lease) -> str:
    """The namespace of a site's router."""
    known = json.loads((lease.folder / CONFIG).read_text())["sites"]
    return next(Path(item["namespace"]).name for item in known if item["name"] == site)


def kill_forwarder(lease: Lease) -> None:
    os.kill(pid_of(lease.folder), signal.SIGKILL)


def stop_forwarder(lease: Lease) -> None:
    pid = pid_of(lease.folder)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(2.0)
    os.kill(pid, signal.SIGCONT)


def kill_machine(lease: Lease) -> None:
    tag = router_of("site-1", lease).removesuffix("-site-1")
    init = init_of(cgroups.lease_cgroups(tag)[0] / "site-2-control")
    assert init > 1
    os.kill(init, signal.SIGKILL)


def lose_a_route(lease: Lease) -> None:
    router, network = router_of("site-1", lease), lease.networks["site-2"][0].network
    subprocess.run(["ip", "-n", router, "route", "delete", str(network)], check=True)


def cut(lease: Lease) -> None:
    lease.wan.cut(["site-2"])


@pytest.fixture
def run(
    local_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Run a cell with a fault; its ``cell.json``, and how long it was loaded."""

    def run(
        fault: Callable[[Lease], None], error: Exception | None = None, command: str = "true"
    ) -> dict[str, Any]:
        subject = Subject(fault, error, command)
        monkeypatch.setattr(cells, "_subject", lambda *_: subject)
        out = tmp_path / "raw" / CELL.id
        try:
            cells.run_cell(CELL, load_testbed(local_file), out, print)
        finally:
            assert held() == []
            assert subject.ended - subject.began < SOON_S
        written: dict[str, Any] = json.loads((out / "cell.json").read_text())
        return written

    yield run
    gc.collect()  # what Ansible leaves open where it is interrupted


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (kill_forwarder, "WAN forwarder of lease .* has died"),
        (stop_forwarder, r"WAN stood still for 2\.\d s while"),
        (kill_machine, "site-2-control has died"),
        (lose_a_route, "does not reach site-. any more"),
    ],
)
def test_a_testbed_that_dies_ends_the_load_and_is_an_accident(run, tmp_path, fault, sentence):
    with pytest.raises(TestbedError, match=sentence):
        run(fault, command=f"sleep {LOAD_S}")
    assert not (tmp_path / "raw" / CELL.id).exists()
    accident = tmp_path / "raw" / f"{CELL.id}.accident"
    assert (accident / "wan.json").is_file()
    if fault is not kill_machine:
        assert (accident / "logs" / "site-1-control.log").read_text() == "site-1-control"


def test_a_wan_that_dies_as_the_load_ends_is_not_blamed_on_the_system(run, tmp_path):
    """The watch finds it while results are collected, or else the pings after the load do."""
    found = r"did not outlive the load\..*all 10 pings were lost|does not reach site-. any more"
    with pytest.raises(WanError, match=found):
        run(lose_a_route, NO_ITERATION, "sleep 2")
    assert not (tmp_path / "raw" / CELL.id).exists()


def test_a_cut_of_the_cells_own_is_no_accident(run):
    written = run(cut, NO_ITERATION, "sleep 2")
    assert (written["status"], written["failure"]["message"]) == ("failed", str(NO_ITERATION))


def test_the_command_line_says_that_a_wan_is_dead(local_file, capsys):
    lease = keep(load_testbed(local_file), sites=2, purpose="test")
    if not isinstance(lease.wan, ForwarderWan):
        pytest.skip("this kernel has netem, so there is no forwarder to kill")
    assert not [line for line in commands.list_held() if "its WAN" in line]
    kill_forwarder(lease)
    assert [line for line in commands.list_held() if "its WAN is dead" in line]
    assert "site-1-control: up" in commands.run("echo up")
    assert f"The WAN of lease {lease.id} is dead" in capsys.readouterr().err
    for verb in (["cut", "site-2"], ["heal"]):
        command = [sys.executable, "-c", "from discovery.cli import main; main()", "testbed", *verb]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == WanError.exit_code
        assert len(done.stderr.splitlines()) == 1
        assert "has died" in done.stderr
