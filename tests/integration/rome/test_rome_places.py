"""Redis behind Sentinels and on a unix socket; passwords; servers that are busy, or none."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
import traceback

import pytest
from sqlalchemy import create_engine, exc, text

from discovery.cli import main
from discovery.rome import connect, errors
from discovery.rome import store as store_module
from discovery.rome.integrity import check
from discovery.rome.settings import parse
from discovery.rome.status import status
from discovery.rome.store import Store
from discovery.rome.urls import settings_of
from tests.redis_servers import HOST, RedisServer, free_port, redis_server, until

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY)"


def count(url):
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO t DEFAULT VALUES"))
            return connection.execute(text("SELECT count(*) FROM t")).scalar()
    finally:
        engine.dispose()


def make(url):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(TABLE))
    engine.dispose()


# A unix socket


def test_a_database_on_a_unix_socket(tmp_path):
    path = tmp_path / "redis.sock"
    with redis_server(tmp_path, "--unixsocket", path) as server:
        url = f"rome:///db?socket={path}"
        make(url)
        assert count(url) == 1
        assert count(f"{url}&fresh=push") == 2
        assert server.ask("EXISTS", "rome:{db}:head") == 1
        assert status(settings_of(url)).server == str(path)
        assert check(settings_of(url)).violations == ()
    engine = create_engine(f"{url}&timeout=5")
    with pytest.raises(exc.OperationalError, match=f"redis connection lost: {path} did not"):
        engine.connect()


# Sentinels


@contextlib.contextmanager
def sentinel_of(folder, master, *options, password=None):
    """A Sentinel that holds a master for dead after a fifth of a second."""
    sentinel = RedisServer(folder)
    sentinel.password = password
    configuration = sentinel.folder / "sentinel.conf"
    lines = (
        *(f"bind {HOST}", f"port {sentinel.port}", f"dir {sentinel.folder}"),
        *(f"logfile {sentinel.log}", f"sentinel monitor mine {HOST} {master.port} 1"),
        *("sentinel down-after-milliseconds mine 200", "sentinel failover-timeout mine 2000"),
        *options,
    )
    configuration.write_text("".join(f"{line}\n" for line in lines))
    sentinel.process = subprocess.Popen(
        ["redis-server", str(configuration), "--sentinel"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        until(sentinel._answers, "the Sentinel answers")
        yield sentinel
    finally:
        sentinel.kill()


def sentinel_url(*ports, timeout=10):
    first, *others = [f"{HOST}:{port}" for port in ports]
    more = f"&host={','.join(others)}" if others else ""
    return f"rome://{first}/db?sentinel=mine&timeout={timeout}{more}"


def test_a_failover_of_sentinels_is_followed(tmp_path):
    """Also where the first Sentinel of the URL is away."""
    with (
        redis_server(tmp_path, replicas=1) as master,
        sentinel_of(tmp_path, master) as sentinel,
    ):
        replica = master.replicas[0]
        for server in (master, replica):  # with the rights that the document names
            rights = ("~rome:*", "+@all", "-@dangerous", "+info")
            server.ask("ACL", "SETUSER", "nova", "on", ">word", *rights)

        def knows_the_replica():
            said = sentinel.ask("SENTINEL", "MASTER", "mine")
            return said[said.index(b"num-slaves") + 1] == b"1"

        until(knows_the_replica, "the Sentinel knows the replica")
        url = sentinel_url(free_port(), sentinel.port, timeout=30).replace("//", "//nova:word@")
        make(url)
        assert count(url) == 1
        until(lambda: replica.offset() >= master.offset(), "it is replicated")
        with connect_to(url) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
            connection.rollback()
            master.kill()
            connection.execute("INSERT INTO t VALUES (77)")
            connection.commit()
        assert replica.ask("HLEN", "rome:{db}:rows:t") == 2
        assert count(url) == 3


def connect_to(url):
    settings = settings_of(url)
    return connect(
        ",".join(f"{host}:{port}" for host, port in settings.hosts),
        settings.database,
        settings.username,
        settings.password,
        sentinel=settings.sentinel,
        timeout=settings.timeout,
    )


def test_a_name_that_no_sentinel_knows_and_their_password(tmp_path):
    known = ("sentinel auth-pass mine right", "requirepass right")
    with (
        redis_server(tmp_path, "--requirepass", "right") as master,
        sentinel_of(tmp_path, master, *known, password="right") as sentinel,
    ):
        url = sentinel_url(sentinel.port).replace("//", "//:right@", 1)
        make(url)
        assert count(url) == 1
        engine = create_engine(url.replace("=mine", "=yours"))
        with pytest.raises(exc.OperationalError, match="knows no master sentinel=yours; a na"):
            engine.connect()


# Passwords


def test_a_password_is_shown_nowhere(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(store_module, "ABSENT_S", 0.2)
    word = "s3cr3t-of-ours"
    with redis_server(tmp_path, "--requirepass", "right") as server:
        url = f"rome://user:{word}@{HOST}:{server.port}/db"
        settings = settings_of(url)
        shown = [repr(settings), str(settings), f"{settings}", repr(parse("h", "d", "u", word))]
        store = Store(settings)
        shown += [repr(store._options()), f"{store._options()['password']}"]
        for use in (
            lambda: connect(f"{HOST}:{server.port}", "db", "user", word),
            lambda: create_engine(url).connect(),
            lambda: create_engine(f"{url}?fresh=often").connect(),
            lambda: create_engine(f"rome://user:{word}@{HOST}:1/db?timeout=0.2").connect(),
            lambda: create_engine(f"rome://user:{word}@/db?socket=/nowhere").connect(),
            lambda: status(settings),
        ):
            with pytest.raises((exc.DBAPIError, errors.Error)) as caught:
                use()
            link = caught.value
            while link is not None:
                text = traceback.TracebackException.from_exception(link, capture_locals=True)
                shown += ["".join(text.format()), repr(link), str(link)]
                link = link.__cause__ or link.__context__
        monkeypatch.setattr(sys, "argv", ["discovery", "rome", "status", url])
        with pytest.raises(SystemExit):
            main()
        shown += capsys.readouterr()
    lines = [line.strip() for part in shown for line in part.splitlines() if word in line]
    ours = ("word = ", "url = ", "shown = ")  # this test's own variables
    assert [line for line in lines if not line.startswith(ours)] == []


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_password_in_a_file_or_the_environment(tmp_path, monkeypatch, ending):
    word = "p@ss: /wörd"
    (tmp_path / "word").write_bytes(f"{word}{ending}".encode())
    monkeypatch.setenv("ROME_WORD", word)
    for option in (f"password_file={tmp_path / 'word'}", "password_env=ROME_WORD"):
        assert settings_of(f"rome://h/db?{option}").password == word
        assert word not in repr(settings_of(f"rome://h/db?{option}"))
        with pytest.raises(errors.InterfaceError, match="not allowed beside another password"):
            settings_of(f"rome://u:x@h/db?{option}")


def test_the_url_may_come_from_the_environment(tmp_path, monkeypatch, capsys):
    with redis_server(tmp_path, "--requirepass", "right") as server:
        url = f"rome://:right@{HOST}:{server.port}/db"
        make(url)
        monkeypatch.setenv("ROME_URL", url)
        monkeypatch.setattr(sys, "argv", ["discovery", "rome", "dump"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        assert TABLE in capsys.readouterr().out


# Servers that are busy


def test_a_request_is_not_sent_again_while_redis_works_on_it(tmp_path):
    """Redis is asked once, and the answer comes after more than three times the patience."""
    with redis_server(tmp_path) as server, Store(parse(f"{HOST}:{server.port}", "db")) as store:
        store.check_server()
        store.patience = 0.3
        store._clients.clear()
        sleep = "local t=redis.call('TIME')[1] repeat until redis.call('TIME')[1]-t>1.5 return 1"
        done = store.request(lambda client: client.execute_command("EVAL", sleep, 0))
        assert done == 1
        calls = server.ask("INFO", "commandstats").decode()
        assert "cmdstat_eval:calls=1," in calls


def test_an_answer_that_was_lost_is_asked_for_again(tmp_path):
    """The server answers others: what is lost on the way does not come any more."""
    with redis_server(tmp_path) as server:
        listener = socket.create_server((HOST, 0))
        held = []

        def swallow():
            """The first connection that asks for a hash never gets its answer."""
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=pass_on, args=(client,), daemon=True).start()

        def pass_on(client):
            with client, socket.create_connection((HOST, server.port)) as there:
                while data := client.recv(65536):
                    if b"HGETALL" in data and not held:
                        held.append(client)
                        time.sleep(20)
                        return
                    there.sendall(data)
                    client.sendall(there.recv(65536))

        threading.Thread(target=swallow, daemon=True).start()
        with listener, Store(parse(f"{HOST}:{listener.getsockname()[1]}", "db")) as store:
            store.check_server()
            store.patience = 0.3
            store._clients.clear()
            begun = time.monotonic()
            assert store.request(lambda client: client.execute_command("HGETALL", "x")) in ([], {})
            assert held
            assert 0.3 < time.monotonic() - begun < 4


def test_a_large_commit_over_a_slow_link_is_sent_once(tmp_path):
    """The link stands still for longer than an answer may take."""
    with redis_server(tmp_path) as server:
        listener = socket.create_server((HOST, 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        passed = []

        def back(client, there):
            with contextlib.suppress(OSError):
                while data := there.recv(65536):
                    client.sendall(data)

        def forth(client):
            with client, socket.create_connection((HOST, server.port)) as there:
                threading.Thread(target=back, args=(client, there), daemon=True).start()
                while data := client.recv(65536):
                    if sum(passed) > 100_000 > sum(passed[:-1]):
                        time.sleep(1.5)
                    there.sendall(data)
                    passed.append(len(data))

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=forth, args=(client,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        with listener, connect(f"{HOST}:{listener.getsockname()[1]}", "db", timeout=9) as one:
            one.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
            one.commit()
            one.replica.store.patience = 0.5
            one.replica.store._clients.clear()
            one.execute("INSERT INTO t VALUES (1, ?)", (bytes(12_000_000),))
            one.commit()
        assert 12_000_000 < sum(passed) < 13_000_000


# What is no Redis


class Stranger:
    """A server on loopback that answers each connection by ``talk``."""

    def __init__(self, talk):
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._talk = talk
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client):
        with contextlib.suppress(OSError), client:
            self._talk(client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()


def without_end(client):
    while True:
        client.sendall(b"x" * 65536)


def a_number_without_end(client):
    client.sendall(b"+")
    without_end(client)


def mariadb(client):
    client.sendall(b"J\x00\x00\x00\x0a11.4.2-MariaDB\x00" + bytes(50))
    client.recv(1000)


def an_alert(client):
    client.recv(1000)
    client.sendall(b"\x15\x03\x01\x00\x02\x02\x0a")


STRANGERS = {
    "bytes without an end": (without_end, "is no Redis"),
    "a line without an end": (a_number_without_end, "is no Redis"),
    "a greeting before anything is asked": (mariadb, "is no Redis"),
    "only zeros": (lambda client: client.sendall(bytes(10)), "is no Redis"),
    "an end of line": (lambda client: client.sendall(b"\r\n"), "is no Redis"),
    "TLS": (an_alert, "speaks TLS; add ?tls=true to the URL"),
    "an end at once": (lambda client: None, "it closes the connection without a word"),
    "an end after the question": (lambda client: client.recv(9), "without a word"),
}


@pytest.mark.parametrize("cluster", ["false", "true"])
@pytest.mark.parametrize("what", STRANGERS)
def test_a_stranger_is_one_sentence(monkeypatch, what, cluster):
    monkeypatch.setattr(store_module, "ABSENT_S", 0.2)
    talk, said = STRANGERS[what]
    with Stranger(talk) as server:
        begun = time.monotonic()
        with pytest.raises(errors.OperationalError) as caught:
            connect(f"{HOST}:{server.port}", "db", cluster=cluster)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
        assert time.monotonic() - begun < 6
