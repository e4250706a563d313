"""``postgresql+oslo://``: psycopg2, and every transaction SERIALIZABLE.

The level is asked for with the connection's first message (``default_transaction_isolation``): it
costs no round trip, needs no right to change the database, holds for connections that are used
beside SQLAlchemy, and leaves a service with another URL on this server at its own level. The
database's own default would do the same for whoever connects, known to us or not.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine.interfaces import ConnectArgsType
from sqlalchemy.engine.url import URL

from discovery.cockroach import connect, oslo
from discovery.cockroach.driver import Driver

PORT = 5432


class SerializableDialect(Driver, PGDialect_psycopg2):
    """``postgresql+oslo://user:password@local/db?host=other:5433``."""

    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """psycopg2; and what oslo.db has to know, where it is installed."""
        oslo.register()
        import_dbapi: Any = super().import_dbapi
        dbapi: ModuleType = import_dbapi()
        return dbapi

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """The arguments of ``psycopg2.connect``."""
        return [], connect.arguments(url, PORT, {"default_transaction_isolation": "serializable"})


dialect = SerializableDialect
