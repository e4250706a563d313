"""What OpenStack's services rely on, and the suites of SQLAlchemy and alembic do not show."""

import contextlib
import datetime
import decimal

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import orm
from sqlalchemy.dialects import mysql

from discovery.rome import errors
from tests.redis_servers import redis_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture
def engine(server):
    """An empty database."""
    server.ask("FLUSHALL")
    made = sa.create_engine(server.url("db", timeout=5 + len(_used) / 1000))
    _used.append(made)
    yield made
    made.dispose()


@pytest.fixture
def other(server, engine):
    """The same database, seen from a replica of its own: other settings, another replica."""
    made = sa.create_engine(server.url("db", timeout=500 + len(_used) / 1000))
    yield made
    made.dispose()


_used = []


@contextlib.contextmanager
def tables(engine, *definitions):
    """Tables that are there, in a fresh `sa.MetaData`."""
    metadata = sa.MetaData()
    made = [definition(metadata) for definition in definitions]
    metadata.create_all(engine)
    yield made[0] if len(made) == 1 else made


def instances(metadata, key=sa.Integer):
    return sa.Table(
        "instances",
        metadata,
        sa.Column("id", key, primary_key=True),
        sa.Column("name", sa.String(50), unique=True),
        sa.Column("host", sa.String(50, collation="utf8_bin")),
        sa.Column("size", sa.Integer),
    )


def rows(engine, statement):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]


# Strings compare as in MySQL


def test_strings_compare_without_case(engine):
    with tables(engine, instances) as t:
        with engine.begin() as connection:
            connection.execute(t.insert().values(name="Web", host="Rennes"))
        named = sa.select(t.c.name)
        assert rows(engine, named.where(t.c.name == "wEB")) == [("Web",)]
        assert rows(engine, named.where(t.c.name.in_(["WEB", "x"]))) == [("Web",)]
        assert rows(engine, named.where(t.c.name.like("we_"))) == [("Web",)]
        assert rows(engine, named.where(t.c.name.like("%EB"))) == [("Web",)]
        assert rows(engine, named.where(t.c.name.op("REGEXP")("^w.b$"))) == [("Web",)]
        assert rows(engine, named.where(t.c.name.regexp_match("^v"))) == []
        assert rows(engine, named.where(t.c.host == "rennes")) == [], "utf8_bin minds case"
        assert rows(engine, named.where(t.c.host == "Rennes")) == [("Web",)]


def test_unique_without_case_here_and_in_certification(engine, other):
    with tables(engine, instances) as t:
        with engine.begin() as connection:
            connection.execute(t.insert().values(name="Web"))
        with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
            connection.execute(t.insert().values(name="WEB"))
        with (
            pytest.raises(sa.exc.DBAPIError) as lost,
            engine.begin() as mine,
            other.begin() as theirs,
        ):
            theirs.execute(t.insert().values(name="db"))
            mine.execute(t.insert().values(name="DB"))
            theirs.commit()
            mine.commit()
        assert isinstance(lost.value.orig, errors.IntegrityError | errors.Deadlock)
        assert sorted(rows(other, sa.select(t.c.name))) == [("Web",), ("db",)]


# Keys that are leased


@pytest.mark.parametrize("key", [sa.Integer, sa.BigInteger])
def test_a_new_row_knows_its_key(engine, key):
    with tables(engine, lambda m: instances(m, key)) as t, engine.begin() as connection:
        ids = [
            connection.execute(t.insert().values(name=f"n{i}")).inserted_primary_key[0]
            for i in range(3)
        ]
        assert len({*ids}) == 3
        assert ids == sorted(ids)
        assert connection.scalars(sa.select(t.c.id).order_by(t.c.id)).all() == ids
        given = connection.execute(t.insert().values(id=10_000, name="given"))
        assert given.inserted_primary_key == (10_000,)


@pytest.mark.parametrize("key", [sa.Integer, sa.BigInteger])
def test_a_key_without_returning(engine, key):
    """``implicit_returning=False``: SQLAlchemy takes the cursor's ``lastrowid``."""

    def define(metadata):
        t = instances(metadata, key)
        t.implicit_returning = False
        return t

    with tables(engine, define) as t, engine.begin() as connection:
        connection.execute(t.insert().values(id=500, name="first"))
        made = connection.execute(t.insert().values(name="second"))
        assert made.rowcount == 1
        found = connection.scalar(sa.select(t.c.id).where(t.c.name == "second"))
        assert made.inserted_primary_key == (found,)


