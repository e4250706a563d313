"""Gnocchi's index on ROME, on a stand-in for Gnocchi that fills an empty database as it does."""

import contextlib
import importlib.metadata
import sys
import types

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext

from tests.redis_servers import redis_server

BASE = types.SimpleNamespace(metadata=sa.MetaData())
sa.Table("metric", BASE.metadata, sa.Column("id", sa.Integer, primary_key=True))
sa.Table(
    "resource",
    BASE.metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("metric", sa.ForeignKey("metric.id")),
)


class SQLAlchemyIndexer:
    """`upgrade` as in Gnocchi 4.7.1: the revision is noted by another connection."""

    def __init__(self, url):
        self.engine = sa.create_engine(url)
        self.facade = self

    @contextlib.contextmanager
    def writer_connection(self):
        with self.engine.begin() as connection:
            yield connection

    def upgrade(self, nocreate=False):
        if nocreate:
            return
        with self.facade.writer_connection() as connection:
            if MigrationContext.configure(connection).get_current_revision() is None:
                BASE.metadata.create_all(connection)
                with self.engine.connect() as second:
                    context = MigrationContext.configure(second)
                    context._ensure_version_table()
                    second.execute(context._version.insert().values(version_num="head"))
                    second.commit()


@pytest.fixture
def indexer(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gnocchi", types.ModuleType("gnocchi"))
    monkeypatch.setitem(sys.modules, "gnocchi.indexer", types.ModuleType("gnocchi.indexer"))
    module = types.ModuleType("gnocchi.indexer.sqlalchemy")
    module.Base, module.SQLAlchemyIndexer = BASE, SQLAlchemyIndexer
    monkeypatch.setitem(sys.modules, "gnocchi.indexer.sqlalchemy", module)
    monkeypatch.delitem(sys.modules, "discovery.rome.gnocchi", raising=False)
    (point,) = importlib.metadata.entry_points(group="gnocchi.indexer", name="rome")
    with redis_server(tmp_path) as server:
        made = point.load()(server.url("gnocchi"))
        yield made
        made.engine.dispose()
    del sys.modules["discovery.rome.gnocchi"]


def test_an_empty_database_gets_its_tables_and_their_revision(indexer):
    indexer.upgrade(nocreate=True)
    assert sa.inspect(indexer.engine).get_table_names() == []
    for _ in range(2):
        indexer.upgrade()
        found = sa.inspect(indexer.engine)
        assert set(found.get_table_names()) == {"metric", "resource", "alembic_version"}


def test_aodh_finds_its_own_storage_by_the_scheme():
    (point,) = importlib.metadata.entry_points(group="aodh.storage", name="rome")
    assert point.value == "aodh.storage.impl_sqlalchemy:Connection"
