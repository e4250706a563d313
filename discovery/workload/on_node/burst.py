"""Boots many servers at once through the sites' Nova APIs, and deletes them; on a client node.

``burst.py boot CONFIG`` requests all servers at the same moment and watches them until each is
ACTIVE or has failed, or the deadline is over. ``burst.py delete CONFIG`` deletes those that there
are and watches until they are gone. Both write CONFIG's ``output`` whole (the second adds to what
the first wrote) and print a summary as one JSON object. ``burst.py survey CONFIG`` writes what the
API says of all servers of all projects, and of what each project is said to use; its CONFIG has an
administrator's ``auth``, ``projects`` (ids) that are asked for although they may have no server,
and of the rest ``keystone``, ``apis``, ``request_timeout_s`` and ``output``.

CONFIG is ``{"keystone": URL, "auth": {"username", "password", "project_name"}, "apis": {site: Nova
URL}, "servers": how many, "first": number of the first, "prefix": of their names, "image": id,
"flavor": id, "zones": {site: availability zone} or {}, "start_at": s since the epoch or null,
"poll_s", "boot_deadline_s", "boot_idle_s", "delete_deadline_s", "request_timeout_s", "tries",
"output": file}``. It waits until the deadline, or until no server has become ACTIVE, failed or been
accepted for ``boot_idle_s``; what has not ended then is unfinished.
Server number *i* is requested at the API of site *i* modulo their number. A server that fails is a
result.

A request is sent again, at most ``tries`` times in all, only if it was certainly not executed: the
API could not be connected to, or answered 429 or 503. A boot whose answer was lost is looked for by
the server's name. Watching costs a list of ids per ``poll_s``, from one API after the other, and
one request for each server that has left BUILD; times of ACTIVE are late by ``poll_s``, and by what
the list takes, at most.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1
MICROVERSION = "2.79"
AGAIN = (429, 503)
PAUSE_S = 0.5
WATCHERS = 8
MISSED = 3
"""How often a server that was accepted may be unknown (404) before it counts as vanished."""

Server = dict[str, Any]
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class NoAnswerError(Exception):
    """A request that nobody answered; ``sent`` says whether it may have been executed."""

    def __init__(self, error: Exception, *, sent: bool) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.sent = sent


def ask(
    method: str, url: str, headers: dict[str, str], body: Any = None, timeout: float = 60.0
) -> tuple[int, Any, dict[str, str]]:
    """Status, body (None where it is not JSON) and headers of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    for name, value in {"Content-Type": "application/json", **headers}.items():
        request.add_header(name, value)
    try:
        with _open(request, timeout=timeout) as answer:
            return answer.status, _json(answer.read()), dict(answer.headers)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, _json(refused.read()), dict(refused.headers)
    except urllib.error.URLError as error:
        sent = not isinstance(error.reason, ConnectionRefusedError)
        raise NoAnswerError(error, sent=sent) from None
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(error, sent=True) from None


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def message_of(body: Any) -> str:
    """What an error's answer says; OpenStack wraps it in an object of any name."""
    if isinstance(body, dict):
        for value in body.values():
            if isinstance(value, dict) and "message" in value:
                return str(value["message"])
    return ""


