"""Put ROME or MariaDB under the suites of services and of oslo.db, whose files stay as they are.

They make their databases by asking oslo.db for an engine on ``sqlite://``. Nova and Keystone fill
them in three places, which are replaced; others with methods that only Python's sqlite3 has
(``iterdump``, ``executescript``), which the drivers are given.
"""

# ruff: noqa: PLC0415 - what a suite has not imported is not there to be patched

import importlib
import sys


def install(url, engine=None):
    """Patch what has been imported; returns the function to call after every test.

    ``engine`` says that an engine on ``sqlite://`` begins anew once it is disposed of, as SQLite's
    memory does, and whether ``each`` test makes its own or engines are ``kept``.
    """
    databases = (_mariadb if url.startswith("mysql") else _rome)(url, engine)
    _patch_engines(databases, engine is not None)
    if "nova.tests.fixtures" in sys.modules:
        _patch_nova(databases)
    if "keystone.tests.unit" in sys.modules:
        _patch_keystone(databases)
    return databases.give_back


def _rome(url, engine):
    from rome_databases import RomeDatabases

    from discovery.rome.dbapi import Connection

    databases = RomeDatabases(url, engine == "kept")
    if engine is not None:
        _speak_as_sqlite3(Connection, databases, lambda it: url % it.settings.database)
    return databases


def _mariadb(url, engine):
    from mariadb_databases import MariadbDatabases
    from oslo_db.sqlalchemy import provision
    from pymysql.connections import Connection

    databases = MariadbDatabases(url, engine == "kept")
    # Of what it takes for SQLite, oslo.db drops tables in any order.
    provision.Backend.drop_all_objects = lambda _, engine, *__: databases.empty(engine.url)
    _speak_as_sqlite3(Connection, databases, lambda it: url % it.db.decode())
    return databases


def _speak_as_sqlite3(connection, databases, url_of):
    connection.iterdump = lambda self: databases.dump(url_of(self))
    connection.executescript = lambda self, text: databases.load(url_of(self), text)


def _patch_engines(databases, forgetful):
    from oslo_db.sqlalchemy import engines

    create = engines.create_engine

    def create_engine(sql_connection, *args, **kwargs):
        asked = str(sql_connection)
        if asked != databases.any_url and not asked.startswith("sqlite:"):
            return create(sql_connection, *args, **kwargs)
        made = create(databases.url_for(sql_connection), *args, **kwargs)
        if forgetful and databases.is_in_memory(asked):
            _forget_at_disposal(made, databases)
        return made

    engines.create_engine = create_engine


def _forget_at_disposal(engine, databases):
    from sqlalchemy import event

    dispose, url = engine.dispose, engine.url.render_as_string(hide_password=False)

    def forget(*args, **kwargs):
        dispose(*args, **kwargs)
        databases.forget(url)

    @event.listens_for(engine, "before_cursor_execute")
    def look(connection, cursor, statement, *_):
        if statement != "SELECT 1":  # oslo.db asks whether the connection lives
            databases.look(url)

    engine.dispose = forget


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
