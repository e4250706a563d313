"""`discovery rome status|check|dump|load` on real servers, in use and damaged."""

import io
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from discovery.cli import main
from discovery.rome import replica_of
from discovery.rome.dump import dump, load
from discovery.rome.integrity import check
from discovery.rome.status import Process, status
from discovery.rome.urls import settings_of
from tests.redis_servers import redis_cluster, redis_server, until

metadata = MetaData()
host = Table(
    "host",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(40), unique=True),
    Column("load", Float),
    Column("key", LargeBinary),
)
instance = Table(
    "instance",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("host_id", ForeignKey("host.id", ondelete="CASCADE")),
)
VALUES = [
    {"name": "it's", "load": 0.1, "key": b"\x00\xff"},
    {"name": "two\nlines;", "load": -1e300, "key": b""},
    {"name": "schön\x00€", "load": None, "key": None},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("tools"), replicas=1) as started:
        yield started


@pytest.fixture
def name(request, server):
    """A database for one test."""
    yield "".join(c if c.isalnum() else "-" for c in request.node.name)
    server.ask("FLUSHALL")


@pytest.fixture
def engines():
    made = []

    def make(url):
        made.append(create_engine(url))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def fill(engine):
    with engine.begin() as connection:
        metadata.create_all(connection)
    with engine.begin() as connection:
        connection.execute(insert(host), VALUES)
        ids = connection.execute(select(host.c.id).order_by(host.c.id)).scalars().all()
        connection.execute(insert(instance), [{"uuid": f"u{n}", "host_id": n} for n in ids])


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(capsys, monkeypatch):
    """Run one verb as the terminal does."""

    def run(verb, *arguments, input=""):
        monkeypatch.setattr(sys, "argv", ["discovery", "rome", verb, *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(input))
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code, *capsys.readouterr())

    return run


# Status


def test_status_of_a_server_with_a_replica(server, name, engines):
    fill(engines(server.url(name, fresh="push")))
    found = status(settings_of(server.url(name)))
    assert found.database == name
    assert (found.role, found.slot, found.format, found.schema_number) == ("master", None, "2", 1)
    assert (found.newest, found.oldest, found.entries, found.keep) == (2, 1, 2, 10_000)
    assert found.log_bytes > 0
    assert found.version_keys == len(server.ask("HKEYS", f"rome:{{{name}}}:versions"))
    assert {table.name: table.rows for table in found.tables} == {"host": 3, "instance": 3}
    assert {table.name: table.last_id for table in found.tables} == {"host": 32, "instance": None}
    assert all(table.bytes > 0 for table in found.tables)
    (follower,) = found.followers
    assert follower.address == f"127.0.0.1:{server.replicas[0].port}"
    assert follower.state == "online"


