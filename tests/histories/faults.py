"""What breaks: servers that a fault needs, and one stroke of it."""

import contextlib
import itertools
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from tests.histories.profile import WORKLOADS
from tests.redis_servers import HOST, RedisServer, redis_cluster, redis_server, until
from tests.tcp_proxy import Proxy

DATABASE = "histories"
TRIMMED = 40
"""Commits that the log keeps where trimming is part of the trial."""


class Clients:
    """What a fault may do to the clients."""

    def kill_one(self, rng: random.Random) -> None:
        """SIGKILL a client process, and start another in its place."""
        raise NotImplementedError

    def stop_one(self, rng: random.Random, seconds: float) -> None:
        """SIGSTOP a client process, and SIGCONT after ``seconds``."""
        raise NotImplementedError


class Fault:
    """Nothing breaks. ``failover``: another server takes over, and has not got the newest commits.

    ``stale``: a client may be shown an old state for a while, because an old master answers it.
    ``workloads``: those that the database can run. ``note`` writes down what happens, and when.
    """

    name: ClassVar[str] = "none"
    failover: ClassVar[bool] = False
    stale: ClassVar[bool] = False
    options: ClassVar[dict[str, Any]] = {}
    workloads: ClassVar[tuple[str, ...]] = WORKLOADS

    def __init__(self, folder: Path, note: Callable[[str], None], seed: int) -> None:
        self.folder, self.note = folder, note
        self.rng = random.Random(seed)

    @contextlib.contextmanager
    def servers(self, **options: Any) -> Iterator[list[str]]:
        """Start what is needed; gives URLs, of which each client has one."""
        with redis_server(self.folder) as self.server:
            yield [self.server.url(DATABASE, **{**self.options, **options})]

    def strike(self, clients: Clients) -> None:
        """Break something, for a moment, and mend it."""
        time.sleep(0.5)

    def pause(self) -> None:
        """Let the clients work between two strokes."""
        time.sleep(0.2 + self.rng.random() * 0.4)


class ClientsKilled(Fault):
    """Client processes end in the middle of whatever they do; others take their places."""

    name = "clients-killed"

    def strike(self, clients: Clients) -> None:
        """One at a time."""
        clients.kill_one(self.rng)


class ClientsStopped(Fault):
    """Client processes stand still in the middle of whatever they do; the log keeps few commits."""

    name = "clients-stopped"
    options: ClassVar[dict[str, Any]] = {"keep": TRIMMED}

    def strike(self, clients: Clients) -> None:
        """One at a time, while the others go on."""
        clients.stop_one(self.rng, 0.1 + self.rng.random())


class MasterRestarted(Fault):
    """The only server crashes and comes back with its append-only file."""

    name = "master-restarted"

    @contextlib.contextmanager
    def servers(self, **options: Any) -> Iterator[list[str]]:
        """A server that syncs its file before it answers."""
        durable = ("--appendonly", "yes", "--appendfsync", "always")
        with redis_server(self.folder, *durable) as self.server:
            yield [self.server.url(DATABASE, **options)]

    def strike(self, clients: Clients) -> None:
        """Down for a moment."""
        self.note("kill")
        self.server.kill()
        time.sleep(self.rng.random() * 0.3)
        self.server.start()
        self.note("restarted")


class ConnectionsDropped(Fault):
    """The server drops all its clients every 50 ms; the log keeps few commits."""

    name = "connections-dropped"
    options: ClassVar[dict[str, Any]] = {"keep": TRIMMED}

    def strike(self, clients: Clients) -> None:
        """For a second."""
        for _ in range(20):
            self.server.ask("CLIENT KILL TYPE normal")
            time.sleep(0.05)


class Proxied(Fault):
    """Nothing breaks yet: a fault of the way to the server."""

    @contextlib.contextmanager
    def servers(self, **options: Any) -> Iterator[list[str]]:
        """A server behind a proxy."""
        with redis_server(self.folder) as self.server, Proxy(self.server.port) as self.proxy:
            query = "&".join(f"{key}={v}" for key, v in {**self.options, **options}.items())
            yield [f"rome://{HOST}:{self.proxy.port}/{DATABASE}?{query}"]


class ConnectionsDelayed(Proxied):
    """The way to the server is slow, differently for each connection and moment."""

    name = "connections-delayed"

    def strike(self, clients: Clients) -> None:
        """For a second."""
        self.proxy.delay_ms = self.rng.choice([2, 10, 40])
        time.sleep(1.0)
        self.proxy.delay_ms = 0


class RepliesLost(Proxied):
    """Connections are cut where replies are on their way; the log keeps few commits.

    The requests have arrived: commits are done and sent again.
    """

    name = "replies-lost"
    options: ClassVar[dict[str, Any]] = {"keep": TRIMMED}

    def strike(self, clients: Clients) -> None:
        """For a second, every few milliseconds."""
        self.proxy.delay_ms = 4
        for _ in range(25):
            time.sleep(self.rng.random() * 0.08)
            self.proxy.cut()
        self.proxy.delay_ms = 0


