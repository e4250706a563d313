"""Alembic's operations on a table with rows, neighbours, indexes, triggers and a view."""

import itertools

import pytest
import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.util import CommandError

from tests.redis_servers import redis_server

SCHEMA = (
    "CREATE TABLE par (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(9) COLLATE NOCASE, "
    "code INTEGER NOT NULL)",
    "CREATE TABLE t (a INTEGER NOT NULL, b VARCHAR(9) COLLATE NOCASE DEFAULT 'it''s, (so)' "
    "NOT NULL, p INTEGER, up INTEGER, d INTEGER CHECK (d <> 7), bin TEXT COLLATE BINARY, "
    "twice INTEGER GENERATED ALWAYS AS (a * 2) VIRTUAL, CONSTRAINT pk PRIMARY KEY (a), "
    "CONSTRAINT uq UNIQUE (b, d), CONSTRAINT fk FOREIGN KEY(p) REFERENCES par (id) "
    "ON DELETE SET NULL, CONSTRAINT ck CHECK (a > 0 OR b = ','), "
    "CONSTRAINT self FOREIGN KEY(up) REFERENCES t (a))",
    "CREATE TABLE ch (id INTEGER NOT NULL PRIMARY KEY, t INTEGER REFERENCES t (a) "
    "ON DELETE CASCADE)",
    "CREATE TABLE log (n INTEGER)",
    "CREATE INDEX part ON t (lower(b)) WHERE d IS NOT NULL",
    "CREATE INDEX by_d ON t (d DESC)",
    "CREATE UNIQUE INDEX by_bin ON t (bin)",
    "CREATE VIEW v AS SELECT a, b FROM t",
    "CREATE TRIGGER note AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a); END",
    "CREATE TRIGGER other AFTER DELETE ON ch BEGIN UPDATE t SET b = 'x' WHERE a = old.t; END",
    "INSERT INTO par VALUES (1, 'one', 10), (2, 'two', 20)",
    "INSERT INTO t (a, b, p, up, d, bin) VALUES (1, 'Ab', 1, NULL, 1, 'x'), "
    "(2, 'cd', 2, 1, NULL, 'X')",
    "INSERT INTO ch VALUES (1, 1), (2, 2)",
)
ROWS = [(1, "Ab", 1, None, 1, "x", 2), (2, "cd", 2, 1, None, "X", 4)]
OBJECTS = {"part", "by_d", "by_bin", "v", "note", "other"}
_names = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture
def engine(server):
    made = sa.create_engine(server.url(f"alembic{next(_names)}"))
    with made.begin() as connection:
        for statement in SCHEMA:
            connection.exec_driver_sql(statement)
    yield made
    made.dispose()


@pytest.fixture
def migrate(engine):
    def run(change):
        with engine.connect() as connection:
            context = MigrationContext.configure(connection)
            with context.begin_transaction():
                change(Operations(context))
            connection.commit()

    return run


def read(engine, sql):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def refused(engine, sql):
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.exec_driver_sql(sql)


def accepted(engine, sql):
    with engine.begin() as connection:
        connection.exec_driver_sql(sql)


def whole(engine, rows=ROWS, objects=OBJECTS):
    """Nothing is lost but what was meant to be."""
    assert read(engine, "SELECT * FROM t ORDER BY 1") == rows
    found = read(engine, "SELECT name FROM sqlite_schema WHERE sql NOT NULL AND type <> 'table'")
    assert {name for (name,) in found} == objects
    tables = read(engine, "SELECT name FROM sqlite_schema WHERE type = 'table'")
    assert {name for (name,) in tables if "sqlite" not in name} == {"par", "t", "ch", "log"}
    assert read(engine, "SELECT * FROM ch") == [(1, 1), (2, 2)]
    assert read(engine, "SELECT * FROM log") == [(1,), (2,)]
    assert read(engine, "PRAGMA foreign_key_check") == []