class Cloud:
    """The sites' Novas, with a token that is renewed where it is refused."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.apis: dict[str, str] = config["apis"]
        self.timeout = float(config["request_timeout_s"])
        self._turns = itertools.cycle(sorted(self.apis))
        self._lock = threading.Lock()
        self.project: str | None = None
        self._token = self._log_in()

    def _log_in(self) -> str:
        given = self.config["auth"]
        domain = {"id": "default"}
        user = {"name": given["username"], "password": given["password"], "domain": domain}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": given["project_name"], "domain": domain}},
            }
        }
        url = f"{self.config['keystone']}/auth/tokens"
        status, said, headers = ask("POST", url, {}, body, self.timeout)
        if status != 201:
            raise SystemExit(f"{url} answered {status}: {message_of(said)}")
        self.project = said["token"]["project"]["id"]
        return next(value for name, value in headers.items() if name.lower() == "x-subject-token")

    def ask(self, site: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request to a site's Nova."""
        token = self._token
        for _ in range(2):
            headers = {"X-Auth-Token": token, "OpenStack-API-Version": f"compute {MICROVERSION}"}
            url = self.apis[site] + path
            status, said, _ = ask(method, url, headers, body, self.timeout)
            if status != 401:
                break
            with self._lock:
                if self._token == token:
                    self._token = self._log_in()
                token = self._token
        return status, said

    def patiently(
        self, server: Server, what: str, method: str, path: str, body: Any = None
    ) -> tuple[int, Any]:
        """`ask`, again where the first was certainly not executed; ``server`` has how often."""
        site = server["api_site"]
        for left in reversed(range(self.config["tries"])):
            server[what] += 1
            try:
                status, said = self.ask(site, method, path, body)
            except NoAnswerError as error:
                if error.sent or not left:
                    raise
            else:
                if status not in AGAIN or not left:
                    return status, said
            time.sleep(PAUSE_S)
        raise AssertionError("tries is at least 1")

    def listed(self, query: dict[str, str], what: str = "servers") -> list[dict[str, Any]]:
        """Servers that ``query`` selects, from the API whose turn it is, page after page."""
        site = next(self._turns)
        path = f"/{what}?" + urllib.parse.urlencode(query)
        found: list[dict[str, Any]] = []
        while path:
            status, said = self.ask(site, "GET", path)
            if status != 200:
                raise NoAnswerError(OSError(f"{site} answered {status}"), sent=True)
            found += said["servers"]
            more = {link["rel"]: link["href"] for link in said.get("servers_links", [])}
            _, _, rest = more.get("next", "").partition("?")
            path = f"/{what}?{rest}" if rest else ""
        return found


