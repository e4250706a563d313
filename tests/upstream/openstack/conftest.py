import os

import pytest
from environment import openstack_bin

from discovery.errors import MachineError
from tests.redis_servers import redis_cluster, redis_server

FULL = os.environ.get("DISCOVERY_UPSTREAM") == "full"


@pytest.fixture(scope="session")
def openstack():
    """The ``bin`` folder of a Python that has OpenStack and ROME."""
    try:
        return openstack_bin()
    except MachineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def full():
    """Whether ``DISCOVERY_UPSTREAM=full`` asks for every test on every database."""
    return FULL


@pytest.fixture(scope="session")
def single(tmp_path_factory):
    """One Redis server."""
    with redis_server(tmp_path_factory.mktemp("single")) as server:
        yield server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A Redis Cluster of six nodes: three masters, a replica of each."""
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as servers:
        yield servers
