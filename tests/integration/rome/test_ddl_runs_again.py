"""A transaction with DDL that others came before is run again, as any."""

import itertools
import random

import apsw
import pytest
import sqlalchemy as sa

from discovery.rome import dbapi, errors
from discovery.rome.integrity import check
from discovery.rome.settings import parse
from tests.redis_servers import redis_server

SCHEMA = (
    "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY, v INT)",
    "CREATE TABLE b (id INTEGER NOT NULL PRIMARY KEY, v INT, a INT REFERENCES a (id))",
    "INSERT INTO a VALUES (1, 1), (2, 2)",
    "INSERT INTO b VALUES (1, 1, 1), (2, 2, NULL)",
)
REBUILD = (
    "CREATE TABLE tmp (id INTEGER NOT NULL PRIMARY KEY, v TEXT)",
    "INSERT INTO tmp SELECT id, v FROM a",
    "DROP TABLE a",
    "ALTER TABLE tmp RENAME TO a",
)
ALL = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name"
_names = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as started:
        yield started


class Processes:
    """Connections with a replica each, as in processes of their own."""

    def __init__(self, server):
        self.place = (f"127.0.0.1:{server.port}", f"again{next(_names)}")
        self.opened = []

    def another(self):
        made = dbapi.connect(*self.place, timeout=10 + len(self.opened))
        self.opened.append(made)
        return made

    def content(self):
        """Schema and rows, the same to all processes, to one that boots, and to the log."""
        self.another()
        found = [content(process) for process in self.opened]
        assert all(one == found[0] for one in found)
        assert not check(parse(*self.place)).violations
        return found[0]


def content(database):
    schema = list(database.execute(ALL))
    tables = [name for kind, name, _ in schema if kind == "table"]
    rows = {name: list(database.execute(f"SELECT * FROM {name} ORDER BY id")) for name in tables}
    if hasattr(database, "rollback"):
        database.rollback()
    return schema, rows


@pytest.fixture
def processes(server):
    made = Processes(server)
    one = made.another()
    for statement in SCHEMA:
        one.execute(statement)
    one.commit()
    yield made
    for process in made.opened:
        process.close()


def run(connection, *statements):
    for statement in statements:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (("CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY)",), REBUILD),
        (REBUILD, ("CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY)",)),
        (REBUILD, ("UPDATE a SET v = 9 WHERE id = 1",)),
        (("CREATE INDEX i ON a (v)",), ("ALTER TABLE a ADD COLUMN w INT DEFAULT 3",)),
        (("DROP TABLE b",), ("INSERT INTO b VALUES (3, 3, NULL)",)),
        (
            ("CREATE TABLE c (id INTEGER NOT NULL PRIMARY KEY)", "UPDATE a SET v = v + 1"),
            ("UPDATE a SET v = v * 10 WHERE id = 2", "CREATE VIEW w AS SELECT * FROM a"),
        ),
    ],
)
def test_it_is_as_if_one_had_run_after_the_other(processes, mine, theirs):
    one, two = processes.opened[0], processes.another()
    run(one, *mine)
    run(two, *theirs)
    two.commit()
    one.commit()
    alone = apsw.Connection(":memory:")
    for statement in (*SCHEMA, *theirs, *mine):
        alone.execute(statement)
    assert processes.content() == content(alone)


@pytest.mark.parametrize(
    ("mine", "theirs", "error"),
    [
        (REBUILD, ("INSERT INTO a VALUES (3, 3)",), errors.Deadlock),  # it would copy three rows
        (("ALTER TABLE b ADD COLUMN w INT",), ("DROP TABLE b",), errors.Deadlock),
        (("CREATE TABLE c (id INT)",), ("CREATE TABLE c (id INT)",), errors.Deadlock),
        ((ALL, "CREATE TABLE c (id INT)"), ("CREATE TABLE d (id INT)",), errors.Deadlock),
        (
            ("CREATE UNIQUE INDEX i ON a (v)",),
            ("INSERT INTO a VALUES (3, 1)",),
            errors.IntegrityError,
        ),
    ],
)
def test_what_would_not_be_the_same_is_undone(processes, mine, theirs, error):
    one, two = processes.opened[0], processes.another()
    run(one, *mine)
    run(two, *theirs)
    two.commit()
    with pytest.raises(error):
        one.commit()
    alone = apsw.Connection(":memory:")
    for statement in (*SCHEMA, *theirs):
        alone.execute(statement)
    assert processes.content() == content(alone)


def test_a_second_connection_makes_tables_within_a_migration(server):
    """As Manila's first revision does, while alembic has made its own table on the first one."""
    engine = sa.create_engine(server.url(f"again{next(_names)}"))
    metadata = sa.MetaData()
    version = sa.Table("version", metadata, sa.Column("number", sa.String(32), primary_key=True))
    services = sa.Table("services", metadata, sa.Column("id", sa.Integer, primary_key=True))
    with engine.connect() as first:
        version.create(first, checkfirst=True)
        with engine.begin() as second:
            services.create(second, checkfirst=True)
            second.execute(services.insert())
        first.execute(version.insert().values(number="162a3e673105"))
        first.commit()
    assert set(sa.inspect(engine).get_table_names()) == {"version", "services"}
    with engine.connect() as later:
        assert later.scalar(sa.select(version.c.number)) == "162a3e673105"
        assert later.scalar(sa.select(sa.func.count()).select_from(services)) == 1
    engine.dispose()


def program(chance, number):
    """Statements that read nothing but what they write."""
    table = chance.choice(["a", "b"])
    made = f"c{number}"
    new = [f"CREATE TABLE {made} (id INTEGER PRIMARY KEY)", f"INSERT INTO {made} VALUES (1)"]
    choices = [
        [f"UPDATE {table} SET v = v + 1"],
        [f"UPDATE {table} SET v = v * 2 WHERE id = 1", f"UPDATE {table} SET v = 0 WHERE id = 2"],
        [f"INSERT INTO a (id, v) VALUES ({number + 10}, 1)"],
        [f"ALTER TABLE {table} ADD COLUMN x{number} INT DEFAULT {number}"],
        [f"CREATE INDEX i{number} ON {table} (v)"],
        new,
        [f"CREATE VIEW v{number} AS SELECT v FROM {table}"],
    ]
    return [one for part in chance.sample(choices, chance.randint(1, 3)) for one in part]


@pytest.mark.parametrize("seed", range(3))
def test_programs_with_ddl_have_an_order(processes, seed):
    """Of many at a time, those that commit leave what they leave one after the other."""
    chance = random.Random(seed)
    alone = apsw.Connection(":memory:")
    for statement in SCHEMA:
        alone.execute(statement)
    others = [processes.opened[0], processes.another(), processes.another()]
    numbers = itertools.count(1)
    done = failed = 0
    for _ in range(12):
        programs = [program(chance, next(numbers)) for _ in others]
        turns = [n for n, statements in enumerate(programs) for _ in statements]
        chance.shuffle(turns)
        left = [list(statements) for statements in programs]
        for n in turns:
            others[n].execute(left[n].pop(0))
        for n in chance.sample(range(len(others)), len(others)):
            try:
                others[n].commit()
            except (errors.Deadlock, errors.OperationalError):
                failed += 1
                continue
            done += 1
            for statement in programs[n]:
                alone.execute(statement)
    assert processes.content() == content(alone)
    assert done > 12
