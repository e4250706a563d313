"""A replica takes over, with and without the last commits; slots move; a cluster elects."""

import signal
import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import exc, insert, select, update

from discovery.rome import errors
from tests.redis_servers import HOST, RedisServer, redis_cluster, redis_server, until
from tests.rome_counters import add, count, counter, engine_on, read, replica_of, step
from tests.tcp_proxy import Proxy

FRESH = ["sync", "push"]


class Pair:
    """A master and its replica, a line between them that can be cut, and an address in front."""

    def __init__(self, master, replica, line, front):
        self.master = master
        self.replica = replica
        self.line = line
        self.front = front

    def url(self, database, **options):
        query = "&".join(f"{key}={value}" for key, value in options.items())
        return f"rome://{HOST}:{self.front.port}/{database}?{query}"

    def in_step(self):
        until(lambda: self.replica.offset() == self.master.offset(), "the replica is in step")

    def fail_over(self):
        """The master dies, and the replica takes its place with what it has."""
        self.master.kill()
        self.replica.ask("REPLICAOF", "NO", "ONE")
        self.front.lead_to(self.replica.port)


@contextmanager
def pair(folder):
    with redis_server(folder) as master, Proxy(master.port) as line, Proxy(master.port) as front:
        replica = RedisServer(folder, "--replicaof", f"{HOST} {line.port}")
        try:
            replica.start()
            until(
                lambda: replica.info("replication")["master_link_status"] == "up",
                "the replica follows its master",
            )
            yield Pair(master, replica, line, front)
        finally:
            replica.kill()


@pytest.fixture
def servers(tmp_path):
    with pair(tmp_path) as made:
        yield made


def lose_tail(servers, engine, count_lost=3):
    """Commits that the process has seen acknowledged, and the new master has not."""
    add(engine, "kept")
    servers.in_step()
    servers.line.block()
    for number in range(count_lost):
        add(engine, f"lost{number}")
    assert read(engine)[0] == 1 + count_lost
    servers.fail_over()


def told_once(engine):
    """The first transaction gets `TailLost`, the connection is dropped, and the next one works."""
    with pytest.raises(exc.OperationalError, match="no longer has commit") as caught:
        read(engine)
    assert isinstance(caught.value.orig, errors.TailLost)
    assert caught.value.connection_invalidated
    assert read(engine) == (1, ["kept"])
    assert replica_of(engine).counters.tails_lost == 1


def wait_for_feed(engine, fresh):
    if fresh == "push":
        until(lambda: replica_of(engine).counters.tails_lost, "the feed has met it", 10)


@pytest.mark.parametrize("fresh", FRESH)
def test_lost_tail(servers, fresh):
    with engine_on(servers.url("db", fresh=fresh), make=True) as engine:
        lose_tail(servers, engine)
        wait_for_feed(engine, fresh)
        told_once(engine)
        for number in range(5):
            add(engine, f"new{number}")
        assert count(engine) == 6
        assert replica_of(engine).counters.tails_lost == 1


@pytest.mark.parametrize("fresh", FRESH)
def test_lost_tail_and_a_new_history_that_is_longer(servers, fresh):
    """The numbers are used again: the chained hash, not the number, tells the histories apart."""
    with (
        engine_on(servers.url("db", fresh=fresh, timeout=5), make=True) as engine,
        engine_on(servers.replica.url("db")) as other,
    ):
        lose_tail(servers, engine)
        servers.front.block()
        for number in range(6):
            add(other, f"new{number}")
        servers.front.unblock()
        wait_for_feed(engine, fresh)
        with pytest.raises(exc.OperationalError, match="no longer has commit") as caught:
            read(engine)
        assert isinstance(caught.value.orig, errors.TailLost)
        assert read(engine) == (7, ["kept", *(f"new{number}" for number in range(6))])
        add(engine, "more")
        assert count(engine) == count(other) == 8


@pytest.mark.parametrize("fresh", FRESH)
def test_lost_tail_under_a_transaction(servers, fresh):
    """What a transaction has read is gone: its commit is refused, whatever it writes."""
    with engine_on(servers.url("db", fresh=fresh), make=True) as engine:
        add(engine, "kept")
        servers.in_step()
        servers.line.block()
        add(engine, "lost")
        with engine.connect() as connection:
            assert connection.execute(select(counter.c.n)).scalar() == 2
            connection.execute(insert(step).values(label="built on it"))
            lost = replica_of(engine).state.seq
            servers.fail_over()
            with pytest.raises(exc.OperationalError, match="no longer has commit") as caught:
                connection.commit()
            assert isinstance(caught.value.orig, errors.TailLost)
            assert f"no longer has commit {lost} of" in str(caught.value.orig)
        assert read(engine) == (1, ["kept"])
        assert replica_of(engine).counters.tails_lost == 1


