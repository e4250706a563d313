"""Put ROME under the suites of Nova, Keystone and oslo.db, whose files stay as they are.

They make their databases by asking oslo.db for an engine on ``sqlite://``, and fill them in three
places, two of them with methods that only Python's sqlite3 has (``iterdump``, ``executescript``).
"""

# ruff: noqa: PLC0415 - what a suite has not imported is not there to be patched

import importlib
import sys

from rome_databases import RomeDatabases


def install(url):
    """Patch what has been imported; returns the function to call after every test."""
    databases = RomeDatabases(url)
    _patch_engines(databases)
    if "nova.tests.fixtures" in sys.modules:
        _patch_nova(databases)
    if "keystone.tests.unit" in sys.modules:
        _patch_keystone(databases)
    return databases.give_back


def _patch_engines(databases):
    from oslo_db.sqlalchemy import engines

    create = engines.create_engine

    def create_engine(sql_connection, *args, **kwargs):
        if sql_connection == databases.any_url or str(sql_connection).startswith("sqlite:"):
            sql_connection = databases.url_for(sql_connection)
        return create(sql_connection, *args, **kwargs)

    engines.create_engine = create_engine


def _patch_nova(databases):
    from nova.db import migration
    from nova.tests.fixtures import conf

    # The package binds the name `nova` to the top package, so an import statement misses it.
    fixtures = importlib.import_module("nova.tests.fixtures.nova")

    configure = conf.ConfFixture.setUp

    def set_up(self):
        configure(self)
        for group in ("database", "api_database"):
            self.conf.set_default("connection", databases.any_url, group=group)

    def apply_schema(self):
        databases.prepare(
            self.get_engine(),
            ("nova", self.database, self.version),
            lambda: migration.db_sync(database=self.database, version=self.version),
        )

    def cache_schema(self, connection_str):
        databases.prepare(
            self._ctxt_mgrs[connection_str].writer.get_engine(),
            ("nova", "main", None),
            lambda: migration.db_sync(database="main"),
        )

    conf.ConfFixture.setUp = set_up
    fixtures.Database._apply_schema = apply_schema
    fixtures.CellDatabases._cache_schema = cache_schema


def _patch_keystone(databases):
    from keystone.common import sql
    from keystone.tests.unit.ksfixtures import database

    def set_up(self):
        super(database.Database, self).setUp()
        with sql.session_for_write() as session:
            self.engine = session.get_bind()
        self.addCleanup(sql.cleanup)
        databases.prepare(
            self.engine, "keystone", lambda: sql.ModelBase.metadata.create_all(bind=self.engine)
        )

    database.Database.setUp = set_up