def test_every_way_to_insert_leases_keys(engine, other):
    """Two replicas insert at once, in every way: no number twice."""
    with tables(engine, instances) as t:
        for number, source in enumerate((engine, other) * 2):
            with source.begin() as connection:
                connection.execute(
                    t.insert(), [{"name": f"many {number} {i}", "size": i} for i in range(30)]
                )
                connection.execute(
                    t.insert().values([{"name": f"multi {number} {i}"} for i in range(30)])
                )
                connection.execute(
                    t.insert().from_select(
                        ["name", "host"],
                        sa.select(t.c.name + f" copy {number}", t.c.host).where(
                            t.c.name.like(f"many {number} %")
                        ),
                    )
                )
        mapped = orm.registry()
        instance = type("Instance", (), {})
        mapped.map_imperatively(instance, t)
        for number, source in enumerate((engine, other)):
            with orm.Session(source) as session:
                one = instance()
                one.name = f"orm {number}"
                session.add(one)
                session.flush()
                assert one.id
                session.bulk_insert_mappings(
                    instance, [{"name": f"bulk {number} {i}"} for i in range(30)]
                )
                session.execute(
                    sa.insert(instance), [{"name": f"new bulk {number} {i}"} for i in range(30)]
                )
                got = session.scalars(
                    sa.insert(instance).returning(instance.id),
                    [{"name": f"told {number} {i}"} for i in range(30)],
                ).all()
                assert len({*got}) == 30
                session.commit()
        mapped.dispose()
        assert rows(engine, sa.select(sa.func.count(), sa.func.count(t.c.id.distinct()))) == [
            (4 * 90 + 2 * 91, 4 * 90 + 2 * 91)
        ]


def test_a_lease_steps_over_keys_that_were_given(engine):
    with tables(engine, instances) as t, engine.begin() as connection:
        first = connection.execute(t.insert().values(name="a")).inserted_primary_key[0]
        taken = {*range(first + 1, first + 40)}
        connection.execute(t.insert(), [{"id": i, "name": f"given {i}"} for i in sorted(taken)])
        leased = {
            connection.execute(t.insert().values(name=f"l{i}")).inserted_primary_key[0]
            for i in range(40)
        }
        assert not leased & taken


# RETURNING, row counts, compare-and-swap


def test_returning(engine):
    with tables(engine, instances) as t, engine.begin() as connection:
        made = connection.execute(
            t.insert().values(name="a", size=1).returning(t.c.id, t.c.name, t.c.size)
        ).one()
        assert (made.name, made.size) == ("a", 1)
        changed = connection.execute(
            t.update().where(t.c.id == made.id).values(size=t.c.size + 1).returning(t.c.size)
        )
        assert changed.scalar_one() == 2
        gone = connection.execute(t.delete().returning(t.c.name))
        assert gone.scalars().all() == ["a"]


def test_compare_and_swap_counts_rows(engine, other):
    """Nova and placement ask how many rows an UPDATE found, to know who came first."""
    with tables(engine, instances) as t:
        with engine.begin() as connection:
            connection.execute(t.insert().values(id=1, name="provider", size=0))
        swap = t.update().where(t.c.id == 1, t.c.size == 0).values(size=1)
        with engine.begin() as connection:
            assert connection.execute(swap).rowcount == 1
            assert connection.execute(swap).rowcount == 0
        with other.begin() as connection:
            assert connection.execute(swap).rowcount == 0
        with engine.begin() as connection:
            same = t.update().where(t.c.id == 1).values(size=1)
            assert connection.execute(same).rowcount == 1, "rows that match, as in MySQL's drivers"
            assert connection.execute(t.delete().where(t.c.id == 2)).rowcount == 0


def test_a_lost_compare_and_swap_is_never_counted_as_won(engine, other):
    with tables(engine, instances) as t:
        with engine.begin() as connection:
            connection.execute(t.insert().values(id=1, name="provider", size=0))
        swap = t.update().where(t.c.id == 1, t.c.size == 0).values(size=1)
        with pytest.raises(sa.exc.OperationalError, match="rome: deadlock"), engine.begin() as mine:
            assert mine.execute(swap).rowcount == 1
            with other.begin() as theirs:
                assert theirs.execute(swap).rowcount == 1


# Running again must not depend on what only one replica knows