def test_status_names_the_processes_that_are_connected(server, name):
    code = (
        "import sys; from sqlalchemy import create_engine, text;"
        "e = create_engine(sys.argv[1]); c = e.connect();"
        "c.execute(text('SELECT name FROM sqlite_schema')); print('ready', flush=True); input()"
    )
    with create_engine(server.url(name)).begin() as connection:
        metadata.create_all(connection)
    people = {}

    def follows(pid):
        found = {one.pid: one for one in status(settings_of(server.url(name))).processes}
        return found if found[pid].follows else None

    for fresh in ("sync", "push"):
        people[fresh] = subprocess.Popen(
            [sys.executable, "-c", code, server.url(name, fresh=fresh)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert people[fresh].stdout.readline() == b"ready\n"
    try:
        found = until(lambda: follows(people["push"].pid), "the feed waits for news")
    finally:
        for process in people.values():
            process.communicate(b"\n", timeout=30)
    assert os.getpid() not in found
    connections = found[people["push"].pid].connections  # the feed may have taken the only one
    assert connections in {1, 2}
    assert found == {
        people["sync"].pid: Process("127.0.0.1", people["sync"].pid, 1, follows=False),
        people["push"].pid: Process("127.0.0.1", people["push"].pid, connections, follows=True),
    }


# Check


def test_a_database_is_whole_while_many_write_to_it(server, name, engines):
    """Also when its log is trimmed, rows are deleted, and tables come and go."""
    url = server.url(name, keep=30)
    fill(engines(url))
    stop = threading.Event()

    def write(number):
        engine = engines(server.url(name, keep=30, timeout=10 + number))
        done = 0
        while not stop.is_set():
            with engine.begin() as connection:
                made = connection.execute(
                    insert(host).values(name=f"w{number}-{done}", load=done)
                ).inserted_primary_key[0]
                connection.execute(insert(instance).values(uuid=f"{number}-{done}", host_id=made))
                connection.execute(delete(host).where(host.c.name == f"w{number}-{done - 3}"))
            done += 1
        return done

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, number) for number in range(3)]
        try:
            reports = [check(settings_of(url)) for _ in range(15)]
        finally:
            stop.set()
        assert all(writer.result() for writer in writers)
    with engines(url).begin() as connection:
        connection.execute(text("CREATE TABLE more (id INTEGER PRIMARY KEY)"))
    with engines(url).begin() as connection:
        connection.execute(text("DROP TABLE instance"))
    reports.append(check(settings_of(url)))
    assert [one.violations for one in reports] == [()] * 16
    assert reports[-1].entries == 30
    assert not reports[-1].from_start


def test_replicas_of_the_whole_log_and_of_the_hashes_are_the_same(server, name, engines):
    """Swapped unique values, a rebuilt table, and folded keys among them."""
    engine = engines(server.url(name))
    fill(engine)
    with engine.begin() as connection:
        connection.execute(update(host).where(host.c.id == 1).values(name="other"))
        connection.execute(update(host).where(host.c.id == 2).values(name="it's"))
        connection.execute(update(host).where(host.c.id == 1).values(name="two\nlines;"))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE host ADD COLUMN site VARCHAR(10) DEFAULT 'x'"))
    with engine.begin() as connection:
        connection.execute(delete(host).where(host.c.id == 3))
        connection.execute(update(instance).values(uuid=func.upper(instance.c.uuid)))
    report = check(settings_of(server.url(name)))
    assert report.from_start
    assert report.violations == ()
    assert (report.entries, report.tables, report.rows) == (5, 2, 4)


def test_damage_is_found_with_a_witness_and_exit_code_1(command, server, name, engines):
    fill(engines(server.url(name)))
    prefix = f"rome:{{{name}}}"
    rows = server.ask("HGETALL", f"{prefix}:rows:host")
    server.ask("HSET", f"{prefix}:rows:host", rows[0], rows[3])
    server.ask("HDEL", f"{prefix}:versions", server.ask("HKEYS", f"{prefix}:versions")[0])
    server.ask("HSET", f"{prefix}:ids", "host", "2")
    server.ask("SET", f"{prefix}:rows:ghost", "x")
    done = command("check", server.url(name))
    assert done.returncode == 1
    assert done.stderr == ""
    for said in (
        "table host: key [",
        "lies under key",
        "is missing, and entry",
        "the counter is at 2, and a row has 3",
        "rows:ghost belongs to no table",
    ):
        assert said in done.stdout, done.stdout


def test_a_lost_entry_is_found(server, name, engines):
    fill(engines(server.url(name)))
    server.ask("XDEL", f"rome:{{{name}}}:log", "1-0")
    first, second = check(settings_of(server.url(name))).violations
    assert first.witness == "entry 2-0 stands where 1-0 must"
    assert second.witness == "its log holds 1 entries, and 2 were committed"


# Dump and load