CONSTRAINTS = {
    "uq": ("unique", "INSERT INTO t (a, b, d) VALUES (9, 'AB', 1)"),
    "fk": ("foreignkey", "INSERT INTO t (a, b, p) VALUES (9, 'z', 99)"),
    "self": ("foreignkey", "INSERT INTO t (a, b, up) VALUES (9, 'z', 99)"),
    "ck": ("check", "INSERT INTO t (a, b) VALUES (0, 'z')"),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_drop_constraint(engine, migrate, name):
    kind, statement = CONSTRAINTS[name]
    refused(engine, statement)
    migrate(lambda op: op.drop_constraint(name, "t", type_=kind))
    whole(engine)
    for other, (_, its) in CONSTRAINTS.items():
        if other != name:
            refused(engine, its)
    accepted(engine, statement)


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        (
            lambda op: op.create_unique_constraint("new", "t", ["p"]),
            "INSERT INTO t (a, b, p) VALUES (9, 'z', 1)",
        ),
        (
            lambda op: op.create_foreign_key("new", "t", "par", ["d"], ["id"], ondelete="CASCADE"),
            "INSERT INTO t (a, b, d) VALUES (9, 'z', 99)",
        ),
        (
            lambda op: op.create_check_constraint("new", "t", "b <> 'a:b'"),
            "INSERT INTO t (a, b) VALUES (9, 'A:b')",
        ),
    ],
)
def test_add_constraint(engine, migrate, change, bad):
    migrate(change)
    whole(engine)
    for _, statement in CONSTRAINTS.values():
        refused(engine, statement)
    refused(engine, bad)
    with pytest.raises(CommandError, match="constraint new already"):
        migrate(change)
    migrate(lambda op: op.drop_constraint("new", "t"))
    accepted(engine, bad)


def test_primary_key(engine, migrate):
    def change(op):
        op.drop_constraint("whatever", "par", type_="primary")
        op.create_primary_key("pk_par", "par", ["name"])

    migrate(lambda op: op.drop_constraint("fk", "t", type_="foreignkey"))
    migrate(change)
    assert sa.inspect(engine).get_pk_constraint("par")["constrained_columns"] == ["name"]
    refused(engine, "INSERT INTO par VALUES (9, 'ONE', 1)")
    refused(engine, "INSERT INTO par VALUES (9, NULL, 1)")
    whole(engine)


def test_alter_column(engine, migrate):
    migrate(lambda op: op.alter_column("t", "b", nullable=True, server_default=None))
    accepted(engine, "UPDATE t SET b = NULL WHERE a = 1")
    with pytest.raises(sa.exc.IntegrityError):
        migrate(lambda op: op.alter_column("t", "b", nullable=False, existing_type=sa.String(9)))
    accepted(engine, "UPDATE t SET b = 'Ab' WHERE a = 1")
    migrate(lambda op: op.alter_column("t", "b", nullable=False, server_default="a:b"))
    migrate(lambda op: op.alter_column("t", "d", type_=sa.Text, existing_type=sa.Integer))
    migrate(lambda op: op.alter_column("t", "d", type_=sa.String(7), existing_type=sa.Integer()))
    migrate(lambda op: op.alter_column("t", "bin", server_default=sa.text("1 + 1")))
    whole(engine, [(1, "Ab", 1, None, "1", "x", 2), ROWS[1]])
    accepted(engine, "INSERT INTO t (a) VALUES (9)")
    assert read(engine, "SELECT b, bin FROM t WHERE a = 9") == [("a:b", "2")]
    kinds = {column["name"]: column for column in sa.inspect(engine).get_columns("t")}
    assert str(kinds["d"]["type"]) == "VARCHAR(7)"
    assert kinds["bin"]["type"].collation == "BINARY"
    refused(engine, "INSERT INTO t (a, b, d) VALUES (10, 'AB', '1')")


def test_rename_column(engine, migrate):
    migrate(lambda op: op.alter_column("t", "a", new_column_name="e", type_=sa.BigInteger()))
    whole(engine)
    refused(engine, "INSERT INTO ch VALUES (9, 99)")
    refused(engine, "INSERT INTO t (e, b) VALUES (0, 'z')")