def text_key(metadata):
    return sa.Table(
        "project",
        metadata,
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("size", sa.Integer),
    )


def no_key(metadata):
    return sa.Table(
        "project", metadata, sa.Column("id", sa.String(64)), sa.Column("size", sa.Integer)
    )


@pytest.mark.parametrize("define", [text_key, no_key])
def test_inserts_beside_others_are_run_again(engine, other, define):
    """Two processes insert into a table without an integer key; the second is run again."""
    with tables(engine, define, instances) as (t, counter):
        with engine.begin() as connection:
            connection.execute(t.insert().values(id="first", size=0))
            connection.execute(counter.insert().values(id=1, name="c", size=0))
        grow = counter.update().values(size=counter.c.size + 1)
        with engine.begin() as mine:
            mine.execute(t.update().values(size=5).where(t.c.id == "first"))
            mine.execute(t.insert().values(id="mine", size=1))
            mine.execute(grow)
            with other.begin() as theirs:
                theirs.execute(t.insert().values(id="theirs", size=2))
                theirs.execute(grow)
        for source in (engine, other):
            assert sorted(rows(source, sa.select(t))) == [("first", 5), ("mine", 1), ("theirs", 2)]
            assert rows(source, sa.select(counter.c.size)) == [(2,)]


# FOR UPDATE


def test_for_update_is_marked_and_certified(engine, other):
    with tables(engine, instances) as t:
        with engine.begin() as connection:
            connection.execute(t.insert().values(id=1, name="a", size=1))
        locked = sa.select(t.c.size).where(t.c.id == 1).with_for_update()
        assert str(locked.compile(engine)).endswith(" FOR UPDATE")
        assert str(locked.with_for_update(read=True).compile(engine)).endswith(" FOR SHARE")
        with pytest.raises(sa.exc.OperationalError, match="rome: deadlock"), engine.begin() as mine:
            assert mine.execute(locked).scalar() == 1
            with other.begin() as theirs:
                theirs.execute(t.update().values(size=2))
            mine.execute(t.insert().values(name="depends on what was read"))


# Savepoints


def test_savepoints_nest_roll_back_and_release(engine, other):
    with tables(engine, instances) as t:
        with engine.begin() as connection:
            add = t.insert()
            connection.execute(add.values(name="kept"))
            outer = connection.begin_nested()
            connection.execute(add.values(name="outer"))
            inner = connection.begin_nested()
            connection.execute(add.values(name="inner"))
            inner.rollback()
            again = connection.begin_nested()
            connection.execute(add.values(name="again"))
            again.commit()
            outer.commit()
            gone = connection.begin_nested()
            connection.execute(add.values(name="gone"))
            connection.execute(t.delete().where(t.c.name == "kept"))
            gone.rollback()
        expected = [("again",), ("kept",), ("outer",)]
        assert sorted(rows(engine, sa.select(t.c.name))) == expected
        assert sorted(rows(other, sa.select(t.c.name))) == expected


def test_a_duplicate_in_a_savepoint_leaves_the_rest(engine, other):
    """oslo.db's and nova's way to create what may be there already."""
    with tables(engine, instances) as t:
        with engine.begin() as connection:
            connection.execute(t.insert().values(name="a"))
        with engine.begin() as connection:
            connection.execute(t.insert().values(name="b"))
            with pytest.raises(sa.exc.IntegrityError), connection.begin_nested():
                connection.execute(t.insert().values(name="a"))
            connection.execute(t.insert().values(name="c"))
        assert sorted(rows(other, sa.select(t.c.name))) == [("a",), ("b",), ("c",)]


def test_savepoints_are_run_again(engine, other):
    with tables(engine, instances) as t:
        with engine.begin() as connection:
            connection.execute(t.insert().values(id=1, name="a", size=0))
        grow = t.update().where(t.c.id == 1).values(size=t.c.size + 1)
        with engine.begin() as mine:
            mine.execute(grow)
            nested = mine.begin_nested()
            mine.execute(grow)
            nested.rollback()
            with other.begin() as theirs:
                theirs.execute(grow)
        assert rows(other, sa.select(t.c.size)) == [(2,)]


# Types


