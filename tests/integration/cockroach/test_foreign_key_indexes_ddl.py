"""Statements of DDL, by SQLAlchemy and by alembic, on a real PostgreSQL, and what they leave."""

import itertools

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from discovery.cockroach.foreign_keys import is_ours, name, settle
from tests.postgresql_servers import postgresql_server

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server():
    with postgresql_server() as server:
        yield server


@pytest.fixture
def database(server):
    """The name of a new database."""
    found = f"d{next(NUMBERS)}"
    server.create(found)
    return found


@pytest.fixture
def engine(server, database):
    made = sa.create_engine(server.url(database))
    with made.begin() as connection:
        connection.execute(sa.text("CREATE TABLE parent (id integer PRIMARY KEY)"))
    yield made
    made.dispose()


def change(engine, *changes):
    """Each by alembic's operations, all in one transaction."""
    with engine.begin() as connection:
        op = Operations(MigrationContext.configure(connection))
        for one in changes:
            one(op)


def indexes(engine, table="child"):
    """Columns of each index that is not a constraint's, by name."""
    found = sa.inspect(engine).get_indexes(table)
    return {one["name"]: one["column_names"] for one in found}


OURS = {name("child", ["a"]): ["a"]}


def child(*more):
    def create(op):
        op.create_table(
            "child",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("a", sa.Integer),
            *more,
        )

    return create


def fk(op):
    op.create_foreign_key("fk_a", "child", "parent", ["a"], ["id"])


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ([child(sa.ForeignKeyConstraint(["a"], ["parent.id"], name="fk_a"))], OURS),
        ([child(), fk], OURS),
        (
            [
                child(),
                fk,
                lambda op: op.create_foreign_key("fk_b", "child", "parent", ["a"], ["id"]),
            ],
            OURS,
        ),
        (
            [
                child(),
                lambda op: op.add_column(
                    "child", sa.Column("b", sa.Integer, sa.ForeignKey("parent.id"))
                ),
            ],
            {name("child", ["b"]): ["b"]},
        ),
        (
            [
                child(),
                lambda op: op.add_column(
                    "child",
                    sa.Column("b", sa.Integer, sa.ForeignKey("parent.id")),
                    inline_references=True,
                ),
            ],
            {name("child", ["b"]): ["b"]},
        ),
        (
            [child(), lambda op: op.create_index("ix", "child", ["a", "id"]), fk],
            {"ix": ["a", "id"]},
        ),
        (
            [child(), fk, lambda op: op.create_index("ix", "child", ["a", "id"])],
            {"ix": ["a", "id"]},
        ),
        (
            [child(), fk, lambda op: op.create_index("ix", "child", ["id", "a"])],
            {**OURS, "ix": ["id", "a"]},
        ),
        (
            [child(), fk, lambda op: op.create_unique_constraint("u", "child", ["a"])],
            {"u": ["a"]},
        ),
        (
            [
                child(),
                lambda op: op.create_unique_constraint("u", "child", ["a"]),
                fk,
                lambda op: op.drop_constraint("u", "child", type_="unique"),
            ],
            OURS,
        ),
        (
            [
                child(),
                fk,
                lambda op: op.create_index("ix", "child", ["a"]),
                lambda op: op.drop_index("ix", "child"),
            ],
            OURS,
        ),
        ([child(), fk, lambda op: op.drop_constraint("fk_a", "child", type_="foreignkey")], OURS),
        (
            [child(), fk, lambda op: op.drop_constraint("fk_a", "child", type_="foreignkey"), fk],
            OURS,
        ),
        (
            [
                child(),
                fk,
                lambda op: op.drop_constraint("fk_a", "child"),
                lambda op: op.drop_column("child", "a"),
            ],
            {},
        ),
        (
            [
                child(),
                fk,
                lambda op: op.add_column("child", sa.Column("gone", sa.Integer)),
                lambda op: op.create_unique_constraint("u", "child", ["a", "gone"]),
                lambda op: op.drop_column("child", "gone"),
            ],
            OURS,
        ),
        ([child(), fk, lambda op: op.drop_table("child"), child(), fk], OURS),
        (
            [child(sa.Column("b", sa.Integer, sa.ForeignKey("parent.id"), index=True))],
            {"ix_child_b": ["b"]},
        ),
    ],
)
def test_alembic(engine, changes, left):
    change(engine, *changes)
    assert indexes(engine) == left