@pytest.mark.parametrize(
    ("column", "place", "gone", "still"),
    [
        ("d", 4, {"by_d", "part"}, {"fk", "self", "ck"}),
        ("p", 2, set(), {"uq", "self", "ck"}),
        ("bin", 5, {"by_bin"}, {"uq", "fk", "self", "ck"}),
        ("up", 3, set(), {"uq", "fk", "ck"}),
    ],
)
def test_drop_column(engine, migrate, column, place, gone, still):
    migrate(lambda op: op.drop_column("t", column))
    whole(engine, [row[:place] + row[place + 1 :] for row in ROWS], OBJECTS - gone)
    for name in still:
        refused(engine, CONSTRAINTS[name][1])


def test_add_column(engine, migrate):
    def change(op):
        op.add_column("t", sa.Column("q", sa.Integer, sa.ForeignKey("par.id", name="fk_q")))
        op.add_column("t", sa.Column("at", sa.Integer, server_default=sa.text("(abs(-3))")))

    migrate(change)
    whole(engine, [(*row, None, 3) for row in ROWS])
    refused(engine, "INSERT INTO t (a, b, q) VALUES (9, 'z', 99)")


def test_indexes(engine, migrate):
    migrate(lambda op: op.create_index("more", "t", ["p"], unique=True))
    refused(engine, "INSERT INTO t (a, b, p) VALUES (9, 'z', 1)")
    migrate(lambda op: op.drop_constraint("more", "t", type_="unique"))
    migrate(lambda op: op.drop_index("by_d", "t"))
    whole(engine, objects=OBJECTS - {"by_d"})


def test_a_unique_constraint_is_an_index_in_mysql(engine, migrate):
    migrate(lambda op: op.drop_index("uq", table_name="t"))
    whole(engine)
    accepted(engine, "INSERT INTO t (a, b, d) VALUES (9, 'AB', 1)")
    with pytest.raises(sa.exc.OperationalError, match="no such index: uq"):
        migrate(lambda op: op.drop_index("uq", table_name="t"))


def test_keys_without_a_name_get_those_of_mysql(engine, migrate):
    def change(op):
        op.create_table(
            "new",
            sa.Column("a", sa.Integer, sa.ForeignKey("par.id"), primary_key=True),
            sa.Column("b", sa.Integer, sa.ForeignKey("par.id", name="mine"), unique=True),
            sa.UniqueConstraint("b", "a"),
        )
        op.add_column("new", sa.Column("c", sa.Integer, sa.ForeignKey("par.id"), unique=True))

    def names():
        found = sa.inspect(engine)
        foreign = found.get_foreign_keys("new")
        return {key["name"] for key in (*foreign, *found.get_unique_constraints("new"))}

    migrate(change)
    assert names() == {"new_ibfk_1", "mine", "b", "b_2", "new_ibfk_2", "c"}
    for name, kind in (("new_ibfk_1", "foreignkey"), ("b", "unique"), ("c", "unique")):
        migrate(lambda op, name=name, kind=kind: op.drop_constraint(name, "new", type_=kind))
    assert names() == {"mine", "b_2", "new_ibfk_2"}


def test_batch_mode_adds_a_key_without_a_name(engine, migrate):
    def change(op):
        with op.batch_alter_table("t") as batch:
            batch.alter_column("d", existing_type=sa.Integer, nullable=True)
            batch.create_foreign_key(None, "par", ["d"], ["id"])
            batch.create_unique_constraint("one", ["p"])

    migrate(change)
    whole(engine)
    refused(engine, "INSERT INTO t (a, b, d) VALUES (9, 'z', 99)")
    refused(engine, "INSERT INTO t (a, b, p) VALUES (9, 'z', 1)")
    assert {key["name"] for key in sa.inspect(engine).get_foreign_keys("t")} == {
        *("fk", "self", "t_ibfk_1")
    }