def everything(metadata):
    return sa.Table(
        "everything",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("json", sa.JSON),
        sa.Column("moment", sa.DateTime),
        sa.Column("fine", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")),
        sa.Column("day", sa.Date),
        sa.Column("number", sa.Numeric(20, 4)),
        sa.Column("real", sa.Float),
        sa.Column("blob", sa.LargeBinary),
        sa.Column("big", sa.BigInteger),
        sa.Column("flag", sa.Boolean),
        sa.Column("text", sa.Text),
        sa.Column("enum", sa.Enum("a", "b", name="letters")),
    )


EVERYTHING = {
    "json": {"a": [1, None, "x"], "b": {"c": True}},
    "moment": datetime.datetime(2016, 5, 1, 12, 30, 15, 123456),
    "fine": datetime.datetime(2016, 5, 1, 12, 30, 15, 1),
    "day": datetime.date(2016, 5, 1),
    "number": decimal.Decimal("123456.7891"),
    "real": 0.1,
    "blob": bytes(range(256)),
    "big": 2**62 + 1,
    "flag": True,
    "text": "é" * 5000 + "🙂",
    "enum": "b",
}


@pytest.mark.filterwarnings("ignore:Dialect sqlite.rome does .not. support Decimal")
def test_values_of_every_type_come_back_on_every_replica(engine, other, server):
    with tables(engine, everything) as t:
        with engine.begin() as connection:
            connection.execute(t.insert().values(id=1, **EVERYTHING))
            connection.execute(t.insert().values(id=2))
        late = sa.create_engine(server.url("db", timeout=900))
        for source in (engine, other, late):
            with source.connect() as connection:
                full, empty = connection.execute(sa.select(t).order_by(t.c.id)).mappings()
                assert dict(full) == {"id": 1, **EVERYTHING}
                assert {*empty.values()} == {2, None}
                found = connection.execute(sa.select(t.c.id).where(t.c.flag.is_(True)))
                assert found.scalars().all() == [1]
                assert connection.scalar(sa.select(t.c.json["a"][2].as_string())) == "x"
        late.dispose()


def test_server_defaults(engine, other):
    def define(metadata):
        return sa.Table(
            "service",
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("created_at", sa.DateTime, server_default=sa.func.now()),
            sa.Column("disabled", sa.Boolean, server_default=sa.false()),
            sa.Column("name", sa.String(20), server_default="it's"),
        )

    with tables(engine, define) as t:
        with engine.begin() as connection:
            made = connection.execute(t.insert().returning(t.c.created_at, t.c.disabled, t.c.name))
            moment, disabled, name = made.one()
        assert (disabled, name) == (False, "it's")
        assert isinstance(moment, datetime.datetime)
        assert rows(other, sa.select(t.c.created_at)) == [(moment,)], "the value, not the function"


def test_long_lists(engine):
    """More values than SQLite binds: MySQL takes them."""
    with tables(engine, instances) as t, engine.begin() as connection:
        connection.execute(t.insert(), [{"id": i, "name": f"n{i}"} for i in range(1, 200)])
        for number in (30_000, 70_000):
            found = connection.scalars(
                sa.select(t.c.id).where(t.c.id.in_(range(150, 150 + number))).order_by(t.c.id)
            )
            assert found.all() == [*range(150, 200)]
            done = connection.execute(
                t.update().where(t.c.id.in_(range(150, 150 + number))).values(size=1)
            )
            assert done.rowcount == 50


# Keys of other kinds


def test_composite_text_and_no_keys(engine, other):
    def composite(metadata):
        return sa.Table(
            "pair",
            metadata,
            sa.Column("left", sa.String(36), primary_key=True),
            sa.Column("right", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("note", sa.String(20)),
        )

    with tables(engine, composite, text_key) as (pair, project):
        with engine.begin() as connection:
            connection.execute(
                pair.insert(), [{"left": a, "right": b} for a in "ab" for b in (1, 2)]
            )
            connection.execute(project.insert(), [{"id": "P1"}, {"id": "p2"}])
        with other.begin() as connection:
            done = connection.execute(pair.update().where(pair.c.right == 1).values(note="x"))
            assert done.rowcount == 2
            connection.execute(pair.delete().where(pair.c.left == "B", pair.c.right == 2))
            connection.execute(project.update().where(project.c.id == "p1").values(id="P3"))
        assert sorted(rows(engine, sa.select(pair))) == [
            ("a", 1, "x"),
            ("a", 2, None),
            ("b", 1, "x"),
        ]
        assert sorted(rows(engine, sa.select(project.c.id))) == [("P3",), ("p2",)]


def test_equal_rows_without_a_key(engine, other):
    with tables(engine, no_key) as t:
        with engine.begin() as connection:
            connection.execute(t.insert(), [{"id": "same", "size": 1}] * 3)
        with other.begin() as connection:
            connection.execute(t.insert().values(id="same", size=1))
            assert connection.execute(t.update().values(size=2)).rowcount == 4
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "DELETE FROM project WHERE rowid = (SELECT max(rowid) FROM project)"
            )
        assert rows(other, sa.select(t)) == [("same", 2)] * 3


# Migrations


@pytest.fixture
def migrated(engine, other):
    """A parent with children that go with it, and alembic's operations on them."""
    metadata = sa.MetaData()
    sa.Table(
        "parent",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("size", sa.Integer),
        sa.UniqueConstraint("name", name="uniq_name"),
        sa.CheckConstraint("size >= 0", name="ck_size"),
    )
    sa.Table(
        "child",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("parent_id", sa.ForeignKey("parent.id", ondelete="CASCADE"), nullable=False),
    )
    sa.Index("ix_child_parent", metadata.tables["child"].c.parent_id)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO parent VALUES (1, 'a', 1), (2, 'b', 2)")
        connection.exec_driver_sql("INSERT INTO child VALUES (1, 1), (2, 1), (3, 2)")

    @contextlib.contextmanager
    def operations():
        with engine.begin() as connection:
            yield Operations(MigrationContext.configure(connection))

    return operations


CHILDREN = sa.text("SELECT id, parent_id FROM child ORDER BY id")


def test_add_column_to_rows(migrated, engine, other):
    with migrated() as op:
        op.add_column("parent", sa.Column("note", sa.String(20), server_default="none"))
        op.add_column("parent", sa.Column("deleted", sa.Integer))
        op.create_index("ix_parent_note", "parent", ["note"])
    found = [("a", "none", None), ("b", "none", None)]
    query = sa.text("SELECT name, note, deleted FROM parent ORDER BY id")
    for source in (engine, other):
        assert rows(source, query) == found
        assert "ix_parent_note" in {i["name"] for i in sa.inspect(source).get_indexes("parent")}


@pytest.mark.parametrize("recreate", ["auto", "always"])
def test_batch_mode_keeps_children(migrated, engine, other, recreate):
    """The table is made anew, filled, and takes the old one's place: no cascade may see that."""
    with migrated() as op, op.batch_alter_table("parent", recreate=recreate) as batch:
        batch.alter_column("name", existing_type=sa.String(20), type_=sa.String(255))
        batch.drop_constraint("uniq_name", type_="unique")
        batch.add_column(sa.Column("project", sa.String(20)))
        batch.create_unique_constraint("uniq_both", ["name", "project"])
    for source in (engine, other):
        assert rows(source, CHILDREN) == [(1, 1), (2, 1), (3, 2)]
        inspector = sa.inspect(source)
        assert inspector.get_table_names() == ["child", "parent"]
        unique = inspector.get_unique_constraints("parent")
        assert [(u["name"], u["column_names"]) for u in unique] == [
            ("uniq_both", ["name", "project"])
        ]
    with other.begin() as connection:
        connection.exec_driver_sql("INSERT INTO parent (id, name, project) VALUES (3, 'a', 'p')")
        connection.exec_driver_sql("DELETE FROM parent WHERE id = 1")
    assert rows(engine, CHILDREN) == [(3, 2)], "and afterwards cascades work again"
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO child VALUES (9, 99)")


def test_rows_written_before_and_after_ddl_in_one_transaction(migrated, engine, other):
    with migrated() as op:
        op.execute("UPDATE parent SET size = 10 WHERE id = 1")
        op.execute("DELETE FROM parent WHERE id = 2")
        op.add_column("child", sa.Column("note", sa.String(10)))
        op.execute("INSERT INTO child (id, parent_id, note) VALUES (4, 1, 'new')")
        op.execute("UPDATE child SET note = 'old' WHERE id = 1")
    for source in (engine, other):
        assert rows(source, sa.text("SELECT id, size FROM parent")) == [(1, 10)]
        assert rows(source, sa.text("SELECT id, note FROM child ORDER BY id")) == [
            (1, "old"),
            (2, None),
            (4, "new"),
        ]


def test_a_migration_that_fails_leaves_nothing(migrated, engine, other):
    with pytest.raises(ZeroDivisionError), migrated() as op:
        op.execute("DELETE FROM parent")
        op.drop_table("child")
        op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True))
        _ = 1 / 0
    for source in (engine, other):
        assert rows(source, CHILDREN) == [(1, 1), (2, 1), (3, 2)]
        assert sa.inspect(source).get_table_names() == ["child", "parent"]


