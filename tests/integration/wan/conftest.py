"""Two or three bare sites with a running forwarder between them."""

import pytest

from discovery.testbed.ledger import Ledger, Recorder
from discovery.testbed.wan.bare import BareSites
from discovery.testbed.wan.local import ForwarderWan
from discovery.testbed.wan.measure import parse_pings, ping_command
from discovery.testbed.wan.sites import ordered_pairs

PREFIX = "10.82"


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.jsonl")


@pytest.fixture(scope="module")
def sites():
    with BareSites(3, PREFIX) as made:
        yield made


@pytest.fixture
def ping(sites):
    """Pings as EnOSlib's nodes would, one site after the other."""

    def pinger(count, timeout_ms):
        addresses = [sites.address(name) for name in sites.names]
        answers = {}
        for name in sites.names:
            output = sites.run(name, "sh", "-c", ping_command(addresses, count, timeout_ms)).stdout
            found = parse_pings(output, count)
            for source, destination in ordered_pairs(sites.names):
                if source == name:
                    lost = [None] * count
                    answers[source, destination] = found.get(sites.address(destination), lost)
        return answers

    return pinger


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "lease"
    made.mkdir()
    return made


@pytest.fixture
def wan(sites, folder, ledger, ping):
    made = ForwarderWan.start(sites.networks, folder, Recorder(ledger, "test"), ping)
    yield made
    made.close()
