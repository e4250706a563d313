"""Writers on the same few rows of Keystone; each write has a mark that can be counted afterwards.

hot_load.py setup HOST PORT                            makes the rows, prints what they are
hot_load.py run HOST PORT WRITERS SECONDS SHARED       loads them, prints what became of it
"""

from __future__ import annotations

import collections
import http.client
import json
import random
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

DOMAIN = {"id": "default"}
PASSWORD = "secret"
MARK = "mark-"
Address = tuple[str, int]


def login(user: str, password: str) -> dict[str, Any]:
    """The body of a request for a token."""
    named = {"name": user, "domain": DOMAIN, "password": password}
    identity = {"methods": ["password"], "password": {"user": named}}
    return {"auth": {"identity": identity, "scope": {"project": {"name": user, "domain": DOMAIN}}}}


@dataclass
class Result:
    """What clients saw. ``marks``: mark → status of the one request that carried it."""

    seconds: float = 0.0
    statuses: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    latencies_s: list[float] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)
    failures: collections.Counter[str] = field(default_factory=collections.Counter)

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(self.statuses.values())

    @property
    def good(self) -> int:
        """Those that ended well."""
        return sum(n for (_, status), n in self.statuses.items() if status.startswith("2"))


class Hot:
    """The load: ``addresses`` of Keystones, which writers take in turn; ``shared``: its rows."""

    def __init__(self, addresses: list[Address], shared: dict[str, Any] | None = None) -> None:
        self._addresses = addresses
        self._lock = threading.Lock()
        self.result = Result()
        self._tokens = {address: self._token(address) for address in addresses}
        for address in addresses:
            # Keystone reads its policy with the first request that needs it, and meanwhile another
            # thread finds no rules, and answers 403.
            self._set_up(address, "GET", "/roles", None)
        self.shared = shared or self._make(addresses[0])

    def _make(self, first: Address) -> dict[str, Any]:
        project = {"project": {"name": "hot" + uuid.uuid4().hex, "domain_id": "default"}}
        made = self._set_up(first, "POST", "/projects", project)["project"]["id"]
        user = {"name": "hot" + uuid.uuid4().hex, "domain_id": "default", "password": "x" * 8}
        named = self._set_up(first, "POST", "/users", {"user": user})["user"]["id"]
        roles = self._set_up(first, "GET", "/roles", None)["roles"]
        granted = [role["id"] for role in roles if role["name"] in {"member", "reader"}]
        return {"project": made, "user": named, "roles": granted}

    def _token(self, address: Address) -> str:
        body = login("admin", PASSWORD)
        status, _, headers = self._send(address, "POST", "/auth/tokens", body)
        if status != "201":
            raise SystemExit(f"no token from {address}: {status}")
        return headers["X-Subject-Token"]

    def _set_up(self, address: Address, method: str, path: str, body: Any) -> Any:
        status, content, _ = self._send(address, method, path, body, self._tokens[address])
        if not status.startswith("2"):
            raise SystemExit(f"{method} {path}: {status} {content[:300]!r}")
        return json.loads(content)

    @staticmethod
    def _send(
        address: Address, method: str, path: str, body: Any, token: str | None = None
    ) -> tuple[str, bytes, dict[str, str]]:
        headers = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token else {})
        connection = http.client.HTTPConnection(*address, timeout=120)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, "/v3" + path, data, headers)
            answer = connection.getresponse()
            return str(answer.status), answer.read(), dict(answer.headers)
        except OSError as error:
            return type(error).__name__, str(error).encode(), {}
        finally:
            connection.close()

    def _ask(
        self, address: Address, method: str, path: str, body: Any = None, mark: str | None = None
    ) -> None:
        began = time.perf_counter()
        status, content, _ = self._send(address, method, path, body, self._tokens[address])
        took = time.perf_counter() - began
        with self._lock:
            result = self.result
            result.statuses[f"{method} {path.split('/')[1]}", status] += 1
            result.latencies_s.append(took)
            if mark:
                result.marks[mark] = status
            if not status.startswith("2"):
                result.failures[f"{method} {status} {content[:120].decode(errors='replace')}"] += 1

    def _round(self, address: Address) -> None:
        """What everybody does: change the same project and user, tag them, make a project."""
        marks = [MARK + uuid.uuid4().hex for _ in range(4)]
        project, user = f"/projects/{self.shared['project']}", f"/users/{self.shared['user']}"
        self._ask(address, "PATCH", project, {"project": {"description": marks[0]}}, marks[0])
        self._ask(address, "PATCH", user, {"user": {"description": marks[1]}}, marks[1])
        self._ask(address, "PUT", f"{project}/tags", {"tags": [marks[2]]}, marks[2])
        role = random.choice(self.shared["roles"])
        self._ask(address, "PUT", f"{project}{user}/roles/{role}")
        made = {"name": marks[3], "description": marks[3], "domain_id": "default"}
        self._ask(address, "POST", "/projects", {"project": made}, marks[3])

    def look(self) -> list[str]:
        """The marks of the project and the user, as a Keystone shows them now."""
        first = self._addresses[0]
        return [
            self._set_up(first, "GET", f"/{kind}s/{self.shared[kind]}", None)[kind]["description"]
            for kind in ("project", "user")
        ]

    def run(self, writers: int, seconds: float) -> Result:
        """Load for so long, and what became of it."""
        end = time.monotonic() + seconds

        def write(address: Address) -> None:
            while time.monotonic() < end:
                self._round(address)

        count = len(self._addresses)
        threads = [
            threading.Thread(target=write, args=(self._addresses[number % count],))
            for number in range(writers)
        ]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.result.seconds = time.monotonic() - began
        return self.result


def main() -> None:
    do, host, port, *rest = sys.argv[1:]
    address = (host, int(port))
    if do == "setup":
        json.dump(Hot([address]).shared, sys.stdout)
        return
    writers, seconds, shared = rest
    result = Hot([address], json.loads(shared)).run(int(writers), float(seconds))
    statuses = [[name, status, n] for (name, status), n in result.statuses.items()]
    said = {
        "seconds": result.seconds, "statuses": statuses, "marks": result.marks,
        "latencies_s": result.latencies_s, "failures": dict(result.failures),
    }  # fmt: skip
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
