"""Real Redis servers for tests: one, one with replicas, or a cluster; on loopback.

with redis_server(tmp_path) as server: create_engine(server.url("nova"))
with redis_server(tmp_path, "--appendonly", "yes", replicas=2) as master: master.replicas[0]
with redis_cluster(tmp_path) as cluster: create_engine(cluster.url("nova", fresh="push"))
"""

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

HOST = "127.0.0.1"
SLOTS = 16384
READY_S = 30.0
_numbers = itertools.count(1)


def free_port():
    """A port of loopback that nobody listens on now.

    It is below those that outgoing connections are given: a server that is started again must find
    its port free.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind((HOST, port))
            return port


def until(condition, what, seconds=READY_S):
    """Wait until ``condition()`` is true, and return what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not after {seconds:g} s: {what}")
        time.sleep(0.02)


def rome_url(servers, database, **options):
    """``rome://`` on the first of ``servers``, with the others as ``host=``."""
    first, *others = [f"{HOST}:{server.port}" for server in servers]
    values = {
        key: str(value).lower() if value is True or value is False else value
        for key, value in options.items()
    }
    if others:
        values["host"] = ",".join(others)
    query = "&".join(f"{key}={value}" for key, value in values.items())
    return f"rome://{first}/{database}" + (f"?{query}" if query else "")


_SYNC_AT_ONCE = ("--repl-diskless-sync", "no", "--rdb-del-sync-files", "yes")
"""A master that sends its first state from memory has up to a second's pause before it sends more,
until its replica's next acknowledgement: who is promoted in that second knows nothing."""


class RedisServer:
    """One redis-server process; ``options`` are its own, as on its command line."""

    def __init__(self, folder, *options):
        self.port = free_port()
        self.folder = Path(folder) / f"redis-{next(_numbers)}"
        self.folder.mkdir(parents=True)
        self.options = [str(option) for option in options]
        self.replicas = []
        self.process = None
        password = [v for k, v in itertools.pairwise(self.options) if k == "--requirepass"]
        self.password = password[0] if password else None

    @property
    def pid(self):
        """The process, running or not."""
        return self.process.pid

    @property
    def log(self):
        """Where the server writes what it does."""
        return self.folder / "redis.log"

    def url(self, database, **options):
        """A URL of ``database``; ``options`` are those of the URL."""
        return rome_url([self], database, **options)

    def client(self, **options):
        """A redis-py client; use it in a ``with``, or close it."""
        options = {"password": self.password, "socket_timeout": 30, **options}
        return redis.Redis(host=HOST, port=self.port, retry=Retry(NoBackoff(), 0), **options)

    def ask(self, *command):
        """One command on a connection of its own, and its answer as it came: bytes, numbers."""
        with self.client(protocol=2) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    def info(self, section):
        """One section of INFO."""
        with self.client() as client:
            return client.info(section)

    def start(self):
        """Start it, again if need be, on the same port and folder, and wait until it answers."""
        command = [
            *("redis-server", "--bind", HOST, "--port", str(self.port), "--daemonize", "no"),
            *("--dir", str(self.folder), "--logfile", str(self.log), "--save", ""),
            *("--appendonly", "no", *_SYNC_AT_ONCE, *self.options),
        ]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        until(self._answers, f"redis-server answers; its log is {self.log}")
        return self

    def _answers(self):
        if self.process.poll() is not None:
            last = self.log.read_text().splitlines()[-5:] if self.log.exists() else []
            raise AssertionError("redis-server ended: " + " / ".join(last))
        try:
            return self.ask("PING")
        except redis.BusyLoadingError:
            return False
        except redis.ResponseError:  # it answers, and says no
            return True
        except redis.ConnectionError:
            return False

    def signal(self, number):
        """Send a signal: ``SIGSTOP`` and ``SIGCONT`` make a server that is there and silent."""
        os.kill(self.pid, number)

    def stop(self):
        """End it in order: what it saves is saved."""
        self._end(signal.SIGTERM)

    def kill(self):
        """End it at once, as a crash does."""
        self._end(signal.SIGKILL)

    def _end(self, number):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(number)
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def add_replica(self, *options):
        """A new server that follows this one, in step when this returns."""
        replica = RedisServer(self.folder, "--replicaof", f"{HOST} {self.port}", *options)
        self.replicas.append(replica)
        replica.start()
        until(lambda: self.feeds(replica), "the replica follows its master")
        return replica

    def feeds(self, replica):
        """Whether a replica gets what is written here from now on."""
        with contextlib.suppress(redis.RedisError):
            followers = self.info("replication").values()
            return any(
                isinstance(it, dict) and (it["port"], it["state"]) == (replica.port, "online")
                for it in followers
            )
        return False

    def offset(self):
        """How much of the replication stream it has: of a replica, what it has received."""
        said = self.info("replication")
        key = "master_repl_offset" if said["role"] == "master" else "slave_repl_offset"
        return said[key]


