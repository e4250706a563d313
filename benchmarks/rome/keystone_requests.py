"""A client process: whole requests to Keystone, in-process, with no cache but that of one request.

    python keystone_requests.py URL FOLDER [bootstrap]

With ``bootstrap`` the database is made first. Passwords take bcrypt's fewest rounds (4), so that
hashing does not hide the database.
"""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from serving import Operation, serve

SETTINGS = """
[database]
connection = {url}
[cache]
enabled = true
backend = dogpile.cache.null
[token]
provider = fernet
[fernet_tokens]
key_repository = {folder}/fernet-keys
[fernet_receipts]
key_repository = {folder}/fernet-keys
[credential]
key_repository = {folder}/credential-keys
[identity]
password_hash_algorithm = bcrypt
password_hash_rounds = 4
"""
DOMAIN = {"id": "default"}
PASSWORD = "secret"
LOGIN = {
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "admin", "domain": DOMAIN, "password": PASSWORD}},
        },
        "scope": {"project": {"name": "admin", "domain": DOMAIN}},
    }
}


def manage(file: Path, *words: str) -> None:
    """Run keystone-manage."""
    program = str(Path(sys.executable).parent / "keystone-manage")
    subprocess.run([program, "--config-file", str(file), *words], check=True, stdout=sys.stderr)


def settings(url: str, folder: Path, *, bootstrap: bool) -> Path:
    file = folder / "keystone.conf"
    file.write_text(SETTINGS.format(url=url, folder=folder))
    if not (folder / "fernet-keys").exists():
        manage(file, "fernet_setup", "--keystone-user", "root", "--keystone-group", "root")
    if bootstrap:
        manage(file, "db_sync")
        manage(file, "bootstrap", "--bootstrap-password", PASSWORD)
    return file


def requests(file: Path) -> dict[str, Operation]:
    sys.argv = ["keystone"]
    from keystone.server.flask import core  # noqa: PLC0415 - it reads sys.argv
    from werkzeug.test import Client  # noqa: PLC0415

    application = Client(core.initialize_application(name="public", config_files=[str(file)]))
    logging.disable(logging.CRITICAL)
    numbers = itertools.count(time.time_ns())

    def ask(method: str, path: str, body: Any = None, **headers: str) -> Any:
        named = {"X-" + name.replace("_", "-"): value for name, value in headers.items()}
        url = "http://127.0.0.1:5000/v3/" + path
        answer = application.open(url, method=method, json=body, headers=named)
        assert answer.status_code < 300, (answer.status, answer.get_data(as_text=True)[:500])
        return answer

    token = ask("POST", "auth/tokens", LOGIN).headers["X-Subject-Token"]

    def project() -> None:
        named = {"name": f"p{next(numbers)}", "domain_id": "default"}
        ask("POST", "projects", {"project": named}, Auth_Token=token)

    return {
        "keystone: validate token": lambda: ask(
            "GET", "auth/tokens", Auth_Token=token, Subject_Token=token
        ),
        "keystone: password auth": lambda: ask("POST", "auth/tokens", LOGIN),
        "keystone: POST /projects": project,
    }


def main() -> None:
    url, folder, bootstrap = sys.argv[1], Path(sys.argv[2]), "bootstrap" in sys.argv[3:]
    serve(requests(settings(url, folder, bootstrap=bootstrap)))


if __name__ == "__main__":
    main()
