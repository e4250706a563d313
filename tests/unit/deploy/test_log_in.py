"""Who logs everybody in before the services do, against a stand-in for Keystone."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from discovery.deploy.credentials import Secrets
from discovery.deploy.playbook import ANSIBLE

LOG_IN = ANSIBLE / "deploy" / "files" / "log_in.py"


class Keystone(BaseHTTPRequestHandler):
    """Takes the passwords that it knows; remembers who came, and never has two at once."""

    passwords: dict[str, str]
    came: list[tuple[str, str]]
    alone: threading.Lock

    def do_POST(self) -> None:  # a name of the base class
        assert self.alone.acquire(blocking=False)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        user = body["auth"]["identity"]["password"]["user"]
        known = self.path == "/v3/auth/tokens" and self.passwords[user["name"]] == user["password"]
        self.came.append((user["name"], body["auth"]["scope"]["project"]["name"]))
        self.send_response(201 if known else 401)
        self.send_header("Content-Length", "0")
        self.alone.release()
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def keystone() -> Iterator[tuple[str, Secrets, list[tuple[str, str]]]]:
    secrets, came = Secrets.fresh(), []
    given = {"passwords": dict(secrets.users), "came": came, "alone": threading.Lock()}
    handler = type("Handler", (Keystone,), given)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v3", secrets, came
        server.shutdown()


def run(url: str, users: list[dict[str, str]]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(LOG_IN)],
        input=json.dumps({"keystone": url, "users": users}),
        capture_output=True,
        text=True,
        check=False,
    )


def test_everybody_is_logged_in_one_after_the_other(keystone):
    url, secrets, came = keystone
    done = run(url, [asdict(user) for user in (secrets.admin, *secrets.service_users)])
    assert (done.returncode, done.stderr) == (0, "")
    assert came[0] == ("admin", "admin")
    assert came[1:] == [(user.username, "service") for user in secrets.service_users]


def test_who_is_refused_is_named_and_no_password_is(keystone):
    url, secrets, _ = keystone
    done = run(url, [asdict(secrets.admin) | {"password": "wrong-one"}])
    assert done.returncode == 1
    assert done.stderr == f"{url} does not log admin in: Unauthorized\n"