def test_other_process_that_had_not_seen_the_tail(servers):
    """It hears nothing: its history is the one that goes on."""
    with (
        engine_on(servers.url("db"), make=True) as writer,
        engine_on(servers.url("db", timeout=9)) as reader,
    ):
        add(writer, "kept")
        assert count(reader) == 1
        servers.in_step()
        servers.line.block()
        add(writer, "lost")
        servers.fail_over()
        assert count(reader) == 1
        add(reader, "new")
        assert replica_of(reader).counters.tails_lost == 0
        with pytest.raises(exc.OperationalError, match="no longer has commit"):
            count(writer)
        assert read(writer) == (2, ["kept", "new"])


def test_leased_keys_after_a_lost_tail(servers):
    """The new master may lease keys again that this process still holds: no two rows share one."""
    with (
        engine_on(servers.url("db"), make=True) as engine,
        engine_on(servers.replica.url("db")) as other,
    ):
        add(engine, "kept")
        servers.in_step()
        servers.line.block()
        with engine.begin() as connection:  # leases more, and only that is lost
            for number in range(40):
                connection.execute(insert(step).values(counter="a", label=f"x{number}"))
            connection.rollback()
        servers.fail_over()
        for number in range(40):
            add(other, f"a{number}")
            try:
                add(engine, f"b{number}")
            except exc.OperationalError as error:
                kind = type(error.orig)
                assert kind is errors.Deadlock
                add(engine, f"b{number}")
        assert count(engine) == count(other) == 81


# Replicas that acknowledge


def test_acknowledged_commits_survive(servers):
    """wait=1: the master dies right after the last one, and every one is there."""
    with engine_on(servers.url("db", wait=1), make=True) as engine:
        for number in range(50):
            add(engine, f"a{number}")
        servers.fail_over()
        # the new master has no replica: read without waiting for one
        with engine_on(servers.replica.url("db")) as after:
            assert count(after) == 50
        assert count(engine) == 50


def test_too_few_replicas(servers):
    """The commit is on the master and may be undone: in doubt, within the timeout, done once."""
    with engine_on(servers.url("db", wait=1, timeout=2), make=True) as engine:
        add(engine, "before")
        servers.line.block()
        begun = time.monotonic()
        with pytest.raises(exc.OperationalError, match="0 of the 1 replicas") as caught:
            add(engine, "doubtful")
        assert isinstance(caught.value.orig, errors.InDoubt)
        assert 1.5 < time.monotonic() - begun < 4
        servers.line.unblock()
        until(
            lambda: servers.replica.info("replication")["master_link_status"] == "up",
            "the replica is back",
        )
        add(engine, "after")
        assert read(engine) == (3, ["after", "before", "doubtful"])


def test_replica_that_comes_back_in_time(servers):
    with engine_on(servers.url("db", wait=1, timeout=20), make=True) as engine:
        servers.line.block()
        threading.Timer(2, servers.line.unblock).start()
        add(engine, "patient")
        assert count(engine) == 1


def test_more_replicas_than_there_are(servers):
    with engine_on(servers.url("db", wait=2, timeout=1)) as engine:
        with (
            pytest.raises(exc.OperationalError, match="1 of the 2 replicas") as caught,
            engine_on(servers.url("db", wait=2, timeout=1), make=True),
        ):
            pass
        assert isinstance(caught.value.orig, errors.InDoubt)
        with engine.connect() as connection:
            assert connection.execute(select(counter.c.n)).all() == []


# A cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


class Migration:
    """A slot that goes from one master to another, key by key."""

    def __init__(self, cluster, database, target=None):
        self.slot = cluster.slot_of(database)
        self.database = database
        self.source = cluster.master_of(database)
        masters = [node for node in cluster.nodes if node.info("replication")["role"] == "master"]
        self.target = next(node for node in masters if node is not self.source)
        self.masters = masters
        self.names = {node.port: node.ask("CLUSTER", "MYID") for node in masters}

    def begin(self):
        here, there = self.names[self.source.port], self.names[self.target.port]
        self.target.ask("CLUSTER", "SETSLOT", self.slot, "IMPORTING", here)
        self.source.ask("CLUSTER", "SETSLOT", self.slot, "MIGRATING", there)

    def move(self, *keys):
        for key in keys:
            self.source.ask("MIGRATE", HOST, self.target.port, key, 0, 5000)

    def keys(self):
        return self.source.ask("CLUSTER", "GETKEYSINSLOT", self.slot, 1000)

    def end(self):
        there = self.names[self.target.port]
        for node in (self.target, self.source, *self.masters):
            node.ask("CLUSTER", "SETSLOT", self.slot, "NODE", there)


