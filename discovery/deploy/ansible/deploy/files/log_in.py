"""Log users in at a Keystone, one after the other: ``log_in.py``.

The question, its input, is JSON: ``{"keystone": URL, "users": [credentials, …]}``. Ends with a
sentence that names the first user who is refused, and what Keystone said.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 60


def log_in(keystone: str, user: dict[str, str]) -> None:
    """Ask for one token; an :class:`OSError` if there is none."""
    default = {"id": "default"}
    password = {"name": user["username"], "domain": default, "password": user["password"]}
    scope = {"project": {"name": user["project_name"], "domain": default}}
    identity = {"methods": ["password"], "password": {"user": password}}
    request = urllib.request.Request(
        f"{keystone}/auth/tokens",
        method="POST",
        headers={"Content-Type": "application/json"},
        data=json.dumps({"auth": {"identity": identity, "scope": scope}}).encode(),
    )
    urllib.request.urlopen(request, timeout=TIMEOUT_S).close()


def main(question: dict[str, Any]) -> None:
    """Log them all in."""
    for user in question["users"]:
        try:
            log_in(question["keystone"], user)
        except OSError as error:
            why = getattr(error, "reason", error)
            sys.exit(f"{question['keystone']} does not log {user['username']} in: {why}")


if __name__ == "__main__":
    main(json.load(sys.stdin))