class Partition(Proxied):
    """The server is there and silent, or the way to it is; for less or more than the timeout."""

    name = "partition"
    options: ClassVar[dict[str, Any]] = {"timeout": 1.0}

    def strike(self, clients: Clients) -> None:
        """One of three ways, then all is as before."""
        seconds = self.rng.choice([0.2, 0.6, 1.5])
        way = self.rng.choice(["stopped", "silent", "cut"])
        self.note(f"{way} for {seconds} s")
        if way == "stopped":
            self.server.signal(signal.SIGSTOP)
            time.sleep(seconds)
            self.server.signal(signal.SIGCONT)
        else:
            self.proxy.silent = True
            time.sleep(seconds)
            if way == "cut":
                self.proxy.cut()
            self.proxy.silent = False


class ReplicaPromoted(Fault):
    """The master dies with commits that its replica has not got; the replica takes its place.

    The clients' address is a proxy, led to the new master as a virtual address would be. The old
    one comes back as the replica of the new one, for the next stroke.
    """

    name = "replica-promoted"
    failover = True
    options: ClassVar[dict[str, Any]] = {"timeout": 3.0}

    @contextlib.contextmanager
    def servers(self, **options: Any) -> Iterator[list[str]]:
        """A master and a replica, with a way between them that can fail."""
        options = {**self.options, **options}
        self.numbers = itertools.count()
        with contextlib.ExitStack() as stack:
            self.master = stack.enter_context(redis_server(self.folder))
            self.replica = stack.enter_context(redis_server(self.folder))
            self.front = stack.enter_context(Proxy(self.master.port))
            self.between = stack.enter_context(Proxy(self.master.port))
            self._follow()
            query = "&".join(f"{key}={value}" for key, value in options.items())
            yield [f"rome://{HOST}:{self.front.port}/{DATABASE}?{query}"]

    def _follow(self) -> None:
        """The replica follows the master, through the proxy between them."""
        self.between.target = self.master.port
        self.replica.ask("REPLICAOF", HOST, self.between.port)
        until(lambda: self.master.feeds(self.replica), "the replica follows its master")

    def strike(self, clients: Clients) -> None:
        """The way between them goes silent, the master dies, the replica is promoted."""
        self.between.silent = True
        time.sleep(self.rng.random() * 0.15)
        if self.rng.random() < 0.5:  # commits that wait for the replica are sent again
            self.front.cut()
            time.sleep(self.rng.random() * 0.3)
        self.note("kill")
        self.master.kill()
        self.between.cut()
        self.between.silent = False
        self.replica.ask("REPLICAOF NO ONE")
        self.front.target = self.replica.port
        self.note("promoted")
        time.sleep(self.rng.random() * 0.3)
        self.master, self.replica = self.replica, self.master
        self.replica.start()
        self._follow()
        self.note("in step")


class ReplicaPromotedWait(ReplicaPromoted):
    """The same, where commits wait for one replica: none may be lost."""

    name = "replica-promoted-wait"
    options: ClassVar[dict[str, Any]] = {"timeout": 1.0, "wait": 1}


class ClusterFailover(Fault):
    """The master of the database's slot dies, and the cluster gives it another."""

    name = "cluster-failover"
    failover = True

    @contextlib.contextmanager
    def servers(self, **options: Any) -> Iterator[list[str]]:
        """Six nodes: three masters with a replica each."""
        with redis_cluster(self.folder, node_timeout_ms=1000) as self.cluster:
            yield [self.cluster.url(DATABASE, **{**self.options, **options})]

    def _fail_over(self, harm: Callable[[RedisServer], Any], mend: Callable[..., Any]) -> None:
        master = self.cluster.master_of(DATABASE)
        (replica,) = self.cluster.replicas_of(master)
        self.note("kill")
        harm(master)
        until(lambda: replica.info("replication")["role"] == "master", "the replica takes over")
        self.note("promoted")
        time.sleep(self.rng.random() * 0.3)
        mend(master)
        until(lambda: replica.feeds(master), "the old master follows the new one")
        self.note("in step")

    def pause(self) -> None:
        """Longer: a failover takes seconds, too."""
        time.sleep(0.5 + self.rng.random() * 2)

    def strike(self, clients: Clients) -> None:
        """Kill it; later it comes back as a replica."""
        self._fail_over(lambda master: master.kill(), lambda master: master.start())


class ClusterPartition(ClusterFailover):
    """The master falls silent until it has been replaced, and then goes on as if nothing were."""

    name = "cluster-partition"
    stale = True

    def strike(self, clients: Clients) -> None:
        """Stop it; later it wakes up with what clients have sent it meanwhile."""
        self._fail_over(
            lambda master: master.signal(signal.SIGSTOP),
            lambda master: master.signal(signal.SIGCONT),
        )


class ClusterPartitionWait(ClusterPartition):
    """The same, where commits wait for one replica: none may be lost."""

    name = "cluster-partition-wait"
    options: ClassVar[dict[str, Any]] = {"wait": 1, "timeout": 4.0}


FAULTS: dict[str, type[Fault]] = {
    fault.name: fault
    for fault in (
        Fault,
        ClientsKilled,
        ClientsStopped,
        MasterRestarted,
        ConnectionsDropped,
        ConnectionsDelayed,
        RepliesLost,
        Partition,
        ReplicaPromoted,
        ReplicaPromotedWait,
        ClusterFailover,
        ClusterPartition,
        ClusterPartitionWait,
    )
}
