"""Databases on ROME for suites that want a new, empty SQLite for every test.

A content is put back into Redis, and as the replica's state, under a history that no replica has
seen.
"""

import itertools
import os
from dataclasses import dataclass

from sqlalchemy.engine import make_url
from suite_databases import Databases

from discovery.rome import dbapi
from discovery.rome.catalogue import Catalogue
from discovery.rome.dialect import RomeDialect
from discovery.rome.head import FORMAT
from discovery.rome.pages import Pages, open_pages
from discovery.rome.state import State
from discovery.rome.store import mapping
from discovery.rome.totals import total_of


@dataclass(frozen=True)
class Content:
    """A database as it is put back: what Redis holds of it, and what the replica does."""

    schema: list
    rows: dict
    ids: dict
    pages: Pages
    catalogue: Catalogue


class RomeDatabases(Databases):
    """Databases on the Redis or cluster of a ROME URL."""

    def __init__(self, url, kept=False):
        super().__init__(url, kept)
        database, _ = open_pages(Pages())
        self._empty = Content([], {}, {}, Pages(), Catalogue(database))

    def empty(self, url):
        """Leave nothing in the database."""
        _restore(_replica(url), self._empty)

    def content(self, url):
        """What the database has now."""
        return _content(_replica(url))

    def restore(self, url, content):
        """Give the database that content, and no other."""
        _restore(_replica(url), content)


def _replica(url):
    _, arguments = RomeDialect().create_connect_args(make_url(url))
    return dbapi.replica_of(dbapi.parse(**arguments))[0]


def _content(replica):
    state, keys = replica.fresh(), replica.store.keys
    tables = list(state.catalogue.tables)
    schema, ids, *rows = replica.store.at_once(
        [
            ["LRANGE", keys.schema, 0, -1],
            ["HGETALL", keys.ids],
            *(["HGETALL", keys.rows(name)] for name in tables),
        ]
    )
    filled = {name: found for name, found in zip(tables, rows, strict=True) if found}
    return Content(schema, filled, ids, state.pages, state.catalogue)


def _restore(replica, content):
    """Replace all of a database, in Redis and in the replica, with a history of one commit.

    Its epoch and hash are new, so that an entry of the old history that is on its way to the feed
    does not fit behind it.
    """
    keys = replica.store.keys
    state = replica.fresh()
    epoch, chained = os.urandom(16), os.urandom(20).hex().encode()
    head = {"format": FORMAT, "epoch": epoch, "seq": 1, "hash": chained, "oldest": 1}
    head |= {"keep": replica.settings.keep, "schema": 1}
    head |= {"versions": 0, "statements": len(content.schema), "totals": len(content.rows)}
    commands = [
        ["DEL", *keys.fixed],
        *(["DEL", keys.rows(name)] for name in state.catalogue.tables),
        ["HSET", keys.head, *_flat(head)],
        ["XADD", keys.log, "1-0", "h", chained, "d", b"", "k", epoch],
        *(["HSET", keys.rows(name), *_flat(rows)] for name, rows in content.rows.items()),
    ]
    if content.rows:
        totals = {name: total_of(mapping(rows)) for name, rows in content.rows.items()}
        written = {name: f"{total.rows} {total.sum}" for name, total in totals.items()}
        commands.append(["HSET", keys.totals, *_flat(written)])
    if content.schema:
        commands.append(["RPUSH", keys.schema, *content.schema])
    if content.ids:
        commands.append(["HSET", keys.ids, *_flat(content.ids)])
    with replica._lock:
        replica.store.at_once(commands)
        replica.ids.clear()
        replica.state = State(
            next(replica._lives), epoch, 1, chained, content.pages, content.catalogue
        )


def _flat(mapping):
    return itertools.chain.from_iterable(mapping.items())
