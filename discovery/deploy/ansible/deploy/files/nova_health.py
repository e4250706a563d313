"""Boot a server through this site's API to ACTIVE and delete it: ``nova_health.py``.

The question, its input, is JSON: ``site``, ``keystone`` and ``nova`` (URLs), ``admin``
(credentials), ``flavor`` and ``image`` (ids), ``zone`` (or null) and ``seconds`` (for each half).
Prints JSON: ``{"failures": [[site, what was asked of it, what it said], …]}``.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 60
POLL_S = 0.2
# A scheduler is told of a new host or zone by a message, and may not have it yet.
TOLD_WITHIN_S = 30.0
NO_HOST = "ERROR: No valid host"


def call(method: str, url: str, token: str, body: Any = None) -> tuple[Any, Any]:
    """One request; the answer's headers and JSON."""
    request = urllib.request.Request(
        url,
        method=method,
        headers={"Content-Type": "application/json", "X-Auth-Token": token},
        data=json.dumps(body).encode() if body else None,
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        text = answer.read()
        return answer.headers, json.loads(text) if text else None


def said(error: Exception) -> str:
    """What is behind ``error``: the server's own words, where it has some."""
    if isinstance(error, urllib.error.HTTPError):
        try:
            (told,) = json.load(error).values()
            return f"HTTP {error.code}: {told['message']}"
        except (ValueError, KeyError, TypeError, OSError):
            return f"HTTP {error.code}"
    return str(getattr(error, "reason", error))


def log_in(question: dict[str, Any]) -> str:
    """The administrator's token."""
    admin, default = question["admin"], {"id": "default"}
    user = {"name": admin["username"], "domain": default, "password": admin["password"]}
    scope = {"project": {"name": admin["project_name"], "domain": default}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": scope}}
    headers, _ = call("POST", question["keystone"] + "/auth/tokens", "", body)
    return str(headers["X-Subject-Token"])


def await_status(url: str, token: str, seconds: float) -> str:
    """The server's status, once it is ACTIVE or ERROR, or is gone (``""``), or time is over."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            server = call("GET", url, token)[1]["server"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return ""
            raise
        status = str(server["status"])
        if status == "ERROR":
            return f"ERROR: {server.get('fault', {}).get('message', 'no fault is told')}"
        if status == "ACTIVE" and server["OS-EXT-STS:task_state"] is None:
            return status
        if time.monotonic() > deadline:
            return f"{status} after {seconds:.0f} s"
        time.sleep(POLL_S)


def await_gone(url: str, token: str, seconds: float) -> str:
    """``""`` once the server is gone, or what it is when time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = await_status(url, token, 0)
        if not status or status.startswith("ERROR"):
            return status
        time.sleep(POLL_S)
    return f"still there after {seconds:.0f} s"


def boot(question: dict[str, Any], token: str, server: dict[str, Any]) -> tuple[str, str]:
    """The URL and the status of a server; once more where the scheduler knows no host yet."""
    deadline = time.monotonic() + TOLD_WITHIN_S
    while True:
        _, made = call("POST", question["nova"] + "/servers", token, {"server": server})
        url = f"{question['nova']}/servers/{made['server']['id']}"
        status = await_status(url, token, question["seconds"])
        if not status.startswith(NO_HOST) or time.monotonic() > deadline:
            return url, status
        call("DELETE", url, token)
        time.sleep(1.0)


def main(question: dict[str, Any]) -> None:
    """Ask, and print what failed."""
    site, seconds, asked = question["site"], question["seconds"], "issue a token"
    failures = []
    try:
        token = log_in(question)
        asked = "boot a server"
        server = {
            "name": f"health-{site}",
            "imageRef": question["image"],
            "flavorRef": question["flavor"],
        }
        if question["zone"]:
            server["availability_zone"] = question["zone"]
        url, status = boot(question, token, server)
        if status != "ACTIVE":
            failures.append((site, asked, status or "it is gone"))
        asked = "delete a server"
        call("DELETE", url, token)
        status = await_gone(url, token, seconds)
        if status:
            failures.append((site, asked, status))
    except (OSError, ValueError, KeyError) as error:
        failures.append((site, asked, said(error)))
    print(json.dumps({"failures": failures}))


if __name__ == "__main__":
    main(json.load(sys.stdin))