@contextlib.contextmanager
def redis_server(folder, *options, replicas=0):
    """A server without persistence unless ``options`` say otherwise, and its replicas."""
    server = RedisServer(folder, *options)
    try:
        server.start()
        for _ in range(replicas):
            server.add_replica()
        yield server
    finally:
        for one in (*server.replicas, server):
            one.kill()


class RedisCluster:
    """The nodes of a cluster: first the masters, then ``replicas`` of each in turn."""

    def __init__(self, folder, masters, replicas, node_timeout_ms):
        self.masters = masters
        self.nodes = [
            RedisServer(
                folder,
                *("--cluster-enabled", "yes", "--cluster-port", free_port()),
                *("--cluster-config-file", "nodes.conf"),
                *("--cluster-node-timeout", node_timeout_ms),
                *("--cluster-require-full-coverage", "no"),
            )
            for _ in range(masters * (1 + replicas))
        ]

    def url(self, database, **options):
        """A URL of ``database`` that names three nodes at most, as a person would."""
        return rome_url(self.nodes[:3], database, cluster=True, **options)

    def alive(self):
        """A node that answers."""
        for node in self.nodes:
            with contextlib.suppress(redis.RedisError), node.client(socket_timeout=1) as client:
                client.ping()
                return node
        raise AssertionError("no node answers")

    def slot_of(self, database):
        """The slot that holds all keys of ``database``."""
        return self.alive().ask("CLUSTER KEYSLOT", f"rome:{{{database}}}:head")

    def master_of(self, database):
        """The node that takes writes for ``database`` now."""
        slot = self.slot_of(database)
        for first, last, (_, port, *_), *_ in self.alive().ask("CLUSTER SLOTS"):
            if first <= slot <= last:
                return self._by_port(port)
        raise AssertionError(f"nobody holds slot {slot}")

    def replicas_of(self, master):
        """The nodes that follow ``master``."""
        lines = self.alive().ask("CLUSTER REPLICAS", master.ask("CLUSTER MYID"))
        return [self._by_port(int(line.split()[1].split(b":")[1].split(b"@")[0])) for line in lines]

    def _by_port(self, port):
        return next(node for node in self.nodes if node.port == port)

    def make(self):
        """Start the nodes and join them; a few seconds."""
        for node in self.nodes:
            node.start()
        share = -(-SLOTS // self.masters)
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
            if number < self.masters:
                last = min((number + 1) * share, SLOTS) - 1
                node.ask("CLUSTER ADDSLOTSRANGE", number * share, last)
            bus = node.options[node.options.index("--cluster-port") + 1]
            for other in self.nodes[:number]:
                other.ask("CLUSTER MEET", HOST, node.port, bus)
        until(self._all_known, "all nodes know each other")
        names = [node.ask("CLUSTER MYID") for node in self.nodes]
        for number, node in enumerate(self.nodes[self.masters :]):
            node.ask("CLUSTER REPLICATE", names[number % self.masters])
        until(self._in_step, "the cluster is whole")

    def _all_known(self):
        for node in self.nodes:
            lines = node.ask("CLUSTER NODES").splitlines()
            if len(lines) != len(self.nodes) or any(b"handshake" in line for line in lines):
                return False
        return True

    def _in_step(self):
        followers = len(self.nodes) - self.masters
        for node in self.nodes:
            if b"cluster_state:ok" not in node.ask("CLUSTER INFO"):
                return False
            roles = [line.split()[2] for line in node.ask("CLUSTER NODES").splitlines()]
            if sum(b"slave" in role for role in roles) != followers:
                return False
        return all(
            node.info("replication")["master_link_status"] == "up"
            for node in self.nodes[self.masters :]
        )


@contextlib.contextmanager
def redis_cluster(folder, masters=3, replicas=1, node_timeout_ms=2000):
    """A cluster of ``masters``, each with ``replicas``; a dead master is replaced by its own."""
    cluster = RedisCluster(folder, masters, replicas, node_timeout_ms)
    try:
        cluster.make()
        yield cluster
    finally:
        for node in cluster.nodes:
            if node.process is not None:
                node.kill()