def test_batches_of_alembic(engine):
    def batch(op):
        with op.batch_alter_table("child") as inside:
            inside.add_column(sa.Column("b", sa.Integer))
            inside.create_foreign_key("fk_b", "parent", ["b"], ["id"])

    change(engine, child(), batch)
    assert indexes(engine) == {name("child", ["b"]): ["b"]}


def model():
    metadata = sa.MetaData()
    sa.Table("parent", metadata, sa.Column("id", sa.Integer, primary_key=True))
    sa.Table(
        "child",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("a", sa.Integer, sa.ForeignKey("parent.id")),
        sa.Column("b", sa.Integer, sa.ForeignKey("parent.id", use_alter=True, name="fk_b")),
    )
    return metadata


def test_metadata_and_models_differ_in_nothing(engine):
    model().create_all(engine)
    assert set(indexes(engine)) == {name("child", ["a"]), name("child", ["b"])}
    model().create_all(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), model()) == []
        # What a model has lost is told of, as ever.
        connection.execute(sa.text("CREATE INDEX theirs ON child (a)"))
        ((kind, index),) = compare_metadata(MigrationContext.configure(connection), model())
        assert (kind, index.name) == ("remove_index", "theirs")
    model().drop_all(engine)


def test_if_not_exists_makes_what_is_lacking(engine):
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE child (id int PRIMARY KEY, a int REFERENCES parent)")
        )
        again = sa.Table("child", sa.MetaData(), sa.Column("other", sa.ForeignKey("parent.id")))
        sa.Table("parent", again.metadata, sa.Column("id", sa.Integer))
        connection.execute(sa.schema.CreateTable(again, if_not_exists=True))
    assert indexes(engine) == OURS


def test_what_is_there_is_not_made_again_and_no_table_has_no_keys(engine):
    change(engine, child(), fk)
    with engine.begin() as connection:
        settle(connection, "child")
        settle(connection, "nosuch")
        settle(connection, "parent")
    assert indexes(engine) == OURS


def test_another_schema(engine):
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema("far"))
        metadata = sa.MetaData(schema="far")
        sa.Table("parent", metadata, sa.Column("id", sa.Integer, primary_key=True))
        sa.Table("child", metadata, sa.Column("a", sa.ForeignKey("far.parent.id")))
        metadata.create_all(connection)
        found = sa.inspect(connection).get_indexes("child", schema="far")
    assert [(is_ours(one["name"]), one["column_names"]) for one in found] == [(True, ["a"])]


def test_a_statement_that_fails_is_followed_by_nothing(engine):
    change(engine, child())
    with pytest.raises(sa.exc.ProgrammingError):
        change(engine, lambda op: op.create_foreign_key("f", "child", "nosuch", ["a"], ["id"]))
    assert indexes(engine) == {}


def test_off_leaves_all_as_it_was(server, database, engine):
    off = sa.create_engine(server.url(database, foreign_key_indexes="off"))
    change(off, child(), fk)
    assert indexes(engine) == {}
    off.dispose()


@pytest.mark.parametrize(
    ("options", "level"),
    [({}, "serializable"), ({"isolation": "read-committed"}, "read committed")],
)
def test_the_level_of_the_url_is_the_connections(server, database, options, level):
    made = sa.create_engine(server.url(database, **options))
    with made.connect() as connection:
        assert connection.scalar(sa.text("SHOW transaction_isolation")) == level
    made.dispose()