@contextmanager
def adding(url, names="abc"):
    """Three threads that count, each its own counter, until the block ends; what they were told."""
    told = {name: {"done": [], "doubtful": [], "failed": []} for name in names}
    stop = threading.Event()

    def work(engine, name):
        number = 0
        while not stop.is_set():
            number += 1
            label = f"{name}{number}"
            try:
                add(engine, label, name)
                told[name]["done"].append(label)
            except exc.OperationalError as error:
                doubtful = isinstance(error.orig, errors.InDoubt)
                told[name]["doubtful" if doubtful else "failed"].append(label)

    with engine_on(url, make=True, names=names) as engine:
        threads = [threading.Thread(target=work, args=(engine, name)) for name in names]
        for thread in threads:
            thread.start()
        try:
            yield told
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def all_once(url, told):
    """Every commit that was acknowledged is there once; a doubtful one at most once."""
    with engine_on(url) as engine:
        for name, said in told.items():
            n, labels = read(engine, name)
            assert n == len(labels)
            assert set(said["done"]) <= set(labels)
            assert set(labels) <= {*said["done"], *said["doubtful"]}


@pytest.mark.parametrize("fresh", FRESH)
def test_slot_moves_while_committing(cluster, fresh):
    """Key by key, there and back: TRYAGAIN, ASK and MOVED are waited out by the driver."""
    database = f"moving-{fresh}"
    url = cluster.url(database, fresh=fresh, timeout=30)
    with adding(url) as told:
        for _ in range(2):
            moving = Migration(cluster, database)
            time.sleep(0.3)
            moving.begin()
            while keys := moving.keys():
                moving.move(keys[0])
                time.sleep(0.05)
            moving.end()
            until(lambda moving=moving: cluster.master_of(database) is moving.target, "it moved")
            time.sleep(0.3)
    assert not any(said["doubtful"] or said["failed"] for said in told.values())
    assert all(len(said["done"]) > 5 for said in told.values())
    all_once(url, told)


def test_requests_are_asked_of_the_new_node(cluster):
    """Half of a slot has moved: what touches moved keys only is answered, over ASK."""
    url = cluster.url("asking", timeout=3)
    with engine_on(url, make=True) as engine:
        add(engine, "first")
        moving = Migration(cluster, "asking")
        moving.begin()
        moving.move("rome:{asking}:head", "rome:{asking}:log", "rome:{asking}:ids")
        assert count(engine) == 1  # SYNC: head and log
        replica_of(engine).lease_ids("step")  # ids
        with pytest.raises(exc.OperationalError, match="did not answer for 3 s") as caught:
            add(engine, "between")  # keys on both sides
        assert not isinstance(caught.value.orig, errors.InDoubt)
        moving.move(*moving.keys())
        add(engine, "all there")  # still ASK
        moving.end()
        add(engine, "after")
        assert read(engine) == (3, ["after", "all there", "first"])


@pytest.mark.parametrize("fresh", FRESH)
def test_master_of_a_slot_dies(tmp_path, fresh):
    """Its replica is elected; with wait=1 no acknowledged commit is lost, and work goes on."""
    with redis_cluster(tmp_path) as cluster:
        url = cluster.url("db", fresh=fresh, wait=1, timeout=30)
        with adding(url) as told:
            time.sleep(0.5)
            master = cluster.master_of("db")
            (heir,) = cluster.replicas_of(master)
            before = sum(len(said["done"]) for said in told.values())
            begun = time.monotonic()
            master.kill()
            until(lambda: cluster.master_of("db") is heir, "the replica was elected")
            elected = time.monotonic() - begun
            master.start()  # it comes back as the replica that wait=1 needs
            until(
                lambda: sum(len(said["done"]) for said in told.values()) > before + 20,
                "work goes on",
            )
        assert before > 3
        assert elected < 15
        assert not any(said["doubtful"] for said in told.values())
        all_once(url, told)


def test_silent_master_of_a_slot(tmp_path):
    """A stopped process accepts and says nothing: the cluster is asked again who the master is."""
    with redis_cluster(tmp_path) as cluster:
        url = cluster.url("db", timeout=12)
        with engine_on(url, make=True) as engine:
            add(engine, "before")
            master = cluster.master_of("db")
            until(
                lambda: cluster.replicas_of(master)[0].offset() == master.offset(),
                "the replica is in step",
            )
            master.signal(signal.SIGSTOP)
            with engine.begin() as connection:
                connection.execute(update(counter).values(n=counter.c.n + 1))
                connection.execute(insert(step).values(counter="a", label="after"))
            assert cluster.master_of("db") is not master
            master.signal(signal.SIGCONT)
            assert read(engine) == (2, ["after", "before"])
