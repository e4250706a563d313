"""What a new control plane is filled with, against a stand-in for the services' APIs."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from discovery.deploy.nova.deployment import FLAVORS, IMAGE
from discovery.deploy.playbook import ANSIBLE

SEED = ANSIBLE / "deploy" / "files" / "seed.py"
UP = [
    {"binary": "nova-conductor", "host": "site-1-control", "state": "up"},
    {"binary": "nova-compute", "host": "site-1-compute", "state": "down"},
]


class Apis(BaseHTTPRequestHandler):
    """Keystone, Nova, Glance and Placement in one; remembers what was asked of it."""

    asked: list[tuple[str, str, object]]

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        wanted = json.loads(body) if body.startswith(b"{") else len(body)
        self.asked.append((self.command, self.path, wanted))
        answers = {
            ("GET", "/v3/services"): {"services": [{"type": "identity", "id": "keystone"}]},
            ("POST", "/v3/services"): {"service": {"id": "made"}},
            ("POST", "/v2/images"): {"id": IMAGE["id"]},
            ("GET", "/v2.1/os-services"): {"services": UP},
        }
        text = json.dumps(answers.get((self.command, self.path), {})).encode()
        self.send_response(200)
        self.send_header("X-Subject-Token", "token")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815  (names of the base class)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def apis() -> Iterator[tuple[str, list[tuple[str, str, object]]]]:
    handler = type("Handler", (Apis,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.asked
        server.shutdown()


def test_catalog_flavors_and_image_are_made_and_a_compute_that_is_late_is_named(apis):
    url, asked = apis
    question = {
        "keystone": f"{url}/v3",
        "nova": f"{url}/v2.1",
        "glance": url,
        "placement": url,
        "admin": {"username": "admin", "password": "x", "project_name": "admin"},
        "regions": {"site-1": {"identity": "http://k", "compute": "http://n"}},
        "flavors": list(FLAVORS),
        "image": IMAGE,
        "services": {"nova-conductor": ["site-1-control"], "nova-compute": ["site-1-compute"]},
        "providers": 5,
        "zones": {},
        "seconds": 0,
    }
    done = subprocess.run(
        [sys.executable, str(SEED)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {
        "late": ["discovery-nova-compute", "site-1-compute", "has not reported itself to Nova"]
    }
    made = [
        wanted["endpoint"]
        for method, path, wanted in asked
        if (method, path) == ("POST", "/v3/endpoints")
    ]
    assert [(one["region_id"], one["service_id"], one["url"]) for one in made] == [
        ("site-1", "keystone", "http://k"),
        ("site-1", "made", "http://n"),
    ]
    flavors = [wanted["flavor"]["name"] for _, path, wanted in asked if path.endswith("/flavors")]
    assert flavors == ["m1.tiny", "m1.small", "m1.medium", "m1.large", "m1.xlarge"]
    assert ("PUT", f"/v2/images/{IMAGE['id']}/file", 512) in asked


def test_every_node_of_a_zones_hosts_is_in_its_aggregate():
    names = ("a-compute-node-1", "a-compute-node-2", "b-compute", "a-compute2-node-1")
    asked = []

    def api(method: str, url: str, body: object = None) -> dict[str, object]:
        asked.append((method, url, body))
        if method == "GET":
            return {"resource_providers": [{"name": name, "uuid": name} for name in names]}
        zone = body.get("aggregate", {}).get("name") if isinstance(body, dict) else None
        return {"aggregate": {"id": 7, "uuid": zone}}

    question = {"nova": "n", "placement": "p", "zones": {"a": ["a-compute"], "b": ["b-compute"]}}
    runpy.run_path(str(SEED))["make_zones"](api, question)
    assert [(url.split("/")[2], body) for method, url, body in asked if method == "PUT"] == [
        ("a-compute-node-1", ["a"]),
        ("a-compute-node-2", ["a"]),
        ("b-compute", ["b"]),
    ]
