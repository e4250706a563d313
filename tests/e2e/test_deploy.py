"""Every back end, deployed on three local sites, is what it says it is."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import enoslib as en
import pytest

from discovery.deploy import BACKENDS, Deployment, deploy, drivers, memory_mb
from discovery.deploy.credentials import secrets_in
from discovery.deploy.slots import slot_of
from discovery.errors import DeployError
from discovery.experiment.models import DatabaseSettings, KeystoneSettings
from discovery.testbed import Lease, Node, lease, load_testbed
from discovery.workload.probes import PROGRAM
from tests import exposure, keystone_wheel

pytestmark = [pytest.mark.root, pytest.mark.timeout(600)]

SITES = ["site-1", "site-2", "site-3"]
SETTINGS = KeystoneSettings(cache="memcached", bcrypt_rounds=4, processes=4, threads=1)

# The program of each role that others reach.
SERVERS = {
    "mariadb": "mariadbd",
    "galera": "mariadbd",
    "postgresql": "postgres",
    "redis": "redis-server",
    "redis_cluster": "redis-server",
    "cockroach": "cockroach",
}

CLIENT = """
import json, sys, urllib.request
def call(method, url, token=None, body=None):
    request = urllib.request.Request(url, method=method, data=body and json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **({"X-Auth-Token": token} if token else {})})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.headers.get("X-Subject-Token"), json.load(answer)