def test_a_dump_is_the_database_in_sqlite_and_in_rome(command, server, name, engines, tmp_path):
    fill(engines(server.url(name)))
    done = command("dump", server.url(name), "--output", str(tmp_path / "dump.sql"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    sql = (tmp_path / "dump.sql").read_text(encoding="utf-8")

    lite = sqlite3.connect(":memory:")
    lite.executescript(sql)
    found = lite.execute("SELECT name, load, key FROM host ORDER BY id").fetchall()
    lite.close()
    assert found == [tuple(one.values()) for one in VALUES]

    copy = server.url(f"{name}-copy")
    done = command("load", copy, input=sql)
    assert (done.returncode, done.stdout) == (0, "loaded 2 tables with 6 rows\n")
    assert check(settings_of(copy)).violations == ()
    assert "".join(dump(settings_of(copy))).splitlines()[1:] == sql.splitlines()[1:]


def test_a_loaded_database_leases_keys_above_its_rows_and_keeps_its_constraints(
    server, name, engines
):
    fill(engines(server.url(name)))
    with engines(server.url(name)).begin() as connection:
        connection.execute(insert(host).values(id=5000, name="far"))
    copy = server.url(f"{name}-copy")
    load(settings_of(copy), dump(settings_of(server.url(name))))
    with engines(copy).begin() as connection:
        made = connection.execute(insert(host).values(name="new")).inserted_primary_key[0]
        assert made > 5000
        connection.execute(delete(host).where(host.c.id == 1))
        assert connection.execute(select(func.count()).select_from(instance)).scalar() == 2
    replica, _ = replica_of(settings_of(copy))
    assert replica.state.seq == 2  # the load was one commit


def test_load_takes_what_sqlite3_dumps(server, name, engines):
    lite = sqlite3.connect(":memory:")
    lite.executescript(
        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT, twice AS (id * 2));"
        "CREATE UNIQUE INDEX ax ON a (t);"
        "CREATE TABLE log (id INTEGER PRIMARY KEY, n INTEGER);"
        "CREATE TRIGGER g AFTER INSERT ON a BEGIN INSERT INTO log (n) VALUES (new.id); END;"
        "CREATE VIEW v AS SELECT t FROM a;"
        "INSERT INTO a (t) VALUES ('x;'), ('y\n');"
    )
    lines = [f"{statement}\n" for statement in lite.iterdump()]
    lite.close()
    loaded = load(settings_of(server.url(name)), lines)
    assert (loaded.tables, loaded.rows) == (2, 4)
    assert check(settings_of(server.url(name))).violations == ()
    with engines(server.url(name)).begin() as connection:
        connection.execute(text("INSERT INTO a (t) VALUES ('z')"))
        assert connection.execute(text("SELECT n FROM log ORDER BY n")).scalars().all() == [1, 2, 3]
        assert connection.execute(text("SELECT twice FROM a WHERE t = 'z'")).scalar() == 6
        assert connection.execute(text("SELECT count(*) FROM v")).scalar() == 3
    assert check(settings_of(server.url(name))).violations == ()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("CREATE TABLE t (a);\nINSERT INTO u VALUES (1);\n", "line 2: no such table: u"),
        ("CREATE TABLE t (a);\nselct\n 1;", 'line 2: near "selct": syntax error'),
        ("CREATE TABLE t (a);\nINSERT INTO t", "line 2: the statement that begins here has no end"),
        ("CREATE TABLE t (a UNIQUE);\nINSERT INTO t VALUES (1), (1);", "line 2: UNIQUE constraint"),
        (
            "CREATE TABLE p (id INTEGER PRIMARY KEY);\n"
            "CREATE TABLE c (p REFERENCES p);\nINSERT INTO c VALUES (7);\n",
            "table c: row 1 refers to a row that p lacks",
        ),
        ("CREATE TABLE t (a);\nROLLBACK;\n", "line 2: ROLLBACK is not for a dump"),
    ],
)
def test_sql_that_is_wrong_is_one_sentence_and_nothing_is_loaded(command, server, name, sql, said):
    done = command("load", server.url(name), input=sql)
    assert done.returncode == 9
    assert done.stdout == ""
    assert done.stderr.startswith("discovery: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert server.ask("EXISTS", f"rome:{{{name}}}:head") == 0


def test_load_refuses_a_database_that_has_tables(command, server, name, engines):
    fill(engines(server.url(name)))
    done = command("load", server.url(name), input="CREATE TABLE t (a);")
    assert done.returncode == 9
    assert "is not empty: it has 2 tables; load wants an empty one" in done.stderr
    assert done.stderr.count("\n") == 1


# A user's mistakes


@pytest.mark.parametrize("verb", ["status", "check", "dump"])
def test_a_database_that_is_not_there(command, server, name, verb, tmp_path):
    done = command(verb, server.url(name))
    assert done.returncode == 9
    assert done.stderr == (
        f"discovery: redis at 127.0.0.1:{server.port} holds no database '{name}'\n"
    )


@pytest.mark.parametrize("verb", ["status", "check", "dump", "load"])
def test_a_redis_that_is_not_there_and_keys_of_another_format(command, server, name, verb):
    done = command(verb, "rome://127.0.0.1:1/x?timeout=0.2", input="")
    assert done.returncode == 9
    assert "redis connection lost: 127.0.0.1:1 did not answer for 0.2 s" in done.stderr
    server.ask("HSET", f"rome:{{{name}}}:head", "format", "3")
    done = command(verb, server.url(name), input="")
    assert done.returncode == 9
    assert "have format 3 and this ROME knows formats 1, 2" in done.stderr


def test_a_dump_that_fails_leaves_the_old_file(command, server, name, tmp_path):
    (tmp_path / "dump.sql").write_text("old")
    done = command("dump", server.url(name), "--output", str(tmp_path / "dump.sql"))
    assert done.returncode == 9
    assert (tmp_path / "dump.sql").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "dump.sql"]


