from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from discovery.deploy import BACKENDS, memory_mb
from discovery.deploy.credentials import ADMIN, LOAD_USERS
from discovery.deploy.playbook import ANSIBLE
from discovery.deploy.variants import VARIANTS
from discovery.errors import DeployError
from discovery.results.raw import COUNTERS

ROLES = ANSIBLE / "deploy" / "roles"


@pytest.mark.parametrize("name", BACKENDS)
def test_a_back_end_has_what_a_deployment_needs(name):
    backend = BACKENDS[name]
    assert backend.name == name
    assert (ROLES / backend.role / "tasks" / "main.yml").is_file()
    if backend.dump is None:
        assert (ROLES / backend.role / "tasks" / "settle.yml").is_file()
    else:
        source = BACKENDS[backend.dump]
        for step in ("create", "pack"):
            assert (ROLES / source.role / "tasks" / f"{step}.yml").is_file()
    url = backend.url.format(
        host="10.0.0.1", others="10.0.0.2", other_hosts="host=10.0.0.2", database="keystone"
    )
    found = make_url(url)
    assert (found.host, found.database) == ("10.0.0.1", "keystone")
    assert {"queries", "commits"} <= set(backend.counters["queries"]) <= set(COUNTERS)


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_name_known_back_ends(name):
    for service, backend in VARIANTS[name].items():
        assert service == "keystone"
        assert backend in BACKENDS


def test_memory_grows_with_sites_and_servers():
    assert memory_mb("mariadb", 4) > memory_mb("mariadb", 3)
    assert memory_mb("galera", 3) > memory_mb("mariadb", 3)


@pytest.mark.parametrize("name", ["rome-cluster", "cockroachdb"])
def test_a_cluster_with_too_few_sites_is_refused_by_name(name):
    with pytest.raises(DeployError, match=f"{name} needs 3 sites or more, and this is 2"):
        memory_mb(name, 2)


def test_a_cluster_takes_more_than_a_server():
    assert memory_mb("rome-cluster", 3) > memory_mb("rome", 3)


def test_the_load_has_two_users_in_each_of_three_projects():
    projects = [user.project_name for user in LOAD_USERS]
    assert sorted(projects) == [f"load-{number}" for number in (1, 1, 2, 2, 3, 3)]
    assert len({user.username for user in LOAD_USERS}) == 6
    assert ADMIN.as_rally()["user_domain_name"] == "Default"
