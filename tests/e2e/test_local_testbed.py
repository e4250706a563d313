from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import enoslib as en
import pytest

from discovery.errors import BusyError, MachineError, TestbedError
from discovery.experiment.delays import delay_matrix
from discovery.experiment.models import WanSettings
from discovery.testbed import lease, load_testbed
from discovery.testbed.down import held
from discovery.testbed.home import lock_path
from discovery.testbed.lock import holder

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

RUN = """
import sys, time
from pathlib import Path
from discovery.testbed import lease, load_testbed
with lease(load_testbed(Path(sys.argv[1])), sites=2, purpose=sys.argv[2]) as held:
    print(held.id, flush=True)
    time.sleep(float(sys.argv[3]))
"""


def discovery(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from discovery.cli import main; main()", "testbed"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def run(local_file: Path, purpose: str, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(local_file), purpose, str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_lease_from_up_to_release(local_file, free_prefix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with lease(load_testbed(local_file), sites=3, purpose="test") as held_lease:
        assert [node.alias for node in held_lease.nodes] == [
            f"site-{number}-{role}" for number in (1, 2, 3) for role in ("control", "client")
        ]
        assert held_lease.nodes[5].address == f"{free_prefix}.3.12"
        assert {role: len(hosts) for role, hosts in held_lease.roles.items()} == {
            "control": 3,
            "client": 3,
            "site-1": 2,
            "site-2": 2,
            "site-3": 2,
        }
        assert str(held_lease.networks["site-2"][0].network) == f"{free_prefix}.2.0/24"
        key = held_lease.folder / "id_ed25519"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert held()[0].state == "running"
        assert holder(lock_path()).purpose == "test"

        names = en.run_command("hostname; cat /etc/machine-id", roles=held_lease.roles["control"])
        assert sorted(result.stdout.split()[0] for result in names) == [
            f"site-{number}-control" for number in (1, 2, 3)
        ]
        assert len({result.stdout.split()[1] for result in names}) == 3

        hosts = [node.host for node in held_lease.nodes]
        with en.actions(roles=hosts, gather_facts=False) as actions:
            actions.copy(
                content="[Service]\nExecStart=/bin/sleep infinity\n",
                dest="/etc/systemd/system/sleeper.service",
            )
            actions.systemd(name="sleeper", state="started", daemon_reload=True)
        assert {result.status for result in actions.results} == {"OK"}
        active = en.run_command("systemctl is-active sleeper", roles=held_lease.roles["client"])
        assert {result.stdout for result in active} == {"active"}

        held_lease.wan.shape(delay_matrix(20.0, 3), WanSettings())
        assert list(tmp_path.iterdir()) == []
    assert held() == []
    assert not held_lease.folder.exists()
    assert holder(lock_path()) is None
    assert list(tmp_path.iterdir()) == []
    held_lease.release()  # a second time does nothing


def test_kept_nodes_from_the_command_line(local_file):
    up = discovery("up", "--testbed", str(local_file), "--sites", "2").stdout
    assert "site-2-client" in up
    assert "lease" in up
    listed = discovery("list").stdout
    assert " kept " in listed
    assert "site-1-control" in listed

    reach = "ping -c1 -W1 site-2-control >/dev/null && echo reached || echo parted"
    assert "reached" in discovery("run", reach, "--on", "site-1-control").stdout
    assert "cut site-2 off from site-1;" in discovery("cut", "site-2").stdout
    assert "parted" in discovery("run", reach, "--on", "site-1-control").stdout
    # Control traffic by-passes the WAN: the parted site still answers us.
    assert "site-2-client: site-2-client" in discovery("run", "hostname", "--on", "site-2").stdout
    assert "no cut is left between site-1, site-2" in discovery("heal").stdout
    assert "reached" in discovery("run", reach, "--on", "site-1-control").stdout

    failing = discovery("run", "exit 3", "--on", "client", check=False)
    assert failing.returncode == TestbedError.exit_code
    assert "site-1-client (exit code 3), site-2-client (exit code 3)" in failing.stderr

    again = discovery("up", "--testbed", str(local_file), "--sites", "2", check=False)
    assert again.returncode == TestbedError.exit_code
    assert "is in use" in again.stderr
    assert len(held()) == 1, "what refused has left nothing, and the first lease is still there"

    assert "released" in discovery("down").stdout
    assert "nothing is held" in discovery("list").stdout


def test_ssh_becomes_a_shell_on_the_node(local_file):
    discovery("up", "--testbed", str(local_file), "--sites", "2")
    command = [sys.executable, "-c", "from discovery.cli import main; main()"]
    done = subprocess.run(
        [*command, "testbed", "ssh", "site-1-client"],
        input="hostname\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "site-1-client"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_run_that_is_asked_to_end_releases(local_file, number):
    # Whoever started the tests may ignore a signal (nohup, a shell's background job), and a run
    # respects what it inherits.
    inherited = signal.signal(number, signal.SIG_DFL)
    try:
        process = run(local_file, "asked to end", 60)
    finally:
        signal.signal(number, inherited)
    with process:
        assert len(process.stdout.readline()) == 7
        process.send_signal(number)
        assert process.wait(20) != 0
    assert held() == []


def test_a_run_under_nohup_outlives_its_terminal(local_file):
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = run(local_file, "under nohup", 2)
    finally:
        signal.signal(signal.SIGHUP, ignored)
    with process:
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0
    assert held() == []


def test_a_failing_body_releases(local_file):
    with (
        pytest.raises(ZeroDivisionError),
        lease(load_testbed(local_file), sites=2, purpose="failing"),
    ):
        _ = 1 / 0
    assert held() == []


def test_of_two_runs_the_second_waits_or_stops(local_file):
    with run(local_file, "the first run", 6) as first, run(local_file, "the other", 0) as other:
        ids = set()
        ids.add(first.stdout.readline())
        with (
            pytest.raises(BusyError, match=r"held by process \d+ \(the .*wait for it, or end it"),
            lease(load_testbed(local_file), sites=2, purpose="the third", wait=False),
        ):
            pass
        ids.add(other.stdout.readline())
        assert first.wait(60) == 0
        assert other.wait(60) == 0
        assert len(ids) == 2
        said = first.stderr.read() + other.stderr.read()
        assert said.count("Waiting for the testbed") == 1
    assert held() == []


def test_the_next_run_removes_what_a_killed_one_left(local_file):
    with run(local_file, "to be killed", 60) as process:
        killed = process.stdout.readline().strip()
        process.kill()
    assert [(item.id, item.state) for item in held()] == [(killed, "stale")]
    with lease(load_testbed(local_file), sites=2, purpose="the next") as held_lease:
        assert [item.id for item in held()] == [held_lease.id]
    assert held() == []


def test_down_all_ends_a_living_run(local_file):
    with run(local_file, "living", 60) as process:
        process.stdout.readline()
        discovery("down")
        assert process.poll() is None, "without --all, a living run keeps its lease"
        assert "living" in discovery("down", "--all").stdout
        assert process.wait(20) == 128 + signal.SIGTERM
    assert held() == []


def test_more_than_the_memory_holds_is_refused(local_file):
    with (
        pytest.raises(MachineError, match=r"10 sites need 1000000\d* MB.* has \d+ MB.*\d+ of them"),
        lease(load_testbed(local_file), sites=10, purpose="too much", memory_mb=1_000_000),
    ):
        pass
    assert held() == []


def test_the_umask_does_not_close_a_nodes_files_to_its_users(local_file):
    before = os.umask(0o077)
    try:
        with lease(load_testbed(local_file), sites=2, purpose="a strict umask") as held_lease:
            assert os.umask(0o077) == 0o077
            modes = {name: stat.S_IMODE((held_lease.folder / name).stat().st_mode)
                     for name in (".", "hosts", "id_ed25519", "ssh")}  # fmt: skip
            result = en.run_command("setpriv --reuid 65534 cat /etc/hosts", roles=held_lease.roles)
    finally:
        os.umask(before)
    assert modes == {".": 0o711, "hosts": 0o644, "id_ed25519": 0o600, "ssh": 0o700}
    assert all("site-2-client" in one.stdout for one in result)


def test_an_image_that_does_not_boot_is_told_with_its_console(local_file, own_home, free_prefix):
    broken = own_home / "broken"
    (broken / "usr").mkdir(parents=True)
    local_file.write_text(f'provider: local\nprefix: "{free_prefix}"\nimage: {broken}\n')
    started = time.monotonic()
    with (
        pytest.raises(TestbedError, match=r"Node site-1-control ended while it booted; .*broken"),
        lease(load_testbed(local_file), sites=2, purpose="broken image"),
    ):
        pass
    assert time.monotonic() - started < 30
    assert held() == []


def test_two_homes_stand_side_by_side(local_file, two_prefixes, tmp_path, node_image):
    with lease(load_testbed(local_file), sites=2, purpose="one") as one:
        other_home = Path(os.environ["DISCOVERY_HOME"]) / "other"
        other_file = tmp_path / "other.yaml"
        other_file.write_text(
            f'provider: local\nprefix: "{two_prefixes[1]}"\nimage: {node_image}\n'
        )
        environment = {**os.environ, "DISCOVERY_HOME": str(other_home)}
        command = [sys.executable, "-c", RUN, str(other_file), "two", "0"]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        assert en.run_command("true", roles=one.roles["control"])[0].status == "OK"
