"""Pings through EnOSlib, with this machine standing in for every site's control node."""

import sys

import enoslib as en
import pytest

from discovery.errors import WanError
from discovery.testbed.leases import Node
from discovery.testbed.wan.nodes import NodePing

# Ansible never closes the file that it locks while it connects.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file <_io.BufferedRandom:ResourceWarning")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # EnOSlib writes its playbooks into the current folder


def node(number, *, role="control", **variables):
    alias = f"site-{number}-{role}"
    variables = {"ansible_connection": "local", **variables}
    variables["ansible_python_interpreter"] = sys.executable
    host = en.Host(f"127.0.0.{number}", alias=alias, extra=variables)
    return Node(alias, f"site-{number}", role, f"127.0.0.{number}", host)


def test_every_site_pings_every_other_from_its_control_node():
    ping = NodePing([node(1), node(1, role="client"), node(2), node(3)])
    answers = ping(5, 1000)
    assert list(answers) == [
        ("site-1", "site-2"),
        ("site-1", "site-3"),
        ("site-2", "site-1"),
        ("site-2", "site-3"),
        ("site-3", "site-1"),
        ("site-3", "site-2"),
    ]
    assert all(len(row) == 5 and all(0 < trip < 50 for trip in row) for row in answers.values())


def test_a_node_that_cannot_be_reached_is_named():
    absent = node(2, ansible_connection="ssh", ansible_port=9)
    with pytest.raises(WanError, match="site-2-control cannot be reached"):
        NodePing([node(1), absent])(2, 1000)