def test_so_do_those_of_tables_that_alembic_does_not_make(engine, migrate):
    """And by these names they go, as in Manila's 5077ffcc5f1c; the description stays as it was."""
    metadata = sa.MetaData()
    metadata.reflect(engine, only=["par"])
    new = sa.Table(
        "new",
        metadata,
        sa.Column("a", sa.Integer, sa.ForeignKey("par.id"), primary_key=True),
        sa.Column("b", sa.Integer, sa.ForeignKey("par.id", name="new_ibfk_1")),
        sa.UniqueConstraint("b", "a"),
    )
    new.create(engine)
    assert {key.name for key in new.foreign_key_constraints} == {None, "new_ibfk_1"}
    found = sa.inspect(engine)
    assert [key["name"] for key in found.get_unique_constraints("new")] == ["b"]
    by_column = {
        tuple(key["constrained_columns"]): key["name"] for key in found.get_foreign_keys("new")
    }
    assert by_column == {("a",): "new_ibfk_2", ("b",): "new_ibfk_1"}

    def change(op):
        with op.batch_alter_table("new") as batch:
            batch.drop_constraint("new_ibfk_2", type_="foreignkey")
        op.drop_constraint("new_ibfk_1", "new", type_="foreignkey")
        op.drop_constraint("b", "new", type_="unique")

    migrate(change)
    found = sa.inspect(engine)
    assert found.get_foreign_keys("new") == found.get_unique_constraints("new") == []


def test_rows_that_break_a_new_constraint(engine, migrate):
    for change in (
        lambda op: op.create_check_constraint("new", "t", "a > 1"),
        lambda op: op.create_foreign_key("new", "t", "par", ["a"], ["code"]),
    ):
        with pytest.raises(sa.exc.DatabaseError):
            migrate(change)
        whole(engine)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda op: op.drop_constraint("no", "t", type_="unique"),
            "table t has no unique constraint no; its constraints with a name: pk, uq, fk, ck",
        ),
        (lambda op: op.drop_constraint("no", "none"), "there is no table none"),
        (lambda op: op.alter_column("t", "no", nullable=True), "table t has no column no"),
        (lambda op: op.drop_column("t", "no"), "table t has no column no"),
    ],
)
def test_what_is_not_there(engine, migrate, change, sentence):
    with pytest.raises(CommandError, match=sentence):
        migrate(change)
    whole(engine)


def test_plain_sqlite_stays_as_it_was(engine):
    plain = sa.create_engine("sqlite://")
    with plain.connect() as connection:
        context = MigrationContext.configure(connection)
        assert type(context.impl) is SQLiteImpl
        with pytest.raises(NotImplementedError, match="No support for ALTER"):
            Operations(context).create_unique_constraint("u", "t", ["a"])
    with engine.connect() as connection:
        assert type(MigrationContext.configure(connection).impl).__name__ == "RomeImpl"
    plain.dispose()


def test_an_update_of_a_join_as_mysql_has_it(engine, migrate):
    def change(op):
        op.execute("UPDATE t JOIN par ON t.p = par.id SET t.d = par.code, b = 'z' WHERE t.d = 1")
        op.get_bind().execute(
            sa.text("DELETE ch FROM ch LEFT JOIN t ON ch.t = t.a WHERE t.d = :code"), {"code": 10}
        )

    migrate(change)
    assert read(engine, "SELECT a, b, d FROM t ORDER BY a") == [(1, "x", 10), (2, "cd", None)]
    assert read(engine, "SELECT id FROM ch") == [(2,)]


def test_one_that_has_no_certain_meaning_changes_nothing(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE t SET d = 5 WHERE a = 1")
        with pytest.raises(sa.exc.NotSupportedError, match="sets columns of t and of par"):
            connection.exec_driver_sql("UPDATE t, par SET t.d = 1, par.code = 2")
        connection.commit()
    assert read(engine, "SELECT d, code FROM t JOIN par ON p = id") == [(5, 10), (None, 20)]