# A cluster


def test_all_four_on_a_cluster(tmp_path):
    with redis_cluster(tmp_path) as cluster:
        url = cluster.url("nova")
        engine = create_engine(url)
        fill(engine)
        engine.dispose()
        found = status(settings_of(url))
        master = cluster.master_of("nova")
        assert found.server == f"127.0.0.1:{master.port}"
        assert found.slot == cluster.slot_of("nova")
        assert [one.address for one in found.followers] == [
            f"127.0.0.1:{one.port}" for one in cluster.replicas_of(master)
        ]
        load(settings_of(cluster.url("keystone")), dump(settings_of(url)))
        for database in ("nova", "keystone"):
            report = check(settings_of(cluster.url(database)))
            assert (report.violations, report.rows) == ((), 6)


@pytest.mark.parametrize(
    "value",
    [
        "web; db -- do not delete",
        "x; -----BEGIN CERTIFICATE-----",
        "a; b /* c",
        "tail;--",
        "it's;\n-- on a line of its own\n",
        "one\r\ntwo\rthree;",
        "a\0b; -- c",
        "schön € \U0001f600;",
    ],
)
def test_what_is_in_a_string_is_no_sql(server, name, engines, value):
    """Through pipes, as a person does it: dump, load, and the value as a literal."""
    source, target = server.url(name), server.url(f"{name}-2")
    engine = engines(source)
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(insert(host), {"name": value})
    discovery = [sys.executable, "-c", "from discovery.cli import main; main()", "rome"]
    dumped = subprocess.run([*discovery, "dump", source], capture_output=True, check=True)
    subprocess.run([*discovery, "load", target], input=dumped.stdout, check=True)
    with engines(target).connect() as connection:
        assert connection.execute(select(host.c.name)).scalar() == value
        literal = value.replace("'", "''")
        if "\0" not in value:  # in the text of a statement, SQLite ends there
            assert connection.exec_driver_sql(f"SELECT '{literal}'").scalar() == value
    read = sqlite3.connect(":memory:")
    read.executescript(dumped.stdout.decode())
    assert read.execute("SELECT name FROM host").fetchone() == (value,)
    read.close()
