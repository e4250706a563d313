"""Fills a Redis with Nova's cell database and any number of instances, past the log.

    python growth_seed.py URL FOLDER COUNT

The schema and one instance are written by Nova; the others are copies of its rows, stored in the
hashes that a replica boots from. Nobody else may use the database meanwhile.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgpack
import nova_client as client
import sqlalchemy as sa
from nova.db.main import api as main_db
from nova.db.main import models
from population import copies, rows_of

from discovery.rome.dbapi import connect
from discovery.rome.dialect import RomeDialect
from discovery.rome.packing import values_packed
from discovery.rome.store import Store

AT_ONCE = 20_000


def main() -> None:
    url, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    admin = client.configure(
        {"nova_cell1": url, "nova_api": url.replace("/nova_cell1", "/nova_api")}, folder
    )
    client.make_schema("main")
    template = rows_of(main_db.get_engine(), models.BASE.metadata, client.template(admin).uuid)
    _, options = RomeDialect().create_connect_args(sa.make_url(url))
    replica = connect(**options).replica
    store, catalogue = replica.store, replica.state.catalogue
    commands: list[tuple[str, bytes, bytes]] = []
    written = 0
    for made in copies(template, client.FIRST, count, "h1"):
        for sql_table, rows in made.items():
            table = catalogue.tables[sql_table.name]
            for row in rows:
                values = [stored(row.get(name)) for name in table.columns]
                key = table.primary.of(values) or values_packed(values[:1])
                data = msgpack.packb(values, use_bin_type=True)
                commands.append((store.keys.rows(table.name), key, data))
        if len(commands) >= AT_ONCE:
            written += write(store, commands)
    written += write(store, commands)
    last = client.FIRST + 20 * count
    ids = {sql_table.name: last for sql_table in template}
    store.request(lambda redis: redis.hset(store.keys.ids, mapping=ids))
    print(json.dumps({"rows": written}))


def write(store: Store, commands: list[tuple[str, bytes, bytes]]) -> int:
    """Send them, together, and forget them; how many they were."""

    def send(redis: Any) -> None:
        with redis.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.hset(*command)
            pipeline.execute()

    store.request(send)
    number = len(commands)
    commands.clear()
    return number


def stored(value: object) -> object:
    """A value as SQLAlchemy's SQLite dialect stores it."""
    if hasattr(value, "isoformat"):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")  # type: ignore[attr-defined]
    return int(value) if isinstance(value, bool) else value


if __name__ == "__main__":
    main()
