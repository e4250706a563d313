"""The ``static`` provider, on local nodes reached as if they were somebody else's machines."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import enoslib as en
import pytest

from discovery.errors import TestbedError, WanError
from discovery.experiment.models import WanSettings
from discovery.testbed.access import read_access
from discovery.testbed.config import Testbed
from discovery.testbed.down import held, release_all
from discovery.testbed.factory import keep, lease
from discovery.testbed.load import load_testbed
from tests.e2e.foreign import Foreign, foreign_machines

pytestmark = [
    pytest.mark.root,
    # EnOSlib's NetemHTB itself uses what EnOSlib deprecates.
    pytest.mark.filterwarnings("ignore:use actions instead of play_on:DeprecationWarning"),
]

RUNNING = "systemctl list-units --type=service --state=running --plain --no-legend | cut -d' ' -f1"
NO_DELAY = ((0.0, 0.0), (0.0, 0.0))


@pytest.fixture(scope="module")
def machines(node_image: Path) -> Iterator[Foreign]:
    with foreign_machines(node_image) as made:
        yield made


def declare(own_home: Path, machines: Foreign, **changed: str) -> Testbed:
    """A testbed file of the machines; ``changed`` says another key or second client's address."""
    prefix = machines.prefix
    last = changed.get("last", f"{prefix}.2.12")
    path = own_home / "static.yaml"
    path.write_text(
        f"provider: static\nkeyfile: {changed.get('key', machines.key)}\nsites:\n"
        f"  - network: {prefix}.1.0/24\n"
        f"    control: {{address: {prefix}.1.11}}\n"
        f"    client: {{address: {prefix}.1.12}}\n"
        f"  - network: {prefix}.2.0/24\n"
        f"    control: {{address: {prefix}.2.11}}\n"
        f"    client: {{address: {last}}}\n"
    )
    return load_testbed(path)


def test_a_lease_looks_like_any_other(own_home: Path, machines: Foreign) -> None:
    with lease(declare(own_home, machines), sites=2, purpose="test") as got:
        assert [(node.alias, node.address) for node in got.nodes] == [
            ("site-1-control", f"{machines.prefix}.1.11"),
            ("site-1-client", f"{machines.prefix}.1.12"),
            ("site-2-control", f"{machines.prefix}.2.11"),
            ("site-2-client", f"{machines.prefix}.2.12"),
        ]
        assert set(got.roles) == {"control", "client", "site-1", "site-2"}
        assert {host.alias for host in got.roles["client"]} == {"site-1-client", "site-2-client"}
        assert {str(net.network) for net in got.networks["site-2"]} == {f"{machines.prefix}.2.0/24"}
        assert len(got.networks["testbed"]) == 2
        assert [(item.provider, item.state) for item in held()] == [("static", "running")]
        results = en.run_command("hostname", roles=got.roles)
        assert {(result.host, result.stdout) for result in results} == {
            (node.alias, node.alias) for node in got.nodes
        }
        got.wan.shape(NO_DELAY, WanSettings())
        (measured,) = got.wan.record["measurements"]
        assert {pair["lost"] for pair in measured["pairs"]} == {0}
        assert all(0 < pair["measured_rtt_ms"] <= 1 for pair in measured["pairs"])
    assert held() == []


def test_what_was_started_is_stopped_and_what_ran_before_goes_on(
    own_home: Path, machines: Foreign
) -> None:
    address = f"{machines.prefix}.1.11"
    machines.ssh(address, "systemd-run --quiet --unit=discovery-theirs sleep 600")
    before = machines.ssh(address, RUNNING)
    with lease(declare(own_home, machines), sites=2, purpose="test") as got:
        en.run_command("systemd-run --quiet --unit=discovery-test sleep 600", roles=got.roles)
        assert "discovery-test.service" in machines.ssh(address, RUNNING)
    assert "discovery-theirs.service" in before
    assert machines.ssh(address, RUNNING) == before
    machines.ssh(address, "systemctl stop discovery-theirs")


def test_a_kept_lease_is_put_back_from_the_ledger(own_home: Path, machines: Foreign) -> None:
    kept = keep(declare(own_home, machines), sites=2, purpose="test")
    access = {node.alias: node for node in read_access(kept.folder)}
    start = "systemd-run --unit=discovery-test sleep 600"
    subprocess.run([*access["site-2-client"].command(), start], check=True, capture_output=True)
    address = f"{machines.prefix}.2.12"
    assert machines.ssh(address, "systemctl is-active discovery-test") == "active"
    assert [item.state for item in release_all()] == ["kept"]
    assert machines.ssh(address, "systemctl is-active discovery-test") == "inactive"
    assert held() == []


def test_a_delay_that_is_not_there_is_told_by_the_measurement(
    own_home: Path, machines: Foreign
) -> None:
    with lease(declare(own_home, machines), sites=2, purpose="test") as got:
        try:
            got.wan.shape(((0.0, 20.0), (20.0, 0.0)), WanSettings())
        except WanError as error:
            assert "40 ± 1 ms was asked of the netem-htb back end" in str(error)  # noqa: PT017
        else:  # this kernel has netem
            pairs = got.wan.record["measurements"][-1]["pairs"]
            assert all(39 <= pair["measured_rtt_ms"] <= 41 for pair in pairs)
    for site in (1, 2):
        shaped = machines.ssh(f"{machines.prefix}.{site}.11", "tc qdisc show")
        assert " htb " not in shaped
    assert held() == []


def test_a_wrong_key_is_one_sentence(own_home: Path, machines: Foreign) -> None:
    key = own_home / "wrong"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    testbed = declare(own_home, machines, key=str(key))
    with pytest.raises(TestbedError) as caught, lease(testbed, sites=2, purpose="test"):
        pass
    assert "site-1-control cannot be reached" in str(caught.value)
    assert "Permission denied" in str(caught.value)
    assert f"try `ssh -i {key} -p 22 root@{machines.prefix}.1.11`" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert held() == []


def test_an_unreachable_machine_is_named(own_home: Path, machines: Foreign) -> None:
    nobody = f"{machines.prefix}.2.99"
    testbed = declare(own_home, machines, last=nobody)
    with pytest.raises(TestbedError, match="site-2-client cannot be reached") as caught:
        keep(testbed, sites=2, purpose="test")
    assert f"root@{nobody}`" in str(caught.value)
    assert held() == []


@pytest.mark.slow
def test_a_machine_that_dies_does_not_keep_the_others(
    own_home: Path, machines: Foreign, capfd: pytest.CaptureFixture[str]
) -> None:
    alive, dead = f"{machines.prefix}.1.11", f"{machines.prefix}.2.12"
    stack = ExitStack()
    with stack, lease(declare(own_home, machines), sites=2, purpose="test") as got:
        got.wan.shape(NO_DELAY, WanSettings(rate_mbit=100.0))
        en.run_command("systemd-run --quiet --unit=discovery-test sleep 600", roles=got.roles)
        stack.enter_context(machines.out_of_reach(dead))
    assert "site-2-client cannot be reached" in capfd.readouterr().err
    assert machines.ssh(alive, "systemctl is-active discovery-test") == "inactive"
    assert " htb " not in machines.ssh(alive, "tc qdisc show")
    assert held() == []
