"""A Redis that cannot hold the database, a wrong URL: one clear error, nothing written."""

import contextlib
import itertools
import socket
import socketserver
import threading
import time

import msgpack
import pytest
from sqlalchemy import create_engine, exc, text

from discovery.rome import errors
from discovery.rome.integrity import check
from discovery.rome.urls import settings_of
from tests.redis_servers import free_port, redis_cluster, redis_server
from tests.rome_counters import add, count, engine_on

CREATE = "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20))"


def refused(url, sql=CREATE):
    """What a first use of ``url`` says: SQLAlchemy's error around ours, and how long it took."""
    engine = create_engine(url)
    begun = time.monotonic()
    try:
        with pytest.raises(exc.DBAPIError) as caught, engine.begin() as connection:
            connection.execute(text(sql))
    finally:
        engine.dispose()
    return caught.value, time.monotonic() - begun


def keys_of(server):
    return sorted(server.ask("KEYS", "*"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis"), replicas=1) as started:
        yield started


@pytest.fixture
def name():
    return f"db{next(_names)}"


_names = itertools.count(1)


@pytest.fixture
def engines():
    with contextlib.ExitStack() as stack:

        def make(url):
            engine = create_engine(url)
            stack.callback(engine.dispose)
            return engine

        yield make


@pytest.mark.parametrize("extra", [{}, {"fresh": "push"}, {"cluster": True}])
def test_nobody_listens(extra, name):
    options = "&".join(f"{key}={value}" for key, value in {**extra, "timeout": 20}.items())
    error, took = refused(f"rome://127.0.0.1:{free_port()}/{name}?{options}")
    assert isinstance(error, exc.OperationalError)
    assert isinstance(error.orig, errors.ConnectionLost)
    assert not isinstance(error.orig, errors.InDoubt)
    assert error.connection_invalidated is True
    assert "did not answer for 1 s" in str(error.orig)
    assert "Connection refused" in str(error.orig)
    assert 1 <= took < 4


def test_no_such_host(name):
    error, took = refused(f"rome://redis.invalid:6379/{name}")
    assert isinstance(error.orig, errors.ConnectionLost)
    assert "redis.invalid:6379" in str(error.orig)
    assert took < 8


def test_it_listens_and_says_nothing(name):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"rome://127.0.0.1:{listener.getsockname()[1]}/{name}?timeout=1.5"
        error, took = refused(url)
    assert isinstance(error.orig, errors.ConnectionLost)
    assert "did not answer for 1.5 s" in str(error.orig)
    assert 1.5 <= took < 4


ANSWERS = {
    "a web server": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "an ssh server": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "a mail server": b"220 mail ESMTP\r\n",
    "memcached": b"ERROR\r\n",
    "a length that is none": b"$many\r\n",
    "yes to everything": b"+OK\r\n",
}


class Stranger(socketserver.BaseRequestHandler):
    """Gives the server's answer to whatever it is sent."""

    def handle(self):
        with contextlib.suppress(OSError):
            while self.request.recv(65536):
                self.request.sendall(self.server.answer)


@contextlib.contextmanager
def stranger(answer):
    """The port of a server that is no Redis, and answers."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Stranger)
    server.daemon_threads = True
    server.block_on_close = False
    server.answer = answer
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("cluster", [False, True])
@pytest.mark.parametrize("what", ANSWERS)
def test_it_is_no_redis(what, cluster, name):
    with stranger(ANSWERS[what]) as port:
        error, took = refused(f"rome://127.0.0.1:{port}/{name}?timeout=9&cluster={cluster}")
    assert isinstance(error, exc.OperationalError)
    assert isinstance(error.orig, errors.StoreRefused)
    assert "is no Redis" in str(error.orig)
    assert "\n" not in str(error.orig)
    assert took < 5


@pytest.mark.parametrize("user", ["", ":wrong@", "nobody:wrong@"])
def test_password(tmp_path, user):
    with redis_server(tmp_path, "--requirepass", "right") as guarded:
        error, took = refused(f"rome://{user}127.0.0.1:{guarded.port}/db")
        assert isinstance(error.orig, errors.StoreRefused)
        assert "refuses this user or password" in str(error.orig)
        assert took < 2
        assert keys_of(guarded) == []
        with create_engine(f"rome://:right@127.0.0.1:{guarded.port}/db").begin() as connection:
            connection.execute(text(CREATE))
        assert b"rome:{db}:head" in keys_of(guarded)


def test_password_where_none_is_set(server, name):
    error, took = refused(f"rome://:word@127.0.0.1:{server.port}/{name}")
    assert isinstance(error.orig, errors.StoreRefused)
    assert "refuses this user or password" in str(error.orig)
    assert took < 2


def test_password_of_a_cluster(tmp_path):
    with redis_cluster(tmp_path, masters=3, replicas=0) as cluster:
        for node in cluster.nodes:
            node.password = "right"
            with node.client(password=None) as client:
                client.config_set("requirepass", "right")
        error, took = refused(cluster.url("db"))
        assert isinstance(error.orig, errors.StoreRefused)
        assert "refuses this user or password" in str(error.orig)
        assert took < 2
        right = cluster.url("db").replace("rome://", "rome://:right@")
        with create_engine(right).begin() as connection:
            connection.execute(text(CREATE))


def test_user_who_may_only_read(server, name):
    server.ask(
        "ACL", "SETUSER", "reader", "on", ">word", "~*", "&*", "+@read", "+info", "+@connection"
    )
    error, took = refused(f"rome://reader:word@127.0.0.1:{server.port}/{name}")
    assert isinstance(error.orig, errors.StoreRefused)
    assert "does not let this user do that" in str(error.orig)
    assert took < 2


def test_read_only_replica(server, name):
    before = keys_of(server)
    error, took = refused(server.replicas[0].url(name))
    assert isinstance(error.orig, errors.StoreRefused)
    assert "is a read-only replica; name its master in the URL" in str(error.orig)
    assert took < 2
    assert keys_of(server) == before


def test_master_that_becomes_a_replica(tmp_path):
    with (
        redis_server(tmp_path) as other,
        redis_server(tmp_path) as demoted,
        engine_on(demoted.url("db", timeout=2), make=True) as engine,
    ):
        with engine.connect() as connection:
            connection.execute(text("UPDATE counter SET n = n + 1"))
            demoted.ask("REPLICAOF", "127.0.0.1", other.port)
            with pytest.raises(exc.OperationalError, match="is a read-only replica"):
                connection.commit()
        assert keys_of(other) == []


def info_server(version):
    """A server that knows INFO and PING, and says that it is ``version``."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                while data := client.recv(65536):
                    if b"INFO" in data.upper() and b"SETINFO" not in data.upper():
                        said = f"# Server\r\nredis_version:{version}\r\nrole:master\r\n".encode()
                        client.sendall(b"$%d\r\n%s\r\n" % (len(said), said))
                    else:
                        client.sendall(b"+OK\r\n" * data.count(b"*"))

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize("version", ["6.2.14", "2.8.0", "5.0"])
def test_too_old(version, name):
    listener = info_server(version)
    try:
        error, took = refused(f"rome://127.0.0.1:{listener.getsockname()[1]}/{name}")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    assert isinstance(error.orig, errors.StoreRefused)
    assert f"is version {version}; ROME needs 7.0 or newer" in str(error.orig)
    assert took < 2


def test_out_of_memory(tmp_path):
    with redis_server(tmp_path) as small, engine_on(small.url("db"), make=True) as engine:
        add(engine, "first")
        small.ask("CONFIG", "SET", "maxmemory", "1mb")
        before = small.ask("HGETALL", "rome:{db}:head")
        with pytest.raises(exc.OperationalError, match="is out of memory") as caught:
            add(engine, "second")
        assert isinstance(caught.value.orig, errors.StoreRefused)
        assert small.ask("HGETALL", "rome:{db}:head") == before
        assert count(engine) == 1
        small.ask("CONFIG", "SET", "maxmemory", "0")
        add(engine, "third")
        assert count(engine) == 2


def test_keys_that_may_be_evicted(tmp_path):
    options = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with redis_server(tmp_path, *options) as cache:
        error, _ = refused(cache.url("db"))
        assert isinstance(error.orig, errors.StoreRefused)
        assert "maxmemory-policy allkeys-lru" in str(error.orig)
        assert keys_of(cache) == []


FOREIGN = {
    "string": ["SET", "head", "1"],
    "list": ["RPUSH", "head", "1"],
    "hash without format": ["HSET", "head", "a", "1"],
    "log": ["XADD", "log", "*", "a", "b"],
    "log of another type": ["SET", "log", "a"],
    "schema": ["RPUSH", "schema", "CREATE TABLE theirs (a)"],
    "versions": ["HSET", "versions", "a", "b"],
    "ids": ["SET", "ids", "a"],
    "rows": ["SET", "rows:t", "a"],
    "rows in a hash": ["HSET", "rows:t", "a", "b"],
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_keys_of_somebody_else(server, name, kind):
    command, key, *values = FOREIGN[kind]
    theirs = f"rome:{{{name}}}:{key}"
    server.ask(command, theirs, *values)
    before = server.ask("DUMP", theirs)
    error, took = refused(server.url(name))
    assert isinstance(error.orig, errors.StoreRefused)
    assert f"rome:{{{name}}}:… " in str(error.orig)
    assert "not ROME's; choose another database name in the URL" in str(error.orig)
    assert took < 2
    assert server.ask("KEYS", f"rome:{{{name}}}:*") == [theirs.encode()]
    assert server.ask("DUMP", theirs) == before


def test_foreign_key_beside_our_own(server, name):
    """What a commit would write second must not be found wrong after what it writes first."""
    with engine_on(server.url(name), make=True) as engine:
        add(engine, "first")
        rows = f"rome:{{{name}}}:rows:step"
        server.ask("RENAME", rows, "kept")
        server.ask("SET", rows, "theirs")
        before = {key: server.ask("DUMP", key) for key in server.ask("KEYS", f"rome:{{{name}}}:*")}
        with pytest.raises(exc.OperationalError, match="not ROME's"):
            add(engine, "second")
        after = {key: server.ask("DUMP", key) for key in server.ask("KEYS", f"rome:{{{name}}}:*")}
        assert after == before
        server.ask("RENAME", "kept", rows)
        add(engine, "third")
        assert count(engine) == 2


@pytest.mark.parametrize("found", ["3", "10", "0"])
def test_format_of_another_version(server, name, found):
    server.ask("HSET", f"rome:{{{name}}}:head", "format", found, "epoch", "e", "seq", "1")
    error, _ = refused(server.url(name))
    assert isinstance(error.orig, errors.StoreRefused)
    assert f"have format {found} and this ROME knows formats 1, 2" in str(error.orig)


def test_format_that_changes_under_a_process(server, name):
    with engine_on(server.url(name), make=True) as engine:
        server.ask("HSET", f"rome:{{{name}}}:head", "format", "3")
        for _ in range(2):
            with pytest.raises(exc.OperationalError, match="have format 3"):
                add(engine, "late")


def test_cluster_without_saying_so(tmp_path):
    with redis_cluster(tmp_path, masters=3, replicas=0) as cluster:
        for node in cluster.nodes:  # one of them holds the slot
            error, took = refused(node.url("db"))
            assert isinstance(error.orig, errors.StoreRefused)
            assert "is a member of a cluster; add ?cluster=true to the URL" in str(error.orig)
            assert took < 2
            assert keys_of(node) == []


def test_cluster_that_is_none(server, name):
    error, took = refused(server.url(name, cluster=True))
    assert isinstance(error.orig, errors.StoreRefused)
    assert "is no cluster; take ?cluster=true off the URL" in str(error.orig)
    assert took < 2


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rome://127.0.0.1", "no database"),
        ("rome://127.0.0.1/", "no database"),
        ("rome://127.0.0.1/a}b", "must not contain"),
        ("rome://127.0.0.1/db?color=red", "option 'color' is not known; one of cluster, fresh"),
        ("rome://127.0.0.1/db?fresh=often", "fresh=often is not allowed; sync or push"),
        ("rome://127.0.0.1/db?cluster=maybe", "cluster=maybe is not allowed; true or false"),
        ("rome://127.0.0.1/db?wait=two", "wait=two is not allowed; a whole number from 0"),
        ("rome://127.0.0.1/db?wait=-1", "wait=-1 is not allowed"),
        ("rome://127.0.0.1/db?wait=1.5", "wait=1.5 is not allowed"),
        ("rome://127.0.0.1/db?timeout=nan", "timeout=nan is not allowed; seconds from 0.1"),
        ("rome://127.0.0.1/db?timeout=inf", "timeout=inf is not allowed"),
        ("rome://127.0.0.1/db?keep=9", "keep=9 is not allowed; a whole number from 10"),
        ("rome://127.0.0.1/db?wait=1&wait=2", "wait=('1', '2') is not allowed"),
        ("rome://127.0.0.1/db?host=127.0.0.2", "several hosts are a cluster's"),
        ("rome://127.0.0.1/db?cluster=true&host=h:port", "'h:port' is no address"),
        ("rome://127.0.0.1/db?cluster=true&host=h:99999", "'h:99999' is no address"),
    ],
)
def test_url(url, said):
    error, took = refused(url)
    assert isinstance(error, exc.InterfaceError)
    assert isinstance(error.orig, errors.InterfaceError)
    assert said in str(error.orig)
    assert took < 1


@pytest.mark.parametrize("sql", ["INSERT INTO t VALUES (1, {})", "UPDATE t SET name = {}"])
@pytest.mark.parametrize("value", ["CAST(x'ff' AS TEXT)", "'a' || char(0xd800)"])
def test_a_text_that_is_not_utf_8(server, name, engines, sql, value):
    engine = engines(server.url(name))
    with engine.begin() as connection:
        connection.execute(text(CREATE))
        connection.execute(text("INSERT INTO t VALUES (7, 'seven')"))
    with pytest.raises(exc.DataError, match="a text is not UTF-8"), engine.begin() as connection:
        connection.exec_driver_sql(sql.format(value))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM t")).scalars().all() == ["seven"]


@pytest.mark.parametrize("key", ["UNIQUE", "PRIMARY KEY"])
def test_names_that_differ_behind_a_nul(server, name, engines, key):
    """NOCASE takes them for equal, so that only one of two writers may win."""
    first, second, third = (engines(server.url(name, timeout=9 - n)) for n in range(3))
    with first.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE t (name TEXT COLLATE NOCASE NOT NULL {key})")
    one, two = first.connect(), second.connect()
    for connection, value in ((one, "a\0b"), (two, "A\0c")):
        connection.execute(text("SELECT * FROM t")).all()
        connection.execute(text("INSERT INTO t VALUES (:name)"), {"name": value})
    one.commit()
    with pytest.raises(exc.DBAPIError):
        two.commit()
    with third.begin() as connection:
        assert connection.execute(text("SELECT name FROM t")).scalars().all() == ["a\0b"]
        assert connection.execute(text("DELETE FROM t")).rowcount == 1
    assert check(settings_of(server.url(name))).violations == ()
    assert not server.ask("HGETALL", f"rome:{{{name}}}:rows:t")
    for connection in (one, two):
        connection.close()


def test_rows_that_violate_a_key_are_told_as_such(server, name, engines):
    """Who boots can read what fits; who writes gets one sentence, with the tool that helps."""
    with engines(server.url(name)).begin() as connection:
        connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"))
        connection.execute(text("INSERT INTO t VALUES (1, 'a')"))
    row = msgpack.packb([2, "a"])
    server.ask("HSET", f"rome:{{{name}}}:rows:t", msgpack.packb([2]), row)
    with engines(server.url(name, timeout=8)).connect() as connection:
        assert connection.execute(text("SELECT id FROM t")).all() == [(1,)]
        with pytest.raises(exc.InternalError) as caught:
            connection.execute(text("DELETE FROM t"))
    assert "table t holds 2 rows, and 1 were committed (what comes into Redis" in str(
        caught.value.orig
    )
    assert "discovery rome repair" in str(caught.value.orig)
    assert check(settings_of(server.url(name))).violations
