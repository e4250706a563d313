"""Put passwords in the place of those that users of Keystone's database have: ``set_passwords.py``.

Its input is JSON: ``{"url": of the database, "rounds": of bcrypt, "passwords": {user: password}}``,
users of the domain `Default`. Only the hashes change, as Keystone itself would make them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

USERS = "SELECT name, id FROM local_user WHERE domain_id = 'default'"
CHANGE = "UPDATE password SET password_hash = :hash WHERE local_user_id = :id"


def main(question: Mapping[str, Any]) -> None:
    """Change them all in one transaction; end with a sentence if one is nobody's."""
    # The node's; all the rest is used without them.
    import bcrypt  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    import sqlalchemy as sa  # noqa: PLC0415

    def hashed(password: str) -> str:
        salt = bcrypt.gensalt(question["rounds"])
        return str(bcrypt.hashpw(password.encode(), salt).decode("ascii"))

    passwords: Mapping[str, str] = question["passwords"]
    with ThreadPoolExecutor() as pool:  # it lets others run while it computes
        hashes = dict(zip(passwords, pool.map(hashed, passwords.values()), strict=True))
    engine = sa.create_engine(question["url"])
    with engine.begin() as connection:
        ids: dict[str, int] = {row.name: row.id for row in connection.execute(sa.text(USERS))}
        missing = sorted(set(hashes) - set(ids))
        if missing:
            sys.exit(f"Keystone's database has no user {', '.join(missing)}")
        for name, new in hashes.items():
            changed = connection.execute(sa.text(CHANGE), {"hash": new, "id": ids[name]}).rowcount
            if changed != 1:
                sys.exit(f"Keystone's database has {changed} passwords of the user {name}")
    engine.dispose()


if __name__ == "__main__":
    main(json.load(sys.stdin))
