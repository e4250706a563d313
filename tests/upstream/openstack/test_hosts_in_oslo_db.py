"""oslo.db's loop of reconnections, with a host that drains before one that serves."""

import subprocess
from pathlib import Path

import pytest

from tests.postgresql_servers import postgresql_server
from tests.postgresql_stand_in import HOST, LEADS, Says, StandIn

SCRIPT = Path(__file__).parent / "cockroach/connect_hosts.py"
DRAINS = Says("57P01", "server is not accepting clients, try another node")
WRONG = Says("28P01", 'password authentication failed for user "tester"')


@pytest.fixture(scope="module")
def server():
    with postgresql_server() as server:
        yield server


def connected(openstack, *hosts):
    others = "&".join(f"host={HOST}:{host.port}" for host in hosts[1:])
    url = f"postgresql+oslo://tester@{HOST}:{hosts[0].port}/postgres?{others}"
    command = [openstack / "python", SCRIPT, url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_first_try_comes_to_the_next_host(openstack, server):
    with StandIn(DRAINS) as drains, StandIn(LEADS, server.port) as serves:
        assert connected(openstack, drains, serves) == str(serves.port)
        assert drains.met == 1


def test_all_that_drain_are_a_lost_connection_and_tried_again(openstack):
    with StandIn(DRAINS) as one, StandIn(DRAINS) as other:
        assert connected(openstack, one, other) == "DBConnectionError"
        assert one.met == other.met > 1


def test_a_wrong_password_is_said_once(openstack):
    with StandIn(WRONG) as one, StandIn(DRAINS) as other:
        assert connected(openstack, one, other) == "OperationalError"
        assert (one.met, other.met) == (1, 0)
