"""Foreign keys hold in a transaction that changes the schema, as before and after it."""

import itertools

import pytest

from discovery.rome import dbapi, errors
from discovery.rome.dump import dump, load
from discovery.rome.integrity import check
from discovery.rome.repair import repair
from discovery.rome.urls import settings_of
from tests.redis_servers import redis_server

SCHEMA = (
    "CREATE TABLE par (id INTEGER NOT NULL PRIMARY KEY, name TEXT UNIQUE)",
    "CREATE TABLE ch (id INTEGER NOT NULL PRIMARY KEY, p INT NOT NULL REFERENCES par(id) "
    "ON DELETE CASCADE)",
    "CREATE TABLE later (id INTEGER NOT NULL PRIMARY KEY, p INT REFERENCES par(id) "
    "DEFERRABLE INITIALLY DEFERRED)",
    "INSERT INTO par VALUES (1, 'a'), (2, 'b')",
    "INSERT INTO ch VALUES (1, 1), (2, 2)",
)
_names = itertools.count(1)
OTHER = "CREATE TABLE other (id INTEGER NOT NULL PRIMARY KEY)"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture
def processes(server):
    """Two connections, as in two processes, on one database."""
    address, database = f"127.0.0.1:{server.port}", f"keys{next(_names)}"
    one = dbapi.connect(address, database)
    for statement in SCHEMA:
        one.execute(statement)
    one.commit()
    two = dbapi.connect(address, database, timeout=11)
    yield one, two
    one.close()
    two.close()


def rows(connection, sql):
    found = connection.execute(sql).fetchall()
    connection.rollback()
    return found


REBUILD = (
    "CREATE TABLE tmp (id INTEGER NOT NULL PRIMARY KEY, name TEXT, more INT)",
    "INSERT INTO tmp SELECT id, name, 0 FROM par",
    "DROP TABLE par",
    "ALTER TABLE tmp RENAME TO par",
)


@pytest.mark.parametrize(
    ("ddl", "dml"),
    [
        ((OTHER,), ()),
        ((OTHER, "DROP TABLE other"), ()),
        (("ALTER TABLE ch ADD COLUMN note TEXT",), ("UPDATE ch SET note = 'x'",)),
        (REBUILD, ()),
        (("CREATE INDEX by_name ON par (name)", OTHER), ("INSERT INTO other VALUES (1)",)),
        (("SAVEPOINT a", OTHER, "ROLLBACK TO a"), ()),
    ],
)
def test_orphans_are_refused_and_cascades_happen(processes, ddl, dml):
    one, two = processes
    for statement in (*ddl, *dml):
        one.execute(statement)
    with pytest.raises(errors.IntegrityError, match="FOREIGN KEY"):
        one.execute("INSERT INTO ch (id, p) VALUES (3, 99)")
    one.execute("DELETE FROM par WHERE id = 1")
    one.execute("CREATE TABLE last (id INTEGER NOT NULL PRIMARY KEY)")
    one.execute("INSERT INTO ch (id, p) VALUES (4, 2)")
    one.commit()
    assert rows(two, "SELECT id, p FROM ch") == [(2, 2), (4, 2)]
    assert rows(two, "PRAGMA foreign_key_check") == []
    with pytest.raises(errors.IntegrityError, match="FOREIGN KEY"):
        one.execute("INSERT INTO ch (id, p) VALUES (5, 99)")


def test_a_rebuilt_table_keeps_those_that_refer_to_it(processes):
    one, two = processes
    for statement in REBUILD:
        one.execute(statement)
    one.commit()
    assert rows(two, "SELECT id, p FROM ch") == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    "statements",
    [
        ("DROP TABLE par",),
        (OTHER, "INSERT INTO later VALUES (1, 99)"),
        ("INSERT INTO later VALUES (1, 99)", OTHER),
        (*REBUILD[:1], "INSERT INTO tmp SELECT id, name, 0 FROM par WHERE id = 2", *REBUILD[2:]),
    ],
)
def test_ddl_that_leaves_orphans_is_refused_at_commit(processes, statements):
    one, two = processes
    for statement in statements:
        one.execute(statement)
    with pytest.raises(errors.IntegrityError, match="FOREIGN KEY constraint failed"):
        one.commit()
    assert rows(two, "SELECT count(*) FROM par") == [(2,)]
    assert rows(one, "SELECT count(*) FROM ch") == [(2,)]


def test_what_is_whole_at_the_end_may_be_broken_in_between(processes):
    one, two = processes
    one.execute("DROP TABLE par")
    one.execute("DROP TABLE later")
    one.execute("DROP TABLE ch")
    one.commit()
    assert rows(two, "SELECT count(*) FROM sqlite_schema WHERE sql IS NOT NULL") == [(0,)]


def test_who_refers_to_a_row_that_is_gone_is_refused(processes):
    one, two = processes
    one.execute(OTHER)
    one.execute("INSERT INTO ch VALUES (3, 1)")
    two.execute("DELETE FROM par WHERE id = 1")
    two.commit()
    with pytest.raises(errors.IntegrityError, match="FOREIGN KEY constraint failed"):
        one.commit()
    assert rows(two, "SELECT id FROM ch") == [(2,)]


