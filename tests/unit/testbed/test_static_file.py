"""What a testbed file of provider ``static`` may say, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from discovery.errors import ConfigError
from discovery.testbed.leases import ROLES, places, site_names
from discovery.testbed.ledger import Ledger, Recorder
from discovery.testbed.load import load_testbed
from discovery.testbed.request import Request
from discovery.testbed.static.config import StaticTestbed
from discovery.testbed.static.open import open_static

EXAMPLE = Path(__file__).parents[3] / "experiments" / "testbeds" / "static.yaml"

TWO_SITES = """
provider: static
sites:
  - network: 192.0.2.0/26
    control: {address: 192.0.2.11}
    client: {address: 192.0.2.12}
  - network: 192.0.2.64/26
    control: {address: 192.0.2.75}
    client: {address: b.example.org, testbed_address: 192.0.2.76, user: toor, port: 2222}
"""


def load(tmp_path: Path, text: str) -> StaticTestbed:
    path = tmp_path / "static.yaml"
    path.write_text(text)
    testbed = load_testbed(path)
    assert isinstance(testbed, StaticTestbed)
    return testbed


def request_for(tmp_path: Path, sites: int) -> Request:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    return Request("abcdef", "test", places([ROLES] * sites), tmp_path, Recorder(ledger, "abcdef"))


def test_the_example_is_valid() -> None:
    testbed = load_testbed(EXAMPLE)
    assert isinstance(testbed, StaticTestbed)
    assert len(testbed.sites) == 3


def test_a_machine_takes_from_the_file_what_it_does_not_say(tmp_path: Path) -> None:
    testbed = load(tmp_path, f"keyfile: /keys/all\n{TWO_SITES}")
    machines = {machine.alias: machine for *_, machine in testbed.machines(site_names(2))}
    assert list(machines) == [
        "site-1-control",
        "site-1-client",
        "site-2-control",
        "site-2-client",
    ]
    assert machines["site-1-control"].command == "ssh -i /keys/all -p 22 root@192.0.2.11"
    assert machines["site-2-client"].command == "ssh -i /keys/all -p 2222 toor@b.example.org"


def test_an_experiment_takes_the_first_sites(tmp_path: Path) -> None:
    machines = load(tmp_path, TWO_SITES).machines(site_names(1))
    assert [machine.alias for *_, machine in machines] == ["site-1-control", "site-1-client"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("192.0.2.75}", "192.0.2.12}", "outside the site's network"),
        ("address: 192.0.2.75}", "address: 192.0.2.11, testbed_address: 192.0.2.75}", "192.0.2.11"),
        ("testbed_address: 192.0.2.76", "testbed_address: 192.0.2.75", "stands for two machines"),
        ("testbed_address: 192.0.2.76, ", "", "there is no testbed_address"),
        ("port: 2222", "prot: 2222", "did you mean port?"),
        ("port: 2222", "port: 70000", "65535"),
        ("192.0.2.0/26", "192.0.2.0/99", "sites[0].network"),
        ("control: {address: 192.0.2.75}", "", "this key is missing"),
        ("address: b.example.org", "address: -oProxyCommand=x", "sites[1].client.address"),
        ("address: b.example.org", "address: b..example.org", "sites[1].client.address"),
        ("address: b.example.org", "address: " + 254 * "b", "sites[1].client.address"),
        ("address: 192.0.2.11", "address: 192.0.2.0", "192.0.2.0 is that of the whole network"),
        ("address: 192.0.2.11", "address: 192.0.2.63", "192.0.2.63 is that of the whole network"),
        ("network: 192.0.2.0/26", "network: 0.0.0.0/0", "holds others' machines; allowed: one of"),
        ("port: 2222", 'keyfile: ""', "sites[1].client.keyfile"),
        ("port: 2222", 'keyfile: "a\\nb"', "cannot be shown in a line"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, before: str, after: str, told: str) -> None:
    assert before in TWO_SITES
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, TWO_SITES.replace(before, after))
    assert told in str(caught.value)
    assert "static.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_few_sites_are_refused_before_anything_is_touched(tmp_path: Path) -> None:
    request = request_for(tmp_path, 3)
    with pytest.raises(ConfigError, match=r"needs 3 sites and the file has 2.*at least 3 sites"):
        open_static(load(tmp_path, TWO_SITES), request)
    assert request.recorder.ledger.held() == []


def test_a_key_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    request = request_for(tmp_path, 2)
    with pytest.raises(ConfigError, match=r"site-1-control.*private SSH key") as caught:
        open_static(load(tmp_path, f"keyfile: {tmp_path}/nowhere\n{TWO_SITES}"), request)
    assert caught.value.value == f"{tmp_path}/nowhere"
    assert request.recorder.ledger.held() == []


def test_the_home_of_nobody_is_no_key_file(tmp_path: Path) -> None:
    request = request_for(tmp_path, 2)
    with pytest.raises(ConfigError, match=r"~no-such-user/key.*private SSH key"):
        open_static(load(tmp_path, f"keyfile: ~no-such-user/key\n{TWO_SITES}"), request)


@pytest.mark.parametrize("user", ["-oProxyCommand=x", "a b", "", "'x;y'", '"a\\nb"', "ü", "5"])
def test_a_user_is_one_that_ssh_takes_for_one(tmp_path: Path, user: str) -> None:
    with pytest.raises(ConfigError, match=r"static\.yaml: user"):
        load(tmp_path, f"user: {user}\n{TWO_SITES}")