def test_what_is_reflected(migrated, engine, other):
    inspector = sa.inspect(other)
    columns = {column["name"]: column for column in inspector.get_columns("parent")}
    assert isinstance(columns["id"]["type"], sa.Integer)
    assert columns["name"]["type"].length == 20
    assert (columns["name"]["nullable"], columns["size"]["nullable"]) == (False, True)
    assert inspector.get_pk_constraint("parent")["constrained_columns"] == ["id"]
    (unique,) = inspector.get_unique_constraints("parent")
    assert (unique["name"], unique["column_names"]) == ("uniq_name", ["name"])
    (check,) = inspector.get_check_constraints("parent")
    assert (check["name"], check["sqltext"]) == ("ck_size", "size >= 0")
    (foreign,) = inspector.get_foreign_keys("child")
    assert (foreign["referred_table"], foreign["options"]) == ("parent", {"ondelete": "CASCADE"})
    (index,) = inspector.get_indexes("child")
    assert (index["name"], index["column_names"]) == ("ix_child_parent", ["parent_id"])
    reflected = sa.MetaData()
    reflected.reflect(other)
    assert [*reflected.tables] == ["child", "parent"]


def test_savepoints_over_ddl(migrated, engine, other):
    with migrated() as op:
        savepoint = op.get_bind().begin_nested()
        op.execute("DELETE FROM parent WHERE id = 2")
        savepoint.rollback()
        op.execute("UPDATE parent SET size = 7 WHERE id = 2")
        op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True))
    for source in (engine, other):
        assert rows(source, sa.text("SELECT id, size FROM parent ORDER BY id")) == [(1, 1), (2, 7)]
    with migrated() as op, op.get_bind().begin_nested():
        op.execute("UPDATE parent SET size = 8 WHERE id = 2")
        op.drop_table("extra")
    assert rows(other, sa.text("SELECT size FROM parent WHERE id = 2")) == [(8,)]
    with migrated() as op:
        savepoint = op.get_bind().begin_nested()
        op.execute("DELETE FROM parent WHERE id = 2")
        op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True))
        op.add_column("parent", sa.Column("more", sa.Integer))
        op.execute("INSERT INTO parent VALUES (9, 'i', 9, 9)")
        savepoint.rollback()
        op.execute("UPDATE parent SET size = 9 WHERE id = 2")
    assert rows(other, sa.text("SELECT * FROM parent WHERE id = 2")) == [(2, "b", 9)]
    assert len(rows(other, CHILDREN)) == 3
    assert sa.inspect(other).get_table_names() == ["child", "parent"]


