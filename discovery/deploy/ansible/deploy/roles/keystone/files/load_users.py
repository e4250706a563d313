"""Make projects and users, each with roles in its project: ``load_users.py URL``.

Its input is JSON: ``{"admin": credentials, "users": [credentials, …]}``, where credentials
are ``{"username", "password", "project_name"}`` in the domain `Default`, and may name ``roles``;
else it is a member.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import requests


def main(url: str, specification: dict[str, Any]) -> None:
    """Log in as ``admin`` and make what ``users`` names, over the API."""
    admin = specification["admin"]
    session = requests.Session()

    def call(method: str, path: str, body: Any = None) -> requests.Response:
        answer = session.request(method, url + path, json=body, timeout=60)
        answer.raise_for_status()
        return answer

    password = {
        "user": {
            "name": admin["username"],
            "domain": {"id": "default"},
            "password": admin["password"],
        }
    }
    scope = {"project": {"name": admin["project_name"], "domain": {"id": "default"}}}
    token = call(
        "POST",
        "/auth/tokens",
        {"auth": {"identity": {"methods": ["password"], "password": password}, "scope": scope}},
    )
    session.headers["X-Auth-Token"] = token.headers["X-Subject-Token"]
    roles = {role["name"]: role["id"] for role in call("GET", "/roles").json()["roles"]}
    projects: dict[str, str] = {}
    for wanted in specification["users"]:
        name = wanted["project_name"]
        if name not in projects:
            body = {"project": {"name": name, "domain_id": "default"}}
            projects[name] = call("POST", "/projects", body).json()["project"]["id"]
        body = {
            "user": {
                "name": wanted["username"],
                "password": wanted["password"],
                "domain_id": "default",
                "default_project_id": projects[name],
            }
        }
        user = call("POST", "/users", body).json()["user"]["id"]
        for role in wanted.get("roles", ["member"]):
            call("PUT", f"/projects/{projects[name]}/users/{user}/roles/{roles[role]}")


if __name__ == "__main__":
    main(sys.argv[1], json.load(sys.stdin))