def log_in(url, name, password, project):
    default = {"id": "default"}
    user = {"name": name, "domain": default, "password": password}
    return call("POST", url + "/auth/tokens", body={"auth": {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": project, "domain": default}}}})
"""


class Clock:
    """Keeps what each phase took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began


@pytest.fixture
def held(local_file: Path, own_home: Path, node_image: Path) -> Iterator[Lease]:
    """Three sites, in a state folder of the tests' own that shares the cached image and dumps."""
    (own_home / "images").symlink_to(node_image.parents[1])
    with lease(load_testbed(local_file), sites=3, purpose="deploy test") as nodes:
        yield nodes


def on(node: Node, command: str) -> str:
    (result,) = en.run_command(command, roles=[node.host])
    return str(result.payload["stdout"])


def put(node: Node, path: str, text: str) -> None:
    """Write a file on ``node``; encoded, since Ansible reads a command's quotes and braces."""
    encoded = base64.b64encode(text.encode()).decode()
    on(node, f"echo {encoded} | base64 --decode > {path}")


def in_python(node: Node, program: str) -> object:
    """What ``program`` leaves in ``answer``, run on ``node`` with the small client above."""
    text = f"{CLIENT}\n{program}\nprint(json.dumps(answer))"
    key = ["ssh", "-i", str(node.host.keyfile), "-o", "StrictHostKeyChecking=no"]
    options = ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    done = subprocess.run(
        [*key, *options, f"root@{node.host.address}", "python3", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def count(deployment: Deployment, node: Node) -> dict[str, float]:
    """The node's query counters, read as a probe does."""
    program = f"""
import json, sys
sys.path.insert(0, "/run")
from sample import counters_of
plan = json.loads({json.dumps(json.dumps(dict(deployment.query_counters)))})
print(json.dumps(counters_of(plan).read()))
"""
    path = "/run/count.py"
    put(node, "/run/sample.py", PROGRAM.read_text())
    put(node, path, program)
    return dict(json.loads(on(node, f"/opt/openstack/bin/python {path}")))


def slots_of(line: str) -> set[int]:
    """The slots of a node, in its line of `CLUSTER NODES`."""
    found: set[int] = set()
    for part in line.split()[8:]:
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def isolation(node: Node, url: str) -> str:
    """How transactions are isolated for who reaches the database by ``url`` and asks no more."""
    program = f"""
import sqlalchemy as sa
with sa.create_engine({url!r}).connect() as connection:
    print(connection.execute(sa.text("SHOW transaction_isolation")).scalar())
"""
    put(node, "/run/isolation.py", program)
    return on(node, "/opt/openstack/bin/python /run/isolation.py").strip()


def assert_foreign_keys_are_indexed(deployment: Deployment, node: Node) -> None:
    """Where our driver makes indexes for them, it has."""
    if not deployment.backend.optional_indexes:
        return
    url = deployment.database_urls[node.alias]
    program = f"""
import sqlalchemy as sa
with sa.create_engine({url!r}).connect() as connection:
    print(connection.execute(
        sa.text("SELECT count(*) FROM pg_catalog.pg_indexes WHERE indexname LIKE 'fkidx%'")
    ).scalar())
"""
    put(node, "/run/our_indexes.py", program)
    assert int(on(node, "/opt/openstack/bin/python /run/our_indexes.py")) > 10


def assert_keystone_is_as_published(control: dict[str, Node]) -> None:
    for node in control.values():
        put(node, "/run/keystone_wheel.py", Path(keystone_wheel.__file__).read_text())
        state = on(node, "/opt/openstack/bin/python /run/keystone_wheel.py")
        assert json.loads(state) == keystone_wheel.UNTOUCHED


def assert_the_database_is_on_site_1(control: dict[str, Node], password: str) -> None:
    ask = f"REDISCLI_AUTH={password} redis-cli --user openstack --no-auth-warning -h 127.0.0.1"
    nodes = on(control["site-2"], f"{ask} cluster nodes").splitlines()
    assert len(nodes) == 3
    (first,) = [line for line in nodes if f" {control['site-1'].address}:6379@" in line]
    assert slot_of("keystone") in slots_of(first)
    assert on(control["site-1"], f"{ask} dbsize") != "0"
    assert on(control["site-2"], f"{ask} dbsize") == "0"


MARIADB = "mariadb --no-defaults --socket /run/discovery-mariadb/mariadb.sock -N -e"


def assert_it_is_one_cluster(node: Node) -> None:
    ask = "SHOW STATUS LIKE 'wsrep_cluster_size'; SELECT @@wsrep_sync_wait"
    assert on(node, f'{MARIADB} "{ask}"').split() == ["wsrep_cluster_size", "3", "15"]


def everyone_seen(node: Node) -> int:
    """How many users have logged in already: their next log-in of the day writes nothing."""
    ask = "SELECT COUNT(*) FROM keystone.user WHERE last_active_at IS NOT NULL"
    return int(on(node, f"{MARIADB} '{ask}'"))


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each back end that this machine has."""
    why = BACKENDS[request.param].missing()
    if why is not None:
        pytest.skip(f"not run: {why}")
    return str(request.param)


def test_deployment(backend, held, tmp_path):  # noqa: PLR0915
    clock = Clock()
    driver = drivers.version() if drivers.serves(BACKENDS[backend].url) else None
    with exposure.watched() as arguments:
        deployment = deploy(held, backend, SETTINGS, DatabaseSettings(), clock)
        deployment.check_health()
    print(backend, {name: round(seconds, 1) for name, seconds in clock.seconds.items()})
    assert {"deploy:prepare", "deploy:database", "deploy:keystone"} <= set(clock.seconds)
    assert "deploy:install" not in clock.seconds

    assert deployment.secrets == secrets_in(held.folder)
    servers = {"uwsgi", "memcached", SERVERS[BACKENDS[backend].role]}
    exposure.assert_nothing_is_shown(deployment, held.nodes, arguments, servers)

    control = {node.site: node for node in held.nodes if node.role == "control"}
    assert list(deployment.urls) == SITES
    servers = SITES if BACKENDS[backend].placement == "every-site" else SITES[:1]
    assert [node.site for node in deployment.database_nodes] == servers

    # Each site's catalog names its own Keystone, though all share one database.
    user = deployment.users[0]
    for site, url in deployment.urls.items():
        program = f"""
_, issued = log_in({url!r}, {user.username!r}, {user.password!r}, {user.project_name!r})
token = issued["token"]
answer = [[endpoint["url"] for service in token["catalog"] for endpoint in service["endpoints"]],
          [role["name"] for role in token["roles"]]]
"""
        endpoints, roles = in_python(control[site], program)
        assert set(endpoints) == {url}
        assert "member" in roles
        assert "admin" not in roles

    # What one site writes, another reads; and the server that holds it has counted.
    counting = deployment.database_nodes[0 if backend == "rome-cluster" else -1]
    before = count(deployment, counting)
    admin = deployment.admin
    log_in = f"log_in(url, {admin.username!r}, {admin.password!r}, {admin.project_name!r})[0]"
    body = {"user": {"name": "made-at-site-3", "password": "x", "domain_id": "default"}}
    made = in_python(
        control["site-3"],
        f"url = {deployment.urls['site-3']!r}\n"
        f"answer = call('POST', url + '/users', {log_in}, {body!r})[1]['user']['id']",
    )
    seen = in_python(
        control["site-2"],
        f"url = {deployment.urls['site-2']!r}\n"
        f"answer = call('GET', url + '/users?name=made-at-site-3', {log_in})[1]['users']",
    )
    assert [user["id"] for user in seen] == [made]
    after = count(deployment, counting)
    assert after["queries"] > before["queries"]
    assert after["commits"] > before["commits"]

    versions = deployment.versions()
    assert versions["keystone"] == "30.0.0"
    assert versions["mariadb-server"].startswith("1:10.11")
    assert versions["rally-openstack"] == "4.1.0"
    assert versions["redis-server"].startswith("5:7.0")
    assert versions.get("discovery-drivers") == driver

    deployment.logs(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{node.alias}.log" for node in held.nodes
    )
    assert "uwsgi" in (tmp_path / "site-2-control.log").read_text()

    assert_keystone_is_as_published(control)

    if backend == "galera":
        assert_it_is_one_cluster(control["site-2"])
        assert everyone_seen(control["site-2"]) == 1 + len(deployment.users)

    assert_foreign_keys_are_indexed(deployment, control["site-2"])

    if backend.startswith("postgresql"):
        (url,) = set(deployment.database_urls.values())
        assert isolation(control["site-2"], url) == (
            "serializable" if backend == "postgresql-serializable" else "read committed"
        )

    if backend == "rome-cluster":
        assert_the_database_is_on_site_1(control, deployment.secrets.store)

    used = sum(
        int(line)
        for node in held.nodes
        for line in on(node, "cat /proc/[0-9]*/smaps_rollup | awk '/^Pss:/{print $2}'").split()
    )
    print(backend, f"{used / 1024:.0f} MB on all nodes, unloaded")
    assert used / 1024 < memory_mb(backend, 3)


def test_a_second_deployment_on_the_same_nodes_starts_from_the_dump(held):
    first = deploy(held, "mariadb", SETTINGS, DatabaseSettings(), Clock())
    statement = "mariadb --socket /run/discovery-mariadb/mariadb.sock keystone -N -e"
    on(first.database_nodes[0], f"{statement} 'CREATE TABLE left_over (id INT)'")
    second = deploy(held, "mariadb", SETTINGS, DatabaseSettings(), Clock())
    second.check_health()
    tables = on(second.database_nodes[0], f"{statement} 'SHOW TABLES'").split()
    assert "user" in tables
    assert "left_over" not in tables


def test_a_database_that_refuses_the_service_is_one_sentence(held):
    deployment = deploy(held, "galera", SETTINGS, DatabaseSettings(), Clock())
    change = "ALTER USER openstack@'%' IDENTIFIED BY 'another'"
    on(deployment.database_nodes[0], f'{MARIADB} "{change}"')
    for node in deployment.control_nodes:
        on(node, "systemctl restart discovery-keystone")
    with pytest.raises(DeployError, match=r"could not issue a token: .*") as raised:
        deployment.check_health()
    assert "discovery-keystone is active" in str(raised.value)
    assert "Access denied" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_task_that_fails_is_one_sentence_and_leaves_no_dump(held, node_image):
    settings = SETTINGS.model_copy(update={"bcrypt_rounds": 99})
    with pytest.raises(DeployError) as raised:
        deploy(held, "mariadb", settings, DatabaseSettings(), Clock())
    message = str(raised.value)
    assert "site-1-control: task 'keystone : Make tables and administrator'" in message
    assert "Invalid rounds" in message
    assert "\n" not in message
    assert Path(message.rpartition(" is in ")[2]).is_file()
    dumps = node_image.parent / "dumps" / "mariadb"
    assert not list(dumps.glob("bcrypt-99*"))
    assert not list(dumps.glob(".bootstrap-*"))


def test_a_node_that_has_died_is_named(held):
    deployment = deploy(held, "postgresql", SETTINGS, DatabaseSettings(), Clock())
    node = deployment.control_nodes[1]
    on(node, "systemctl stop discovery-keystone")
    with pytest.raises(DeployError, match="site-2 could not") as raised:
        deployment.check_health()
    assert "discovery-keystone is inactive" in str(raised.value)
