"""Fills a Redis with Nova's cell database and any number of instances, without going through commits.

    python growth_seed.py URL FOLDER COUNT

The schema and one instance are written by Nova; the others are copies of its rows, stored in the
hashes that a replica boots from. Nobody else may use the database meanwhile.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgpack
import nova_client as client
import sqlalchemy as sa
from nova.db.main import api as main_db
from nova.db.main import models
from population import copies, rows_of

from discovery.rome.catalogue import packed
from discovery.rome.dbapi import connect
from discovery.rome.dialect import RomeDialect

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
    written = 0
    with store._client().pipeline(transaction=False) as pipeline:
        for made in copies(template, client.FIRST, count, "h1"):
            for sql_table, rows in made.items():
                table = catalogue.tables[sql_table.name]
                for row in rows:
                    values = [stored(row.get(name)) for name in table.columns]
                    key = table.primary.of(values) or packed(values[:1])
                    data = msgpack.packb(values, use_bin_type=True)
                    pipeline.hset(store.keys.rows(table.name), key, data)
                    written += 1
            if len(pipeline) >= AT_ONCE:
                pipeline.execute()
        last = client.FIRST + 20 * count
        for sql_table in template:
            pipeline.hset(store.keys.ids, sql_table.name, last)
        pipeline.execute()
    print(json.dumps({"rows": written}))


def stored(value: object) -> object:
    """A value as SQLAlchemy's SQLite dialect stores it."""
    if hasattr(value, "isoformat"):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")  # type: ignore[attr-defined]
    return int(value) if isinstance(value, bool) else value


if __name__ == "__main__":
    main()
