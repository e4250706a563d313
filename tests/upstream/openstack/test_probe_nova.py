"""The probe in unmodified Nova: its round trips are those on the wire, on each back end."""

import collections
import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from discovery.probe.lines import read
from tests.mariadb_servers import mariadb_server
from tests.postgresql_servers import postgresql_server
from tests.redis_servers import HOST, free_port

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
OPERATIONS = (
    "instance.create", "instance.get_by_uuid, 7 joined", "instance.save", "service heartbeat",
    "action start, event start, finish", "list 100 by host", "instance.destroy",
)  # fmt: skip


@contextlib.contextmanager
def postgresql():
    with postgresql_server() as server:
        server.create("nova_api")
        server.create("nova_cell1")
        yield server.port, lambda port, name: server.url(name, "psycopg2", port, sslmode="disable")


@contextlib.contextmanager
def mariadb():
    with mariadb_server() as server:
        server.create("nova_api")
        server.create("nova_cell1")
        yield server.port, lambda port, name: server.url(name, port)


@pytest.fixture(params=["postgresql", "mariadb", "rome"])
def database(request):
    """The server's port, and what makes a URL of a port and a database's name."""
    if request.param == "rome":
        single = request.getfixturevalue("single")
        yield single.port, lambda port, name: f"rome://{HOST}:{port}/probe_{name}"
        return
    with {"postgresql": postgresql, "mariadb": mariadb}[request.param]() as made:
        yield made


class Lines:
    """A process that answers a line with a line of JSON."""

    def __init__(self, *command):
        words = [str(word) for word in command]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, question=""):
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        return self.answer()

    def do(self, verb, **more):
        answer = self.ask(json.dumps({"do": verb, **more}))
        assert "answer" in answer, answer["error"]
        return answer["answer"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def test_round_trips_are_those_on_the_wire(openstack, database, tmp_path):
    port, url = database
    listen = free_port()
    (tmp_path / "records").mkdir()
    urls = {name: url(listen, name) for name in ("nova_api", "nova_cell1")}
    proxy = (sys.executable, BENCHMARKS / "rome" / "counting.py", listen, HOST, port)
    client = (
        openstack / "python", BENCHMARKS / "probe" / "nova_probed.py", json.dumps(urls), tmp_path,
        tmp_path / "records",
    )  # fmt: skip

    def calls():
        (record,) = (tmp_path / "records").iterdir()
        return read(record)[1]

    with Lines(*proxy) as wire, Lines(*client) as nova:
        assert nova.answer() == "ready"
        nova.do("populate")
        for operation in OPERATIONS:  # connections are opened, caches are filled
            nova.do("time", operation=operation, times=2 if operation == "instance.create" else 1)
        wrong = {}
        for operation in OPERATIONS:
            before, sent = len(calls()), wire.ask()["turns"]
            nova.do("time", operation=operation, times=1)
            news = calls()[before:]
            on_the_wire = wire.ask()["turns"] - sent
            assert news, operation
            assert not any(call.connections or call.error or call.db_errors for call in news)
            counted = sum(call.round_trips for call in news)
            if counted != on_the_wire:
                wrong[operation] = (counted, on_the_wire, news)
        assert not wrong


@pytest.fixture(params=["threads", "eventlet"])
def in_nova(request, openstack, tmp_path):
    """What `probe/in_nova.py` said, and the record that it left."""
    (tmp_path / "records").mkdir()
    script = Path(__file__).parent / "probe" / "in_nova.py"
    done = subprocess.run(
        [openstack / "python", script, tmp_path, request.param],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "records").iterdir()
    return json.loads(done.stdout.splitlines()[-1]), *read(file)


def test_every_access_is_one_call_whatever_runs_beside_it(in_nova):
    said, header, calls = in_nova
    assert (header.process, header.host, header.site, header.lost) == (
        "nova-conductor", "site-2-control", "site-2", 0,
    )  # fmt: skip
    assert said["strays"] == 0
    counted = collections.Counter((call.function, call.error) for call in calls)
    assert counted == {
        ("db.main.api.service_create", ""): 6,
        ("objects.service.Service._db_service_get_minimum_version", ""): 6,
        ("objects.service.Service._db_service_get_by_compute_host", ""): 6,
        ("objects.flavor._flavor_get_all_from_db", ""): 6,
        (
            "objects.instance_mapping.InstanceMapping._get_by_instance_uuid_from_db",
            "InstanceMappingNotFound",
        ): 6,
        ("db.main.api.service_get", "ServiceNotFound"): 6,
    }
    databases = {call.function.split(".")[1]: Path(call.database).name for call in calls}
    assert databases == {
        "main": "main.db", "service": "main.db", "flavor": "api.db", "instance_mapping": "api.db",
    }  # fmt: skip
    assert all(call.statements >= 1 and call.duration_s > 0 for call in calls)


def test_what_is_watched_of_this_nova(in_nova):
    said, _, _ = in_nova
    assert said["twice"] == []
    assert said["not_calls"] == []
    assert said["watched"]["nova.db.api.api"] == []
    main = said["watched"]["nova.db.main.api"]
    assert {"instance_create", "archive_deleted_rows", "purge_shadow_tables"} <= set(main)
    assert len(main) == 167


@pytest.mark.parametrize("folder", ["", "records", "/nowhere"])
def test_a_folder_that_cannot_be_used_ends_the_service(openstack, tmp_path, folder):
    file = tmp_path / "nova.conf"
    file.write_text(
        "[DEFAULT]\ntransport_url = fake:/\n[oslo_messaging_notifications]\n"
        f"driver = discovery-probe\n[discovery_probe]\nfolder = {folder}\n"
    )
    code = "import sys; from nova import config; config.parse_args(sys.argv)"
    done = subprocess.run(
        [openstack / "python", "-c", code, "--config-file", file],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"the probe cannot be loaded: [discovery_probe] folder = {folder}: must be the path of a "
        "folder, from the root, that this service may write to"
    )
