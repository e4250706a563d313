"""The dialects as SQLAlchemy and alembic see them; no server."""

import io

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.engine import make_url
from sqlalchemy_cockroachdb.psycopg2 import CockroachDBDialect_psycopg2

from discovery.cockroach.dialect import CockroachDialect
from discovery.cockroach.postgresql import SerializableDialect


def test_names_by_entry_point():
    assert make_url("cockroachdb+oslo://").get_dialect() is CockroachDialect
    assert make_url("postgresql+oslo://").get_dialect() is SerializableDialect
    assert CockroachDialect.name == "cockroachdb"
    assert SerializableDialect.name == "postgresql"
    assert issubclass(CockroachDialect, CockroachDBDialect_psycopg2)


def test_json_serializers_reach_the_dialect():
    engine = sa.create_engine(
        "cockroachdb+oslo://h/db", json_serializer=str, json_deserializer=repr
    )
    assert engine.dialect._json_serializer is str
    assert engine.dialect._json_deserializer is repr


def script(change):
    """What alembic would execute on CockroachDB."""
    CockroachDialect.import_dbapi()
    written = io.StringIO()
    options = {"as_sql": True, "output_buffer": written}
    context = MigrationContext.configure(dialect_name="cockroachdb", opts=options)
    change(Operations(context))
    return " ".join(written.getvalue().split())


def test_unique_constraint_is_dropped_as_an_index():
    assert "DROP INDEX project@uniq_x CASCADE" in script(
        lambda op: op.drop_constraint("uniq_x", "project", type_="unique")
    )
    assert 'DROP INDEX "user"@"Uniq X" CASCADE' in script(
        lambda op: op.drop_constraint("Uniq X", "user", type_="unique")
    )


def test_other_constraints_are_dropped_as_ever():
    assert "ALTER TABLE project DROP CONSTRAINT fk_x" in script(
        lambda op: op.drop_constraint("fk_x", "project", type_="foreignkey")
    )
