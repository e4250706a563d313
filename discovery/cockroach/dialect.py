"""``cockroachdb+oslo://``: sqlalchemy-cockroachdb's psycopg2 dialect, and what OpenStack needs.

The dialect's name stays ``cockroachdb``: under ``postgresql`` Keystone's first migration creates
triggers in a language that CockroachDB does not have.
"""

from __future__ import annotations

from types import ModuleType

from sqlalchemy.engine.interfaces import ConnectArgsType
from sqlalchemy.engine.url import URL
from sqlalchemy_cockroachdb.psycopg2 import CockroachDBDialect_psycopg2

from discovery.cockroach import connect, foreign_keys, migrations, oslo
from discovery.cockroach.driver import Driver

PORT = 26257
AUTOCOMMIT_BEFORE_DDL = "autocommit_before_ddl"


class CockroachContext(foreign_keys.Context, CockroachDBDialect_psycopg2.execution_ctx_cls):  # type: ignore[misc]
    """A statement's execution, with what follows a statement of DDL."""


class CockroachDialect(Driver, CockroachDBDialect_psycopg2):  # type: ignore[misc]
    """``cockroachdb+oslo://user@local:26257/db?host=other:26257&autocommit_before_ddl=off``."""

    execution_ctx_cls = CockroachContext
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """psycopg2; and what oslo.db and alembic have to know, where they are installed."""
        oslo.register()
        migrations.register()
        dbapi: ModuleType = super().import_dbapi()
        return dbapi

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """The arguments of ``psycopg2.connect``.

        ``autocommit_before_ddl=off`` keeps a migration's step in one transaction on servers that
        commit before DDL by default. Those that do not know it never do, and take it silently.
        """
        url, value = connect.switch(url, AUTOCOMMIT_BEFORE_DDL)
        session = {AUTOCOMMIT_BEFORE_DDL: value} if value else {}
        return [], self.arguments(url, PORT, session)


dialect = CockroachDialect
