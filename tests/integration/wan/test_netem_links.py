"""The netem back end's bridge, routes, classes and filters, on any kernel that has HTB.

netem itself is stood in for by a plain queue, which has no delay (and, with no room, loses all):
these tests show that traffic takes its class, not what netem does to it there.
"""

import os
import re
import subprocess

import pytest

from discovery.errors import WanError
from discovery.experiment.models import WanSettings
from discovery.testbed.ledger import Recorder
from discovery.testbed.wan import netem_commands
from discovery.testbed.wan.attach import connect
from discovery.testbed.wan.netem import NetemWan

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
]


@pytest.fixture(autouse=True)
def _queue_for_netem(monkeypatch):
    def options(delay_ms, settings, *, up):
        return f"pfifo limit {1000 if up else 0}"

    monkeypatch.setattr(netem_commands, "netem_options", options)


@pytest.fixture
def netem(sites, folder, ledger, ping):
    made = NetemWan.start(sites.networks, folder, Recorder(ledger, "test"), ping)
    yield made
    made.close()


def reaches(sites, source, destination):
    target = sites.address(destination)
    return sites.run(source, "ping", "-c", "1", "-W", "1", target).returncode == 0


def packets_of_classes(sites, site):
    router = sites.networks[sites.names.index(site)].namespace_path
    done = subprocess.run(
        ["nsenter", f"--net={router}", "tc", "-s", "class", "show", "dev", "wan0"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(
        r"class htb (\S+) .*?burst (\S+) .*?Sent \d+ bytes (\d+) pkt", done.stdout, re.S
    )
    assert all(burst != "0b" for _, burst, _ in found)
    return {handle: int(packets) for handle, _, packets in found}


def test_traffic_takes_the_class_of_its_destination(netem, sites):
    before = packets_of_classes(sites, "site-1")
    sites.run("site-1", "ping", "-c", "3", "-i", "0.01", sites.address("site-3"))
    after = packets_of_classes(sites, "site-1")
    assert set(after) == {"1:1", "1:11", "1:12"}
    assert after["1:12"] - before["1:12"] == 3
    assert after["1:11"] == before["1:11"]


def test_it_can_be_shaped_again_and_again(netem):
    for _ in range(2):
        netem.shape([[0, 0, 0]] * 3, WanSettings())
    assert [m["when"] for m in netem.record["measurements"]] == ["shaped", "shaped"]
    assert netem.record["backend"] == "netem"


def test_cut_and_heal(netem, sites):
    netem.cut(["site-1", "site-2"])
    assert reaches(sites, "site-1", "site-2")
    assert not reaches(sites, "site-1", "site-3")
    netem.heal()
    assert reaches(sites, "site-1", "site-3")


def test_another_process_heals_what_was_cut(netem, sites, folder, ledger):
    netem.cut(["site-3"])
    other = connect(folder, Recorder(ledger, "test"))
    assert other.sites == sites.names
    other.heal()
    assert reaches(sites, "site-1", "site-3")


def test_closing_leaves_nothing(sites, folder, ledger):
    wan = NetemWan.start(sites.networks, folder, Recorder(ledger, "test"))
    assert [(thing.kind, thing.name) for thing in ledger.held("test")] == [
        ("namespace", wan.backbone)
    ]
    wan.close()
    assert not ledger.held("test")
    assert not list(folder.iterdir())
    assert not reaches(sites, "site-1", "site-2")
    names = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert wan.backbone not in names
    wan.close()


def test_failing_to_start_leaves_nothing(sites, folder, ledger, monkeypatch):
    monkeypatch.setattr(netem_commands, "netem_options", lambda *_, up: "no-such-qdisc")
    with pytest.raises(WanError, match="could not be changed"):
        NetemWan.start(sites.networks, folder, Recorder(ledger, "test"))
    assert not ledger.held("test")
    assert not list(folder.iterdir())
    names = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"^wan-[0-9a-f]{10}\b", names, re.M)


def all_pulses(netem):
    for _ in netem.networks:
        netem.pulse()


@pytest.mark.parametrize(
    "change",
    [
        "tc qdisc delete dev wan0 root",
        "tc qdisc replace dev wan0 parent 1:12 handle 12: pfifo limit 7",
        "ip link set wan0 down",
        "ip link delete wan0",
    ],
)
def test_rules_that_somebody_changed_are_noticed(netem, sites, change):
    netem.shape([[0] * 3] * 3, WanSettings())
    all_pulses(netem)
    all_pulses(netem)
    router = sites.networks[1].namespace_path.name
    subprocess.run(["ip", "netns", "exec", router, *change.split()], check=True)
    with pytest.raises(WanError, match=r"site-2 is not as it was shaped|lost a router"):
        all_pulses(netem)


def test_changes_of_ones_own_are_none(netem):
    all_pulses(netem)
    netem.cut(["site-3"])
    all_pulses(netem)
    netem.heal()
    all_pulses(netem)
