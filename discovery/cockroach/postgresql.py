"""``postgresql+oslo://``: psycopg2, every transaction SERIALIZABLE, and foreign keys indexed.

The level is asked for with the connection's first message (``default_transaction_isolation``): it
costs no round trip, needs no right to change the database, holds for connections that are used
beside SQLAlchemy, and leaves a service with another URL on this server at its own level. The
database's own default would do the same for whoever connects, known to us or not.
``isolation=read-committed`` asks for PostgreSQL's ordinary level in the same way.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from sqlalchemy.dialects.postgresql.psycopg2 import (
    PGDialect_psycopg2,
    PGExecutionContext_psycopg2,
)
from sqlalchemy.engine.interfaces import ConnectArgsType
from sqlalchemy.engine.url import URL

from discovery.cockroach import connect, foreign_keys, migrations, oslo
from discovery.cockroach.driver import Driver

PORT = 5432
ISOLATION = "isolation"
LEVELS = {"serializable": "serializable", "read-committed": r"read\ committed"}
"""What the URL calls them, and how libpq's ``options`` write them."""


class PostgresqlContext(foreign_keys.Context, PGExecutionContext_psycopg2):
    """A statement's execution, with what follows a statement of DDL."""


class SerializableDialect(Driver, PGDialect_psycopg2):
    """``postgresql+oslo://user:password@local/db?host=other:5433&isolation=read-committed``."""

    execution_ctx_cls = PostgresqlContext
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """psycopg2; and what oslo.db and alembic have to know, where they are installed."""
        oslo.register()
        migrations.register()
        import_dbapi: Any = super().import_dbapi
        dbapi: ModuleType = import_dbapi()
        return dbapi

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """The arguments of ``psycopg2.connect``."""
        url, level = connect.choice(url, ISOLATION, tuple(LEVELS))
        session = {"default_transaction_isolation": LEVELS[level or "serializable"]}
        return [], self.arguments(url, PORT, session)


dialect = SerializableDialect
