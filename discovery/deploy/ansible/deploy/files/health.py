"""Issue tokens at this node's own site and validate them at others: ``health.py``.

The question, its input, is JSON: ``{"own": site, "urls": {site: URL}, "users": [credentials, …],
"at": [site, …]}``: a token for each user, and where each is validated. Prints JSON: ``{"failures":
[[site, what was asked of it, what it said], …]}``.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 30

Failure = tuple[str, str, str]


def call(
    method: str, url: str, headers: dict[str, str] | None = None, body: object = None
) -> tuple[Any, Any]:
    """One request; the answer's headers and JSON."""
    request = urllib.request.Request(
        url,
        method=method,
        headers={"Content-Type": "application/json", **(headers or {})},
        data=json.dumps(body).encode() if body else None,
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return answer.headers, json.load(answer)


def said(error: Exception) -> str:
    """What is behind ``error``: the server's own words, where it has some."""
    if isinstance(error, urllib.error.HTTPError):
        try:
            return str(json.load(error)["error"]["message"])
        except (ValueError, KeyError, OSError):
            return f"HTTP {error.code}"
    return str(getattr(error, "reason", error))


def ask(own: str, urls: dict[str, str], user: dict[str, str], at: list[str]) -> list[Failure]:
    """Issue ``user`` a token at ``own`` and validate it ``at`` sites; what failed."""
    name, default = user["username"], {"id": "default"}
    password = {"user": {"name": name, "domain": default, "password": user["password"]}}
    scope = {"project": {"name": user["project_name"], "domain": default}}
    body = {"auth": {"identity": {"methods": ["password"], "password": password}, "scope": scope}}
    failures: list[Failure] = []
    try:
        headers, issued = call("POST", urls[own] + "/auth/tokens", body=body)
        token = headers["X-Subject-Token"]
        endpoints = {
            endpoint["url"]
            for service in issued["token"]["catalog"]
            for endpoint in service["endpoints"]
            if service["type"] == "identity"
        }
        if endpoints != {urls[own]}:
            failures.append((own, "issue a token", f"its catalog names {sorted(endpoints)}"))
    except (OSError, ValueError) as error:
        return [(own, "issue a token", said(error))]
    for site in at:
        try:
            headers = {"X-Auth-Token": token, "X-Subject-Token": token}
            _, seen = call("GET", urls[site] + "/auth/tokens", headers)
            if seen["token"]["user"]["name"] != name:
                failures.append((site, f"validate {own}'s token", "it named another user"))
        except (OSError, ValueError) as error:
            failures.append((site, f"validate {own}'s token", said(error)))
    return failures


def main(question: dict[str, Any]) -> None:
    """Ask for one user after the other, and print what failed."""
    own, urls, at = question["own"], question["urls"], question["at"]
    failures = [one for user in question["users"] for one in ask(own, urls, user, at)]
    print(json.dumps({"failures": failures}))


if __name__ == "__main__":
    main(json.load(sys.stdin))
