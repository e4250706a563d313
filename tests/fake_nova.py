"""A Keystone and a Nova that say what a test wants, over real HTTP on loopback.

with FakeNova(build_s=0.2) as nova: nova.url, nova.keystone; nova.servers, nova.requests
"""

import json
import re
import socket
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.redis_servers import HOST

FOREVER = 1e9


class FakeNova:
    """One cloud behind as many APIs as a test likes: every address is the same one.

    ``build_s`` and ``delete_s`` by a server's name (a function) or for all; ``boot`` by name gives
    what happens to its request: ``"error"`` ERROR in the end, ``"never"`` BUILD for ever,
    ``"lost"`` executed and the connection dropped, ``"dropped"`` not executed and dropped,
    ``"vanish"`` forgotten once accepted, or ``(status, message)``, or ``("once", status)``.
    """

    def __init__(self, build_s=0.1, delete_s=0.05, boot=None, limit=1000, tokens=FOREVER):
        self.build_s = build_s if callable(build_s) else lambda _: build_s
        self.delete_s = delete_s if callable(delete_s) else lambda _: delete_s
        self.boot = boot or (lambda _: None)
        self.limit = limit
        self.tokens = tokens
        self.quota_is_wrong_by = 0
        self.servers = {}
        self.requests = []
        self.seen = set()
        self.issued = {}
        self.lock = threading.Lock()
        fake = self

        class Handler(_Handler):
            nova = fake

        self._server = _Server((HOST, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self):
        return self._server.server_address[1]

    @property
    def keystone(self):
        return f"http://{HOST}:{self.port}/v3"

    @property
    def url(self):
        return f"http://{HOST}:{self.port}/v2.1"

    def count(self, method, pattern):
        """How many requests were such."""
        return sum(m == method and bool(re.search(pattern, path)) for m, path in self.requests)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # What it does

    def state(self, server):
        if time.time() < server["until"]:
            return "BUILD"
        return "ERROR" if server["outcome"] == "error" else "ACTIVE"

    def make(self, name, outcome, body):
        key = str(uuid.uuid4())
        until = time.time() + (FOREVER if outcome == "never" else self.build_s(name))
        if outcome != "vanish":
            self.servers[key] = {
                "id": key, "name": name, "until": until, "outcome": outcome, "gone": None,
                "zone": body.get("availability_zone"), "body": body,
            }  # fmt: skip
        return key

    def alive(self):
        now = time.time()
        return [s for s in self.servers.values() if s["gone"] is None or now < s["gone"]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing is logged."""

    def answer(self, status, body=None, **headers):
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def drop(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def handle_one(self, method):
        nova = self.nova
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        with nova.lock:
            nova.requests.append((method, self.path))
        if self.path == "/v3/auth/tokens":
            token = uuid.uuid4().hex
            nova.issued[token] = 0
            project = {"id": "project-1", "name": body["auth"]["scope"]["project"]["name"]}
            return self.answer(201, {"token": {"project": project}}, X_Subject_Token=token)
        token = self.headers.get("X-Auth-Token")
        with nova.lock:
            nova.issued[token] = nova.issued.get(token, nova.tokens) + 1
        if nova.issued[token] > nova.tokens:
            return self.answer(401, {"error": {"message": "who are you?"}})
        path, _, query = self.path.removeprefix("/v2.1").partition("?")
        return getattr(self, f"{method.lower()}_server")(
            path, dict(urllib.parse.parse_qsl(query)), body
        )

    def post_server(self, path, query, body):
        nova, name = self.nova, body["server"]["name"]
        outcome = nova.boot(name)
        if isinstance(outcome, tuple):
            first, then = outcome
            if first != "once":
                return self.answer(first, {"forbidden": {"message": then}})
            if name not in nova.seen:
                nova.seen.add(name)
                return self.answer(then, {"busy": {"message": "later"}})
        if outcome == "dropped":
            return self.drop()
        with nova.lock:
            key = nova.make(name, outcome, body["server"])
        if outcome == "lost":
            return self.drop()
        return self.answer(202, {"server": {"id": key}})

    def get_server(self, path, query, body):
        nova = self.nova
        with nova.lock:
            alive = nova.alive()
        if path.startswith("/os-quota-sets/"):
            used = len(alive) + nova.quota_is_wrong_by
            in_use = {"instances": used, "cores": len(alive), "ram": 512 * len(alive)}
            quotas = {name: {"in_use": count, "limit": -1} for name, count in in_use.items()}
            return self.answer(200, {"quota_set": quotas})
        if path not in ("/servers", "/servers/detail"):
            found = [s for s in alive if s["id"] == path.rpartition("/")[2]]
            if not found:
                return self.answer(404, {"itemNotFound": {"message": "no such server"}})
            state = nova.state(found[0])
            shown = {
                "id": found[0]["id"], "status": state,
                "OS-EXT-SRV-ATTR:host": "host-1", "OS-EXT-SRV-ATTR:hypervisor_hostname": "node-1",
            }  # fmt: skip
            if state == "ERROR":
                shown["fault"] = {"code": 500, "message": "No valid host was found."}
            return self.answer(200, {"server": shown})
        wanted = [
            s for s in alive
            # A pattern to Nova on MariaDB, a part of the name to Nova on any other database.
            if re.search(query.get("name", ""), s["name"]) and query.get("name", "") in s["name"]
            and query.get("status") in (None, nova.state(s))
        ]  # fmt: skip
        wanted.sort(key=lambda s: s["id"])
        rest = [s for s in wanted if s["id"] > query.get("marker", "")]
        page = rest[: nova.limit]
        shown = [{"id": s["id"], "name": s["name"]} for s in page]
        if path.endswith("/detail"):
            flavor = {"vcpus": 1, "ram": 512}
            for one, server in zip(shown, page, strict=True):
                one.update(
                    status=nova.state(server), tenant_id="project-1", flavor=flavor,
                    **{"OS-EXT-SRV-ATTR:host": "host-1"},
                )  # fmt: skip
        answer = {"servers": shown}
        if len(rest) > len(page):
            more = urllib.parse.urlencode({**query, "marker": page[-1]["id"]})
            answer["servers_links"] = [{"rel": "next", "href": f"{nova.url}{path}?{more}"}]
        return self.answer(200, answer)

    def delete_server(self, path, query, body):
        nova = self.nova
        with nova.lock:
            server = nova.servers.get(path.rpartition("/")[2])
            if server is None:
                return self.answer(404, {"itemNotFound": {"message": "no such server"}})
            server["gone"] = time.time() + nova.delete_s(server["name"])
        return self.answer(204)

    def do_GET(self):
        self.handle_one("GET")

    def do_POST(self):
        self.handle_one("POST")

    def do_DELETE(self):
        self.handle_one("DELETE")
