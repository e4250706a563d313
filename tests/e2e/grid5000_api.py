"""A fake of the Grid'5000 REST API ("stable") on plain HTTP, for tests only.

It keeps the rules our code relies on: reservations are checked against the cluster's nodes and
the other reservations, jobs go waiting → launching → running, a deployment needs a running job
that holds its nodes, jobs and their deletion belong to a user, and every request is logged. The
machines behind it are whatever the test put there. Faults are switched on by :attr:`faults`.

Sources for the shapes of the answers: python-grid5000 1.2.5 and what EnOSlib 10.9 reads of them.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

USER, PASSWORD = "alice", "secret"
PARIS = ZoneInfo("Europe/Paris")
ACTIVE = ("waiting", "launching", "running")

Answer = tuple[int, dict[str, Any]]


@dataclass
class Faults:
    """What goes wrong: a message refuses reservations, numbers are seconds or requests."""

    refuse: dict[str, str] = field(default_factory=dict)  # Grid'5000 site → message
    kill_after_s: float | None = None
    server_errors: int = 0
    answer_delay_s: float = 0.0
    deployment_fails: bool = False


@dataclass
class Site:
    """A Grid'5000 site: its production network, and each cluster's node addresses."""

    network: str
    clusters: dict[str, list[str]]


@dataclass
class Job:
    uid: int
    site: str
    name: str
    types: list[str]
    queue: str
    nodes: list[str]
    start: float
    walltime: int
    submitted: float
    ended: bool = False


class RefusedError(Exception):
    """An answer that is not a success."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Grid5000Api:
    """The fake, listening on a port of loopback from construction to :meth:`close`.

    ``start_after_s``: how long a job waits before it runs. ``deploy_s``: how long a deployment
    takes. A reservation date is checked and recorded, but time is short here: the job starts
    ``start_after_s`` after its submission whatever its date.
    """

    def __init__(
        self, sites: dict[str, Site], *, start_after_s: float = 0.3, deploy_s: float = 0.3
    ) -> None:
        self.sites = sites
        self.start_after_s = start_after_s
        self.deploy_s = deploy_s
        self.faults = Faults()
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.jobs: dict[int, Job] = {}
        self.deployments: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Requests are kept in ``requests`` instead."""

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                code, answer = api.answer(
                    self.command, self.path, self.headers.get("Authorization", ""), body
                )
                payload = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815 (names the base class looks for)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/stable"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Grid5000Api:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def credentials(self, password: str = PASSWORD) -> str:
        """The text of a ``~/.python-grid5000.yaml`` that reaches this API."""
        return f"uri: {self.uri}\nusername: {USER}\npassword: {password}\nverify_ssl: false\n"

    def answer(self, verb: str, target: str, authorization: str, body: bytes) -> Answer:
        """What the API says to one request."""
        time.sleep(self.faults.answer_delay_s)
        url = urlsplit(target)
        data: dict[str, Any] = json.loads(body) if body else {}
        with self._lock:
            self.requests.append((verb, url.path, data))
            try:
                self._check(authorization)
                words = url.path.removeprefix("/stable").strip("/").split("/")
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                return self._route(verb, words, query, data)
            except RefusedError as refusal:
                return refusal.code, {
                    "code": refusal.code,
                    "title": "Refused",
                    "message": str(refusal),
                }

    def _check(self, authorization: str) -> None:
        if self.faults.server_errors > 0:
            self.faults.server_errors -= 1
            raise RefusedError(500, "Internal Server Error")
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if authorization != wanted:
            raise RefusedError(401, "Unauthorized")

    def _route(  # noqa: PLR0911, PLR0912 (a table of routes)
        self, verb: str, words: list[str], query: dict[str, str], data: dict[str, Any]
    ) -> Answer:
        if words == ["sites"]:
            return 200, _items([self._site(name) for name in self.sites])
        if words[0] != "sites" or words[1] not in self.sites:
            raise RefusedError(404, f"Not Found: {'/'.join(words)}")
        site, rest = words[1], words[2:]
        match (verb, rest):
            case ("GET", []):
                return 200, self._site(site)
            case ("GET", ["clusters"]):
                return 200, _items([_cluster(name) for name in self.sites[site].clusters])
            case ("GET", ["clusters", cluster, *more]):
                return self._cluster_answer(site, cluster, more)
            case ("GET", ["servers", "dns"]):
                return 200, {"uid": "dns", **self._site(site)["servers"]["dns"]}
            case ("POST", ["jobs"]):
                return 201, self._job(self._submit(site, data))
            case ("GET", ["jobs"]):
                return 200, _items(self._select_jobs(site, query))
            case ("GET", ["jobs", uid]):
                return 200, self._job(self._known_job(site, uid))
            case ("DELETE", ["jobs", uid]):
                job = self._known_job(site, uid)
                if self._state(job) not in ACTIVE:
                    raise RefusedError(
                        400, f"Unable to delete job: This job was already killed ({uid})"
                    )
                job.ended = True
                return 202, {}
            case ("POST", ["deployments"]):
                return 201, self._deploy(site, data)
            case ("GET", ["deployments", uid]) if uid in self.deployments:
                return 200, self._deployment(uid)
        raise RefusedError(404, f"Not Found: {'/'.join(words)}")

    def _site(self, name: str) -> dict[str, Any]:
        network = self.sites[name].network
        gateway = network.rsplit(".", 1)[0] + ".1"
        return {
            "uid": name,
            "kavlans": {"default": {"network": network, "gateway": gateway}},
            "ipv6": {
                "prefix": "2001:660:4406",
                "site_index": 1 + list(self.sites).index(name),
            },
            "servers": {"dns": {"network_adapters": {"default": {"ip": gateway}}}},
            "g5ksubnet": {"network": "10.144.0.0/14", "gateway": "10.147.255.254"},
        }

    def _cluster_answer(self, site: str, cluster: str, more: list[str]) -> Answer:
        addresses = self.sites[site].clusters.get(cluster)
        if addresses is None:
            raise RefusedError(404, f"Not Found: cluster {cluster}")
        match more:
            case []:
                return 200, _cluster(cluster)
            case ["nodes"]:
                return 200, _items(
                    [
                        _node(f"{cluster}-{number}", address)
                        for number, address in enumerate(addresses, 1)
                    ]
                )
            case ["nodes", uid] if uid in [f"{cluster}-{i + 1}" for i in range(len(addresses))]:
                return 200, _node(uid, addresses[int(uid.rsplit("-", 1)[1]) - 1])
            case ["status"]:
                nodes = {
                    node: {"hard": "alive", "soft": "free", "reservations": self._held(node)}
                    for node in self._nodes(site, cluster)
                }
                return 200, {"uid": cluster, "nodes": nodes, "disks": {}}
        raise RefusedError(404, "Not Found")

    def _nodes(self, site: str, cluster: str) -> list[str]:
        count = len(self.sites[site].clusters[cluster])
        return [f"{cluster}-{number}.{site}.grid5000.fr" for number in range(1, count + 1)]

    def _held(self, node: str) -> list[dict[str, Any]]:
        return [
            {
                "uid": job.uid,
                "queue": job.queue,
                "scheduled_at": int(job.start),
                "started_at": int(job.start),
                "walltime": job.walltime,
            }
            for job in self.jobs.values()
            if node in job.nodes and self._state(job) in ACTIVE
        ]

    def _submit(self, site: str, data: dict[str, Any]) -> Job:
        if site in self.faults.refuse:
            raise RefusedError(400, self.faults.refuse[site])
        walltime = _seconds(data["resources"].rsplit("walltime=", 1)[1])
        start = time.time()
        if "reservation" in data:
            naive = datetime.strptime(data["reservation"], "%Y-%m-%d %H:%M:%S")
            start = naive.replace(tzinfo=PARIS).timestamp()
            if start < time.time():
                raise RefusedError(400, "Reservation too old")
        asked = re.findall(r"cluster='([\w-]+)'\}/nodes=(\d+)", data["resources"])
        if not asked:
            raise RefusedError(400, f"Bad resource request {data['resources']}")
        taken: list[str] = []
        for cluster, count in asked:
            if cluster not in self.sites[site].clusters:
                raise RefusedError(400, f"Bad resource request: no cluster {cluster} in {site}")
            nodes = [node for node in self._nodes(site, cluster) if node not in taken]
            if len(nodes) < int(count):
                raise RefusedError(400, "There are not enough resources for your request")
            free = [node for node in nodes if not self._overlaps(node, start, walltime)]
            if len(free) < int(count):
                ends = [
                    held["scheduled_at"] + held["walltime"]
                    for node in nodes
                    for held in self._held(node)
                ]
                later = datetime.fromtimestamp(max(ends), PARIS)
                raise RefusedError(
                    400,
                    "Reservation not valid --> KO (This reservation could run at "
                    f"{later:%Y-%m-%d %H:%M:%S})",
                )
            taken += free[: int(count)]
        job = Job(
            uid=1000 + len(self.jobs),
            site=site,
            name=data["name"],
            types=data["types"],
            queue=data["queue"],
            nodes=taken,
            start=start,
            walltime=walltime,
            submitted=time.time(),
        )
        self.jobs[job.uid] = job
        return job

    def _overlaps(self, node: str, start: float, walltime: int) -> bool:
        return any(
            min(held["scheduled_at"] + held["walltime"], start + walltime)
            > max(held["scheduled_at"], start)
            for held in self._held(node)
        )

    def _state(self, job: Job) -> str:
        age = time.time() - job.submitted
        if job.ended:
            return "error"
        if age < self.start_after_s / 2:
            return "waiting"
        if age < self.start_after_s:
            return "launching"
        kill_after = self.faults.kill_after_s
        if kill_after is not None and age > self.start_after_s + kill_after:
            job.ended = True
            return "error"
        return "running"

    def _job(self, job: Job) -> dict[str, Any]:
        state = self._state(job)
        answer: dict[str, Any] = {
            "uid": job.uid,
            "user_uid": USER,
            "site": job.site,
            "name": job.name,
            "state": state,
            "types": job.types,
            "queue": job.queue,
            "walltime": job.walltime,
            "scheduled_at": int(job.start),
            "assigned_nodes": job.nodes if state == "running" else [],
            "resources_by_type": {"cores": job.nodes} if state == "running" else {},
            "links": [],
        }
        if state == "running":
            answer["started_at"] = int(job.submitted + self.start_after_s)
        return answer

    def _select_jobs(self, site: str, query: dict[str, str]) -> list[dict[str, Any]]:
        states = query["state"].split(",") if "state" in query else None
        return [
            self._job(job)
            for job in self.jobs.values()
            if job.site == site
            and query.get("name", job.name) == job.name
            and query.get("user", USER) == USER
            and (states is None or self._state(job) in states)
        ]

    def _known_job(self, site: str, uid: str) -> Job:
        job = self.jobs.get(int(uid))
        if job is None or job.site != site:
            raise RefusedError(404, f"Not Found: job {uid}")
        return job

    def _deploy(self, site: str, data: dict[str, Any]) -> dict[str, Any]:
        running = [job for job in self.jobs.values() if self._state(job) == "running"]
        held = {node for job in running if "deploy" in job.types for node in job.nodes}
        stray = [node for node in data["nodes"] if node not in held]
        if stray:
            raise RefusedError(403, f"You have no rights on {', '.join(stray)}")
        uid = f"D-{len(self.deployments)}"
        self.deployments[uid] = {**data, "site": site, "submitted": time.time()}
        return self._deployment(uid)

    def _deployment(self, uid: str) -> dict[str, Any]:
        deployment = self.deployments[uid]
        answer = {
            "uid": uid,
            "site_uid": deployment["site"],
            "nodes": deployment["nodes"],
            "status": "processing",
            "result": {},
        }
        if time.time() - deployment["submitted"] >= self.deploy_s:
            state = "KO" if self.faults.deployment_fails else "OK"
            answer["status"] = "terminated"
            answer["result"] = {node: {"state": state} for node in deployment["nodes"]}
        return answer


def _items(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"items": items, "total": len(items), "offset": 0}


def _cluster(name: str) -> dict[str, Any]:
    return {"uid": name, "exotic": False, "queues": ["default"]}


def _node(uid: str, address: str) -> dict[str, Any]:
    adapter = {
        "device": "eth0",
        "name": "eth0",
        "mountable": True,
        "mounted": True,
        "interface": "Ethernet",
        "management": False,
        "ip": address,
    }
    return {
        "uid": uid,
        "network_adapters": [adapter],
        "architecture": {"nb_cores": 2, "nb_threads": 4},
        "main_memory": {"ram_size": 1 << 34},
    }


def _seconds(walltime: str) -> int:
    hours, minutes, seconds = (int(part) for part in walltime.split(":"))
    return hours * 3600 + minutes * 60 + seconds