def test_an_insert_as_the_first_statement_after_others_changed_the_schema(engine, other):
    """It begins without asking Redis for the newest state, and asks where it fails."""
    with tables(engine, instances) as t:
        assert rows(other, sa.select(t)) == []
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE instances ADD COLUMN note VARCHAR(20)")
            connection.exec_driver_sql("CREATE TABLE more (id INTEGER PRIMARY KEY)")
        with other.begin() as connection:
            connection.exec_driver_sql("INSERT INTO instances (id, note) VALUES (1, 'x')")
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE more RENAME TO less")
        with other.begin() as connection:
            connection.exec_driver_sql("INSERT INTO less VALUES (1)")
        assert rows(engine, sa.text("SELECT note FROM instances, less")) == [("x",)]


def test_analyze_changes_nothing(migrated, engine, other):
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO parent VALUES (3, 'c', 3)")
        connection.exec_driver_sql("ANALYZE")
        connection.exec_driver_sql("INSERT INTO parent VALUES (4, 'd', 4)")
    assert rows(other, sa.text("SELECT count(*) FROM parent")) == [(4,)]


def test_no_row_without_a_primary_key(engine, other):
    """SQLite takes NULL in a key that is not declared NOT NULL; nothing would certify that row."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE loose (name VARCHAR(20) PRIMARY KEY, size INT)")
    for sql in ("INSERT INTO loose VALUES (NULL, 1)", "UPDATE loose SET name = NULL"):
        with pytest.raises(sa.exc.IntegrityError, match="loose"), engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO loose VALUES ('a', 1)")
            connection.exec_driver_sql(sql)
        with pytest.raises(sa.exc.IntegrityError, match="loose"), engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO loose VALUES (NULL, 1)")
        assert rows(other, sa.text("SELECT * FROM loose")) == []


def test_case_sensitive_columns_stay_so(engine, other):
    """Batch mode makes the table from what is reflected."""

    def define(metadata):
        return sa.Table(
            "tag",
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("plain, name", sa.String(20)),
            sa.Column("exact", sa.String(20, collation="utf8mb3_bin"), unique=True),
            sa.Column("Select", sa.Text(collation="utf8_bin"), server_default="a, b"),
        )

    with tables(engine, define) as t:
        with engine.begin() as connection:
            op = Operations(MigrationContext.configure(connection))
            op.add_column("tag", sa.Column("late", sa.String(20, collation="utf8_bin")))
            with op.batch_alter_table("tag", recreate="always") as batch:
                batch.add_column(sa.Column("more", sa.String(20)))
        reflected = sa.Table("tag", sa.MetaData(), autoload_with=other)
        assert [getattr(c.type, "collation", None) for c in reflected.c] == [
            None,
            None,
            "BINARY",
            "BINARY",
            "BINARY",
            None,
        ]
        with engine.begin() as connection:
            connection.execute(t.insert(), [{"exact": "a"}, {"exact": "A"}])
        assert len(rows(other, sa.select(t).where(t.c.exact == "a", t.c.Select == "a, b"))) == 1


# Temporary tables


def test_temporary_tables_are_the_connections_own(engine, other):
    with tables(engine, instances) as t, engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE chosen (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO chosen VALUES (1), (2)")
        connection.commit()
        with other.begin() as theirs:
            theirs.execute(t.insert(), [{"id": i, "name": f"n{i}"} for i in (1, 2, 3)])
        connection.execute(t.insert().values(id=4, name="n4"))
        connection.exec_driver_sql("DELETE FROM chosen WHERE id = 2")
        with other.begin() as theirs:
            theirs.execute(t.insert().values(id=5, name="n5"))
        connection.commit()
        count = connection.exec_driver_sql("SELECT group_concat(id) FROM chosen").scalar()
        assert count == "1", "kept, though another commit came between"
        assert rows(other, sa.select(sa.func.count()).select_from(t)) == [(5,)]
        connection.exec_driver_sql("INSERT INTO chosen VALUES (7)")
        connection.rollback()
        assert connection.exec_driver_sql("SELECT count(*) FROM chosen").scalar() == 1
        connection.rollback()
        with other.begin() as theirs:
            theirs.exec_driver_sql("ALTER TABLE instances ADD COLUMN more INTEGER DEFAULT 7")
            theirs.exec_driver_sql("CREATE TABLE later (id INTEGER PRIMARY KEY)")
        joined = "SELECT instances.id, more FROM instances JOIN chosen USING (id), later"
        assert connection.exec_driver_sql(joined).all() == []
        connection.exec_driver_sql("INSERT INTO later VALUES (1)")
        assert connection.exec_driver_sql(joined).all() == [(1, 7)]
        connection.commit()
        connection.exec_driver_sql("INSERT INTO chosen VALUES (8)")
        connection.exec_driver_sql("CREATE TABLE more (id INTEGER PRIMARY KEY)")
        connection.commit()
        assert connection.exec_driver_sql("SELECT id FROM chosen ORDER BY id").all() == [(1,), (8,)]
    assert "more" in sa.inspect(other).get_table_names()


# Isolation levels


def test_levels(engine, other, server):
    serial = sa.create_engine(server.url("db"), isolation_level="SERIALIZABLE")
    with serial.connect() as connection:
        assert connection.get_isolation_level() == "SERIALIZABLE"
    with tables(engine, instances) as t:
        with other.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(t.insert().values(id=1, name="at once", size=0))
            assert rows(engine, sa.select(t.c.name)) == [("at once",)]
        with serial.connect() as mine, pytest.raises(sa.exc.OperationalError, match="deadlock"):
            total = mine.scalar(sa.select(sa.func.sum(t.c.size)))
            with other.begin() as theirs:
                theirs.execute(t.insert().values(id=2, name="theirs", size=1))
            mine.execute(t.insert().values(id=3, name="mine", size=total))
            mine.commit()
    serial.dispose()
