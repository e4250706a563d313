"""Different users' passwords changed at once on PostgreSQL SERIALIZABLE: what an index does to it.

    python benchmarks/replay/passwords.py [--seconds 60] [--writers 6] [--users 2000]
        [--indexes off on] [--modes off on]

Each writer changes the password of a user of its own, again and again; nobody changes what another
does. For each of indexes (of foreign keys, as MySQL makes them) and replay, off and on, a line of
JSON: requests, failures seen by the client, replays, median and 99th percentile of the seconds that
requests took. ``--users`` others are there, each with a password: with a few dozen,
PostgreSQL reads the whole table although there is an index. Everything is on loopback, without
delay. Needs PostgreSQL's Debian package and OpenStack's Python (made by
tests/upstream/openstack). With the defaults it takes about six minutes.
"""

from __future__ import annotations

import argparse
import collections
import json
import statistics
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [str(HERE), str(REPOSITORY / "tests/upstream/openstack"), str(REPOSITORY)]

import keystone_site  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from environment import openstack_bin  # noqa: E402
from hot_load import Hot  # noqa: E402

from tests.postgresql_servers import postgresql_server  # noqa: E402
from tests.redis_servers import HOST, free_port  # noqa: E402

DATABASE = "keystone"
# Users like the one whose id is given, with names, local users and passwords of their own.
OTHERS = (
    """
    INSERT INTO "user" SELECT (jsonb_populate_record(u, jsonb_build_object('id', md5(n::text)))).*
    FROM "user" u, generate_series(1, %(count)s) n WHERE u.id = %(like)s
    """,
    """
    INSERT INTO local_user SELECT (jsonb_populate_record(l, jsonb_build_object(
        'id', nextval('local_user_id_seq'), 'user_id', md5(n::text), 'name', n::text))).*
    FROM local_user l, generate_series(1, %(count)s) n WHERE l.user_id = %(like)s
    """,
    """
    INSERT INTO password SELECT (jsonb_populate_record(p, jsonb_build_object(
        'id', nextval('password_id_seq'), 'local_user_id', other.id))).*
    FROM password p JOIN local_user l ON l.id = p.local_user_id AND l.user_id = %(like)s,
        local_user other WHERE other.user_id IN (
            SELECT md5(n::text) FROM generate_series(1, %(count)s) n)
    """,
    "VACUUM ANALYZE",
)


class Passwords(Hot):
    """Users, each with a password that its own writer changes."""

    def _make(self, first: tuple[str, int]) -> dict[str, Any]:
        return {"users": []}

    def make_users(self, count: int) -> list[str]:
        """The ids of so many new users."""
        found = []
        for _ in range(count):
            user = {"name": uuid.uuid4().hex, "domain_id": "default", "password": "x" * 8}
            made = self._set_up(self._addresses[0], "POST", "/users", {"user": user})
            found.append(made["user"]["id"])
        return found

    def change(self, users: list[str], seconds: float) -> None:
        """A writer for each of ``users``, for so long."""
        end = time.monotonic() + seconds
        began = time.monotonic()

        def write(user: str) -> None:
            while time.monotonic() < end:
                body = {"user": {"password": uuid.uuid4().hex}}
                self._ask(self._addresses[0], "PATCH", f"/users/{user}", body)

        threads = [threading.Thread(target=write, args=(user,)) for user in users]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.result.seconds = time.monotonic() - began


def measured(indexes: str, mode: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One combination, from an empty database."""
    python = openstack_bin() / "python"
    with (
        tempfile.TemporaryDirectory(prefix="passwords-") as name,
        postgresql_server() as server,
    ):
        folder = Path(name)
        server.create(DATABASE)
        url = server.url(DATABASE, foreign_key_indexes=indexes, sslmode="disable")
        file = keystone_site.configure(folder, "site", url)
        keystone_site.make(python, file)
        counters = folder / "counters"
        counters.mkdir()
        replay = {"REPLAY": mode, "REPLAY_COUNTERS": str(counters)}
        keystone = keystone_site.Keystone(python, file, HOST, free_port(), replay)
        try:
            keystone.wait_ready()
            load = Passwords([(keystone.host, keystone.port)])
            users = load.make_users(arguments.writers)
            crowd(url, users[0], arguments.users)
            load.change(users, arguments.seconds)
        finally:
            keystone.stop()
        totals: collections.Counter[str] = collections.Counter()
        for one in counters.glob("*.totals.json"):
            totals.update(json.loads(one.read_text()))
        return said(load, indexes, mode, totals)


def crowd(url: str, like: str, count: int) -> None:
    """Put ``count`` users beside the one whose id is ``like``."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in OTHERS:
            connection.exec_driver_sql(statement, {"count": count, "like": like})
    engine.dispose()


def said(load: Passwords, indexes: str, mode: str, totals: dict[str, int]) -> dict[str, Any]:
    """The line of one combination."""
    result = load.result
    latencies = result.latencies_s
    return {
        "indexes": indexes,
        "replay": mode,
        "seconds": round(result.seconds, 1),
        "requests": result.requests,
        "failures": result.requests - result.good,
        "good_per_s": round(result.good / result.seconds, 2),
        "median_s": round(statistics.median(latencies), 3),
        "p99_s": round(statistics.quantiles(latencies, n=100)[98], 3),
        "replays": totals.get("replays", 0),
        "failures_said": dict(result.failures.most_common(3)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])  # type: ignore[union-attr]
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--writers", type=int, default=6)
    parser.add_argument("--users", type=int, default=2000, help="others, who change nothing")
    parser.add_argument("--indexes", nargs="*", choices=["off", "on"], default=["off", "on"])
    parser.add_argument("--modes", nargs="*", choices=["off", "on"], default=["off", "on"])
    arguments = parser.parse_args()
    for mode in arguments.modes:
        for indexes in arguments.indexes:
            print(json.dumps(measured(indexes, mode, arguments)), flush=True)


if __name__ == "__main__":
    main()
