from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from discovery.deploy import BACKENDS, memory_mb
from discovery.deploy.credentials import Secrets
from discovery.deploy.playbook import ANSIBLE
from discovery.deploy.variants import VARIANTS
from discovery.errors import DeployError
from discovery.experiment.load import load_experiment
from discovery.results.raw import COUNTERS

ROLES = ANSIBLE / "deploy" / "roles"
KEYSTONE_2018 = Path(__file__).parents[3] / "experiments" / "keystone-2018"


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
        host="10.0.0.1",
        others="10.0.0.2",
        other_hosts="host=10.0.0.2",
        database="keystone",
        password="0123",
    )
    found = make_url(url)
    assert (found.host, found.database) == ("10.0.0.1", "keystone")
    # CockroachDB runs --insecure, as the study's did: it knows no password.
    assert found.password == (None if name == "cockroachdb" else "0123")
    assert {"queries", "commits"} <= set(backend.counters["queries"]) <= set(COUNTERS)


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_name_known_back_ends(name):
    for service, backend in VARIANTS[name].items():
        assert service == "keystone"
        assert backend in BACKENDS


def test_memory_grows_with_sites_and_servers():
    assert memory_mb("mariadb", 4) > memory_mb("mariadb", 3)
    assert memory_mb("galera", 3) > memory_mb("mariadb", 3)


# The largest that all processes on 3 sites were seen to have, MB.
SEEN = [
    ("mariadb", "light", 2, 26 + 323 + 192 + 254 + 12 + 228),
    ("mariadb", "light", 5, 25 + 399 + 201 + 413 + 25 + 306),
    ("mariadb", "light", 10, 15 + 428 + 196 + 673 + 22 + 310),
    ("mariadb", "high", 10, 191 + 786 + 191 + 666 + 191 + 665),
    ("galera", "light", 10, 15 + 436 + 200 + 800 + 15 + 435),
    ("galera", "high", 10, 191 + 804 + 192 + 802 + 192 + 807),
    ("postgresql", "high", 10, 191 + 836 + 194 + 708 + 192 + 743),
    # Before processes shared a replica; so rather more than now.
    ("rome", "light", 2, 24 + 248 + 199 + 271 + 25 + 242),
    ("rome", "light", 5, 26 + 324 + 193 + 437 + 26 + 318),
]


@pytest.mark.parametrize(("name", "load", "processes", "seen"), SEEN)
def test_memory_is_what_was_seen_and_little_more(name, load, processes, seen):
    files = 6 * 9 + {"mariadb": 135, "galera": 3 * 199, "postgresql": 40, "rome": 0}[name]
    planned = memory_mb(name, 3, load=load, processes=processes)
    assert seen + files < planned < 1.3 * (seen + files)


def test_the_tier_of_45_sites_fits_into_24_gb_and_more_of_a_server_per_site_would_not():
    tier = load_experiment(KEYSTONE_2018).tiers["scale"]
    processes = tier.keystone.processes

    def fits(name, sites):
        # What such a machine has free, less what stays so.
        return memory_mb(name, sites, load="light", processes=processes) < 20_400

    for grid in (tier.grid, *(grid for grid, _ in tier.further_grids())):
        assert grid.load == ("light",)
        for name in grid.backends:
            assert fits(name, max(grid.sites))
            assert max(grid.sites) == 45 or not fits(name, 45)


@pytest.mark.parametrize("name", ["rome-cluster", "cockroachdb"])
def test_a_cluster_with_too_few_sites_is_refused_by_name(name):
    with pytest.raises(DeployError, match=f"{name} needs 3 sites or more, and this is 2"):
        memory_mb(name, 2)


def test_a_cluster_takes_more_than_a_server():
    assert memory_mb("rome-cluster", 3) > memory_mb("rome", 3)


def test_the_load_has_two_users_in_each_of_three_projects():
    secrets = Secrets.fresh()
    projects = [user.project_name for user in secrets.load_users]
    assert sorted(projects) == [f"load-{number}" for number in (1, 1, 2, 2, 3, 3)]
    assert len({user.username for user in secrets.load_users}) == 6
    assert secrets.admin.as_rally()["user_domain_name"] == "Default"
