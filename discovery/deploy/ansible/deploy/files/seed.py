"""Fill a new control plane's catalog, and wait for its computes: ``seed.py``.

The question, its input, is JSON: ``keystone`` and ``nova``, ``glance``, ``placement`` (URLs),
``admin`` (credentials), ``regions`` (per region, service type to URL), ``flavors`` and ``image``
(as the APIs take them), ``services`` (per binary, the hosts it runs on), ``providers`` (resource
providers that the computes will register), ``zones`` (per availability zone, its computes),
``seconds`` (to wait).
Prints JSON: ``{"late": [unit, host, what it has not done], or null}``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

TIMEOUT_S = 60
VERSIONS = "compute 2.41, placement 1.1"
"""The first of Nova's that tells an aggregate's UUID, and of Placement's that takes one."""
DISCOVER = ("/opt/openstack/bin/nova-manage", "cell_v2", "discover_hosts", "--by-service")


class Late(Exception):  # noqa: N818  (somebody is, it is no mistake)
    """Somebody did not come up in time."""

    def __init__(self, late: tuple[str, str, str]) -> None:
        super().__init__(*late)
        self.late = late


class Api:
    """The services' APIs, asked as the administrator."""

    def __init__(self, question: dict[str, Any]) -> None:
        admin = question["admin"]
        default = {"id": "default"}
        user = {"name": admin["username"], "domain": default, "password": admin["password"]}
        self.headers = {"Content-Type": "application/json", "OpenStack-API-Version": VERSIONS}
        scope = {"project": {"name": admin["project_name"], "domain": default}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": scope}}
        with self._open("POST", question["keystone"] + "/auth/tokens", body) as answer:
            self.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]

    def __call__(self, method: str, url: str, body: Any = None) -> Any:
        """One request; the answer's JSON, if it has any."""
        with self._open(method, url, body) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def put_bytes(self, url: str, content: bytes) -> None:
        """Upload ``content``."""
        headers = {**self.headers, "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(url, method="PUT", headers=headers, data=content)
        urllib.request.urlopen(request, timeout=TIMEOUT_S).close()

    def _open(self, method: str, url: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, method=method, headers=self.headers, data=data)
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)


def fill_catalog(api: Api, keystone: str, regions: dict[str, dict[str, str]]) -> None:
    """A region for each site, with the endpoints that a client there uses."""
    known = {one["type"]: one["id"] for one in api("GET", keystone + "/services")["services"]}
    for region, endpoints in regions.items():
        api("POST", keystone + "/regions", {"region": {"id": region}})
        for kind, url in endpoints.items():
            if kind not in known:
                body = {"service": {"type": kind, "name": kind}}
                known[kind] = api("POST", keystone + "/services", body)["service"]["id"]
            endpoint = {
                "service_id": known[kind],
                "interface": "public",
                "url": url,
                "region_id": region,
            }
            api("POST", keystone + "/endpoints", {"endpoint": endpoint})


def make_flavors_and_image(api: Api, question: dict[str, Any]) -> None:
    """What servers are made from."""
    for flavor in question["flavors"]:
        api("POST", question["nova"] + "/flavors", {"flavor": flavor})
    image = api("POST", question["glance"] + "/v2/images", question["image"])
    api.put_bytes(f"{question['glance']}/v2/images/{image['id']}/file", b"\0" * 512)


def until(found: Callable[[], tuple[str, str, str] | None], seconds: float) -> None:
    """Ask until nobody is late; :class:`Late` says who was: unit, host, and with what."""
    deadline = time.monotonic() + seconds
    while (late := found()) is not None:
        if time.monotonic() > deadline:
            raise Late(late)
        time.sleep(0.3)


def await_services(api: Api, question: dict[str, Any]) -> None:
    """Until every service has reported itself."""

    def late() -> tuple[str, str, str] | None:
        known = api("GET", question["nova"] + "/os-services")["services"]
        up = {(one["binary"], one["host"]) for one in known if one["state"] == "up"}
        for binary, hosts in question["services"].items():
            for host in hosts:
                if (binary, host) not in up:
                    return f"discovery-{binary}", host, "has not reported itself to Nova"
        return None

    until(late, question["seconds"])


def await_providers(api: Api, question: dict[str, Any]) -> None:
    """Until the computes have told Placement what they have."""

    def late() -> tuple[str, str, str] | None:
        known = api("GET", question["placement"] + "/resource_providers")["resource_providers"]
        if len(known) >= question["providers"]:
            return None
        # A node is called after its host, which comes first.
        told = [one["name"] for one in known]
        fewest = min(
            question["services"]["nova-compute"],
            key=lambda host: sum(name.startswith(f"{host}-") for name in told),
        )
        nodes = f"{len(known)} of {question['providers']} nodes"
        return "discovery-nova-compute", fewest, f"and its like have told Placement of {nodes}"

    until(late, question["seconds"])


def make_zones(api: Api, question: dict[str, Any]) -> None:
    """A host aggregate for each zone, with every node of its hosts.

    Nova tells Placement of a host's first node alone, and would place all servers of a zone there.
    """
    nova, placement = question["nova"], question["placement"]
    nodes = api("GET", placement + "/resource_providers")["resource_providers"]
    for zone, hosts in question["zones"].items():
        body = {"aggregate": {"name": zone, "availability_zone": zone}}
        made = api("POST", nova + "/os-aggregates", body)["aggregate"]
        for host in hosts:
            action = {"add_host": {"host": host}}
            api("POST", f"{nova}/os-aggregates/{made['id']}/action", action)
            for node in nodes:
                if node["name"] == host or node["name"].startswith(f"{host}-"):
                    url = f"{placement}/resource_providers/{node['uuid']}/aggregates"
                    api("PUT", url, [made["uuid"]])


def main(question: dict[str, Any]) -> int:
    """The exit code."""
    late: tuple[str, str, str] | None = None
    try:
        api = Api(question)
        fill_catalog(api, question["keystone"], question["regions"])
        make_flavors_and_image(api, question)
        await_services(api, question)
        subprocess.run(DISCOVER, stdout=subprocess.DEVNULL, check=True)
        await_providers(api, question)
        make_zones(api, question)
    except Late as somebody:
        late = somebody.late
    except urllib.error.HTTPError as error:
        print(f"{error.url} answered HTTP {error.code}: {error.read()[:500]!r}", file=sys.stderr)
        return 1
    print(json.dumps({"late": late}))
    return 0


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin)))
