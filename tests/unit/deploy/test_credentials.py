"""The secrets of a lease: its own, kept where nobody else reads them, and told nowhere."""

import base64
import os
from pathlib import Path

import pytest
import yaml

from discovery.deploy import Deployment
from discovery.deploy.backends import BACKENDS, counters_with
from discovery.deploy.credentials import FILE, Secrets, secrets_in
from discovery.deploy.playbook import ANSIBLE
from discovery.errors import DeployError

DEPLOY = ANSIBLE / "deploy"

# Variables of the playbooks with a secret in them.
SECRET = (
    "store_password", "messages_password", "service_users", "transport_url", "keystone_databases",
    "bootstrap_databases", "databases[", "keystone_keys", "keystone_users", "admin.password",
    "everyone", "administrator", "questions", "seed ", "mariadb_password", "postgresql_password",
    "{{ statements", "users}", "users +", "users |", "'admin'", "wrapped",
)  # fmt: skip


def test_every_lease_has_secrets_of_its_own_and_keeps_them(tmp_path):
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    first = secrets_in(one)
    assert secrets_in(one) == first
    assert not set(first.all()) & set(secrets_in(two).all())
    assert len(set(first.all())) == len(first.all()) == 2 + 11 + 4
    assert all(len(secret) >= 44 for secret in first.all())
    assert [path.name for path in one.iterdir()] == [FILE]


def test_only_its_owner_reads_them_whatever_the_umask_is(tmp_path):
    before = os.umask(0)
    try:
        secrets_in(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"store": 1, "more": 2}', "\0"])
def test_a_file_that_holds_none_is_one_sentence(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(DeployError, match="passwords cannot be read") as raised:
        secrets_in(tmp_path)
    assert str(tmp_path / FILE) in str(raised.value)


def test_nothing_that_is_printed_has_one():
    secrets = Secrets.fresh()
    deployment = Deployment(BACKENDS["mariadb"], (), "0123", Path("log"), secrets)
    printed = repr((secrets, deployment, deployment.admin, deployment.users))
    assert "load-6" in printed
    assert not [secret for secret in secrets.all() if secret in printed]
    said = " ".join(f"({secret})" for secret in secrets.all())
    assert secrets.hide(said) == " ".join(["(***)"] * len(secrets.all()))


def test_a_log_that_has_one_is_kept_without_it(tmp_path):
    secrets = Secrets.fresh()
    (tmp_path / "1.log").write_bytes(b"\xff (" + secrets.store.encode() + b")\r\n")
    (tmp_path / "2.log").write_bytes(b"\xff nothing\r\n")
    secrets.hide_in(tmp_path)
    assert (tmp_path / "1.log").read_bytes() == b"\xff (***)\r\n"
    assert (tmp_path / "2.log").read_bytes() == b"\xff nothing\r\n"


def test_keystones_keys_are_fernets():
    keys = Secrets.fresh().keys
    assert sorted(keys) == [
        "credential-keys/0", "credential-keys/1", "fernet-keys/0", "fernet-keys/1",
    ]  # fmt: skip
    assert all(len(base64.urlsafe_b64decode(key)) == 32 for key in keys.values())
    assert len(set(keys.values())) == 4


def test_who_counts_on_redis_has_the_leases_password():
    told = counters_with(BACKENDS["rome"], "0123")
    assert told["connect"]["password"] == "0123"
    assert BACKENDS["rome"].counters["connect"]["password"] == ""
    assert counters_with(BACKENDS["mariadb"], "0123") == BACKENDS["mariadb"].counters


def tasks_in(items):
    for item in items:
        yield from tasks_in(item.get("tasks", ()))
        if "tasks" not in item:
            yield item


TASKS = [
    (path.relative_to(DEPLOY), task)
    for path in sorted(DEPLOY.rglob("*.yml"))
    if "defaults" not in path.parts
    for document in [yaml.safe_load(path.read_text(encoding="utf-8"))]
    if isinstance(document, list)
    for task in tasks_in(document)
]


@pytest.mark.parametrize(
    ("path", "task"), TASKS, ids=[f"{path.parent}-{task.get('name')}" for path, task in TASKS]
)
def test_no_task_gives_a_secret_to_a_program_as_an_argument(path, task):
    """Everybody on a machine reads the arguments of its processes, and the host those of its nodes.

    A program's input is its own. So is its environment, but for what Ansible sets of it: that is on
    a shell's command line.
    """
    shown = [task.get("environment")]
    for name, arguments in task.items():
        if name.startswith("ansible.builtin.") and "include" not in name and "import" not in name:
            given = arguments if isinstance(arguments, dict) else {"cmd": arguments}
            shown += [value for key, value in given.items() if key != "stdin"]
    text = str(shown)
    assert not [word for word in SECRET if word in text]
    if "lookup('template', template" in text:
        role = DEPLOY / path.parts[0] / path.parts[1]
        for template in task["vars"]["files"]:
            content = (role / "templates" / template).read_text(encoding="utf-8")
            assert not [word for word in SECRET if word in content], template