def all_at_once(
    servers: list[Server], work: Callable[[Server], None], start_at: float | None
) -> None:
    """``work`` on every server, each in a thread of its own, let go together."""
    go = threading.Event()

    def run(server: Server) -> None:
        go.wait()
        work(server)

    threads = [threading.Thread(target=run, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    if start_at is not None:
        time.sleep(max(0.0, start_at - time.time()))
    go.set()
    for thread in threads:
        thread.join()


class Burst:
    """The servers of one client, and what was seen of them."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.cloud = Cloud(config)
        self.polls: dict[str, list[dict[str, Any]]] = {"boot": [], "delete": []}
        # Not anchored: what Nova takes for a regular expression on MariaDB is a part of a name to
        # it, by LIKE, on a database whose URL it does not know.
        self._ours = {"name": f"{config['prefix']}-"}
        sites = sorted(config["apis"])
        self.servers: list[Server] = [
            {
                "name": f"{config['prefix']}-{number:04d}",
                "api_site": (site := sites[number % len(sites)]),
                "zone": config["zones"].get(site),
                **dict.fromkeys(
                    ("id", "request_start", "accepted", "ended", "failure", "fault", "host",
                     "node", "delete_start", "delete_accepted", "gone", "delete_failure")
                ),
                "boot_tries": 0, "delete_tries": 0, "missed": 0,
            }
            for number in range(config["first"], config["first"] + config["servers"])
        ]  # fmt: skip

    def boot(self) -> None:
        """Request all, and watch until each has ended."""
        requested = threading.Thread(
            target=all_at_once, args=(self.servers, self._request, self.config["start_at"])
        )
        requested.start()
        began = moved = max(time.time(), self.config["start_at"] or 0.0)
        left = len(self.servers)
        with ThreadPoolExecutor(WATCHERS) as watchers:
            for listed in self._polls(
                "boot", began + self.config["boot_deadline_s"], {"status": "BUILD"}
            ):
                if listed is not None:
                    building = {entry["id"] for entry in listed}
                    done = [s for s in self._pending() if s["id"] and s["id"] not in building]
                    list(watchers.map(self._look, done, itertools.repeat(time.time())))
                    if not requested.is_alive():
                        self._adopt()
                pending = len(self._pending())
                if not pending:
                    break
                if requested.is_alive() or pending < left:
                    left, moved = pending, time.time()
                elif time.time() - moved > self.config["boot_idle_s"]:
                    break
        requested.join()
        for server in self._pending():
            self._failed(server, "unfinished", "")

    def _request(self, server: Server) -> None:
        body = {
            "name": server["name"], "imageRef": self.config["image"],
            "flavorRef": self.config["flavor"], "networks": "none",
        }  # fmt: skip
        if server["zone"]:
            body["availability_zone"] = server["zone"]
        server["request_start"] = time.time()
        try:
            status, said = self.cloud.patiently(
                server, "boot_tries", "POST", "/servers", {"server": body}
            )
        except NoAnswerError as error:
            server["fault"] = str(error)
            if not error.sent:
                self._failed(server, "no-connection", str(error))
            return
        if status == 202:
            server["accepted"] = time.time()
            server["id"] = said["server"]["id"]
        else:
            self._failed(server, f"http-{status}", message_of(said))

    def _pending(self) -> list[Server]:
        return [server for server in self.servers if server["ended"] is None]

    @staticmethod
    def _failed(server: Server, kind: str, fault: str) -> None:
        server.update(ended=time.time(), failure=kind, fault=fault or server["fault"])

    def _adopt(self) -> None:
        """Find the servers whose boot was not answered; those that are not there, failed."""
        lost = {server["name"]: server for server in self._pending() if not server["id"]}
        if not lost:
            return
        with contextlib.suppress(NoAnswerError):
            for entry in self.cloud.listed(self._ours):
                if entry["name"] in lost:
                    lost.pop(entry["name"])["id"] = entry["id"]
            for server in lost.values():
                server["missed"] += 1
                if server["missed"] >= MISSED:
                    self._failed(server, "no-answer", "")

    def _look(self, server: Server, seen: float) -> None:
        """One server that was in BUILD no more when it was ``seen``, or was accepted since."""
        try:
            status, said = self.cloud.ask(server["api_site"], "GET", f"/servers/{server['id']}")
        except NoAnswerError:
            return  # the next poll asks again
        if status == 404:
            server["missed"] += 1
            if server["missed"] >= MISSED:
                self._failed(server, "vanished", "")
        if status != 200:
            return
        found, server["missed"] = said["server"], 0
        server["host"] = found.get("OS-EXT-SRV-ATTR:host")
        server["node"] = found.get("OS-EXT-SRV-ATTR:hypervisor_hostname")
        if found["status"] == "ACTIVE":
            server.update(ended=seen, failure=None, fault=None)
        elif found["status"] == "ERROR":
            self._failed(server, "error", str(found.get("fault", {}).get("message", "")))

    def delete(self) -> None:
        """Delete all that there are, and watch until they are gone."""
        there = [server for server in self.servers if server["id"]]
        began = time.time()
        all_at_once(there, self._delete, None)
        deadline = began + self.config["delete_deadline_s"]
        for listed in self._polls("delete", deadline, {}) if there else ():
            if listed is None:
                continue
            seen, left = time.time(), {entry["id"] for entry in listed}
            for server in there:
                if server["gone"] is None and server["id"] not in left:
                    server["gone"] = seen
            if all(server["gone"] for server in there):
                break
        for server in there:
            if server["gone"] is None and server["delete_failure"] is None:
                server["delete_failure"] = "unfinished"

    def _delete(self, server: Server) -> None:
        server["delete_start"] = time.time()
        try:
            status, _ = self.cloud.patiently(
                server, "delete_tries", "DELETE", f"/servers/{server['id']}"
            )
        except NoAnswerError:
            server["delete_failure"] = "no-answer"
            return
        if status in (204, 404):
            server["delete_accepted"] = time.time()
        else:
            server["delete_failure"] = f"http-{status}"

    def _polls(
        self, what: str, deadline: float, query: dict[str, str]
    ) -> Iterator[list[dict[str, Any]] | None]:
        """Lists of servers, one per ``poll_s``, until the deadline; none where nobody answered."""
        time.sleep(max(0.0, (self.config["start_at"] or 0.0) - time.time()))
        while time.time() < deadline:
            began = time.time()
            try:
                listed, error = self.cloud.listed({**self._ours, **query}), None
            except NoAnswerError as lost:
                listed, error = None, str(lost)
            self.polls[what].append(
                {"time": began, "seconds": time.time() - began, "error": error,
                 "listed": None if listed is None else len(listed)}
            )  # fmt: skip
            yield listed
            time.sleep(max(0.0, min(began + self.config["poll_s"], deadline) - time.time()))

    def write(self) -> None:
        """The result file, whole."""
        shown = {key: value for key, value in self.config.items() if key != "auth"}
        record = {
            "schema_version": SCHEMA_VERSION, "config": shown, "project": self.cloud.project,
            "servers": self.servers, "polls": self.polls,
        }  # fmt: skip
        output = Path(self.config["output"])
        partial = output.with_name(output.name + ".part")
        partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        partial.replace(output)

    def summary(self, verb: str) -> dict[str, Any]:
        """How it went: seconds from the first request to the last end, and failures by kind."""
        start, end, failure = {
            "boot": ("request_start", "ended", "failure"),
            "delete": ("delete_start", "gone", "delete_failure"),
        }[verb]
        done = [s for s in self.servers if s[end] is not None and s[failure] is None]
        starts = [s[start] for s in self.servers if s[start] is not None]
        return {
            "servers": len(self.servers) if verb == "boot" else len(starts),
            "done": len(done),
            "completion_s": max(s[end] for s in done) - min(starts) if done else None,
            "failures": dict(Counter(s[failure] for s in self.servers if s[failure] is not None)),
        }


def survey(config: dict[str, Any]) -> dict[str, Any]:
    """All servers, and what each of their projects is said to use."""
    cloud = Cloud(config)
    servers = [
        {
            "id": found["id"], "name": found["name"], "status": found["status"],
            "project": found["tenant_id"], "host": found.get("OS-EXT-SRV-ATTR:host"),
            "vcpus": found["flavor"]["vcpus"], "memory_mb": found["flavor"]["ram"],
        }
        for found in cloud.listed({"all_tenants": "1"}, "servers/detail")
    ]  # fmt: skip
    site = min(config["apis"])
    quotas = {}
    for project in sorted({*config["projects"], *(server["project"] for server in servers)}):
        path = f"/os-quota-sets/{project}/detail"
        status, said = cloud.ask(site, "GET", path)
        if status != 200:
            raise SystemExit(f"{site}{path} answered {status}: {message_of(said)}")
        quotas[project] = {
            resource: said["quota_set"][resource]["in_use"]
            for resource in ("instances", "cores", "ram")
        }
    return {"servers": servers, "quotas": quotas}


def main(arguments: list[str]) -> int:
    """Entry point: ``boot CONFIG`` | ``delete CONFIG`` | ``survey CONFIG``."""
    verb, config_file = arguments
    config = json.loads(Path(config_file).read_text(encoding="utf-8"))
    if verb == "survey":
        text = json.dumps(survey(config)) + "\n"
        Path(config["output"]).write_text(text, encoding="utf-8")
        return 0
    threading.stack_size(256 * 1024)  # hundreds of threads, each with one request
    burst = Burst(config)
    if verb == "delete":
        before = json.loads(Path(config["output"]).read_text(encoding="utf-8"))
        burst.servers, burst.polls = before["servers"], before["polls"]
    try:
        {"boot": burst.boot, "delete": burst.delete}[verb]()
    finally:
        burst.write()
    print(json.dumps(burst.summary(verb)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