def test_who_deletes_a_row_takes_along_what_has_come_to_refer_to_it(processes):
    one, two = processes
    one.execute(OTHER)
    one.execute("DELETE FROM par WHERE id = 1")
    two.execute("INSERT INTO ch VALUES (3, 1)")
    two.commit()
    one.commit()
    assert rows(two, "SELECT id FROM ch") == [(2,)]


def test_orphans_of_before_do_not_stop_a_migration(processes):
    one, two = processes
    settings = one.settings
    loose = dbapi.connect(settings.address, settings.database, foreign_keys=False)
    loose.execute("INSERT INTO ch VALUES (3, 99)")
    loose.commit()
    one.execute("ALTER TABLE ch RENAME TO kids")
    one.commit()
    loose.execute("DROP TABLE par")
    loose.commit()
    loose.close()
    assert rows(two, "SELECT id FROM kids") == [(1,), (2,), (3,)]


def test_savepoints_across_ddl(processes):
    """Rows and schema go back together, whatever came in between."""
    one, two = processes
    one.execute("UPDATE par SET name = 'first' WHERE id = 1")
    one.execute("SAVEPOINT a")
    one.execute("INSERT INTO ch VALUES (3, 2)")
    one.execute("ALTER TABLE ch ADD COLUMN note TEXT")
    one.execute("SAVEPOINT b")
    one.execute("INSERT INTO ch VALUES (4, 2, 'x')")
    one.execute("DROP TABLE later")
    one.execute("ROLLBACK TO b")
    assert one.execute("SELECT id, note FROM ch WHERE id > 2").fetchall() == [(3, None)]
    one.execute("ROLLBACK TO a")
    one.execute("INSERT INTO ch VALUES (5, 2)")
    one.execute("RELEASE a")
    one.commit()
    assert rows(two, "SELECT * FROM ch") == [(1, 1), (2, 2), (5, 2)]
    assert rows(two, "SELECT name FROM par WHERE id = 1") == [("first",)]
    assert rows(two, "SELECT count(*) FROM later") == [(0,)]


# Numbers that SQLite gives


def test_autoincrement_numbers_are_not_given_again(processes):
    """By nobody: not by a process that was there, not by one that comes, not after DDL."""
    one, two = processes
    settings = one.settings
    one.execute("CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT, x INT)")
    for sql in ("INSERT INTO auto (x) VALUES (1), (2), (3)", "DELETE FROM auto"):
        one.execute(sql)
        one.commit()

    def added(connection):
        connection.execute("SELECT * FROM auto")  # an INSERT alone would begin on an older state
        number = connection.execute("INSERT INTO auto (x) VALUES (9)").lastrowid
        connection.commit()
        connection.execute("DELETE FROM auto")
        connection.commit()
        return number

    def newcomer():
        return dbapi.connect(settings.address, settings.database, timeout=20 + next(_names))

    numbers = [3, added(two)]
    with newcomer() as third:
        numbers.append(added(third))
    numbers.append(added(one))
    one.execute("ALTER TABLE auto ADD COLUMN y INT")
    one.commit()
    with newcomer() as fourth:
        numbers.append(added(fourth))
    numbers.append(added(two))
    for statement in (
        "CREATE TABLE tmp (id INTEGER PRIMARY KEY AUTOINCREMENT, x INT)",
        "INSERT INTO tmp SELECT id, x FROM auto",
        "DROP TABLE auto",
        "ALTER TABLE tmp RENAME TO auto",
    ):
        two.execute(statement)
    two.commit()
    with newcomer() as fifth:
        numbers.append(added(fifth))
    numbers.append(added(one))
    assert numbers == [*range(3, 11)]


MISMATCHED = [
    ["CREATE TABLE kid (p REFERENCES par(missing))"],
    ["CREATE TABLE kid (p REFERENCES other(n))", "CREATE TABLE other (n)"],
    ["CREATE TABLE other (a, b, PRIMARY KEY (a, b))", "CREATE TABLE kid (p REFERENCES other)"],
    ["CREATE VIEW v AS SELECT 1 AS a", "CREATE TABLE kid (p REFERENCES v(a))"],
    ["CREATE TABLE other (n TEXT)", "CREATE TABLE kid (p REFERENCES other(n))"],
]


@pytest.mark.parametrize("statements", MISMATCHED, ids=str)
def test_tools_take_a_foreign_key_of_no_key(processes, server, statements):
    """SQLite takes the schema, and says what is wrong when a row comes; no tool ends on it."""
    one, _ = processes
    for statement in statements:
        one.execute(statement)
    one.commit()
    with pytest.raises(errors.OperationalError, match=r"foreign key mismatch|no such table"):
        one.execute("INSERT INTO kid VALUES (1)")
    one.rollback()
    url = server.url(one.settings.database)
    assert check(settings_of(url)).violations == ()
    assert repair(settings_of(url), apply=False).does == []
    copy = f"{url}copy"
    assert load(settings_of(copy), dump(settings_of(url))).rows == 4
    assert (
        "".join(dump(settings_of(copy))).split("\n", 1)[1]
        == ("".join(dump(settings_of(url))).split("\n", 1)[1])
    )
