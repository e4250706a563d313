"""Redis, one server or a cluster, as the rest of the driver sees it: requests that are tried again.

Every request here may be sent twice without harm (reads, id leases, and commits, which certify.lua
recognises), so that a dropped connection, a restarted server, a failover or a moved slot is waited
out for ``timeout`` seconds and the caller never hears of it.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from importlib import resources, util
from typing import Any, TypeVar
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    MasterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    SlotNotCoveredError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from discovery.rome.errors import ConnectionLost, InDoubt, StoreRefused
from discovery.rome.settings import Settings

OLDEST_SERVER = (7, 0)
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.5)
_TRANSIENT = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ClusterDownError,
    ClusterError,
    MasterDownError,
    MovedError,
    RedisClusterException,
    SlotNotCoveredError,
    TryAgainError,
    OSError,
)

_REFUSALS = (
    (("NOAUTH", "WRONGPASS", "NOPERM", "without any password"), "refuses this user or password"),
    (
        ("cluster support disabled", "Cluster mode is not enabled"),
        "is no cluster; take ?cluster=true off the URL",
    ),
    (("READONLY",), "is a read-only replica; name its master in the URL"),
    (("OOM",), "is out of memory (its maxmemory); nothing was written"),
    (("MISCONF",), "cannot save to its disk and takes no writes"),
    (
        ("WRONGTYPE",),
        "holds keys named {prefix}:… that are not ROME's; choose another database name in the URL",
    ),
)
"""What Redis' answers mean to somebody who has a URL to write; the answer itself follows."""

_NO_SETINFO: dict[str, Any] = (
    {"driver_info": None}
    if util.find_spec("redis.driver_info")
    else {"lib_name": None, "lib_version": None}
)
"""Two round trips less for a new connection: redis-py's name and version, which nobody asks for."""

T = TypeVar("T")
Client = Any
Argument = bytes | str | int | float


class Keys:
    """The names of one database's keys; the braces put them all into one slot of a cluster."""

    def __init__(self, database: str) -> None:
        self.prefix = f"rome:{{{database}}}"
        self.head = f"{self.prefix}:head"
        self.log = f"{self.prefix}:log"
        self.versions = f"{self.prefix}:versions"
        self.ids = f"{self.prefix}:ids"
        self.schema = f"{self.prefix}:schema"

    def rows(self, table: str) -> str:
        """The hash that holds a table's rows by primary key."""
        return f"{self.prefix}:rows:{table}"


class Script:
    """A Lua file of this package, known to Redis by its hash."""

    def __init__(self, name: str) -> None:
        self.text = (resources.files("discovery.rome") / "lua" / f"{name}.lua").read_text("utf-8")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


CERTIFY = Script("certify")
SYNC = Script("sync")


class Store:
    """One database on Redis. Safe to share between threads; ``round_trips`` counts requests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keys = Keys(settings.database)
        self.round_trips = 0
        self._cluster: RedisCluster | None = None
        self._single: redis.Redis | None = None
        self._lock = threading.Lock()

    def _options(self) -> dict[str, Any]:
        """What every connection is made with; its name is what CLIENT LIST shows of it."""
        return {
            "client_name": f"rome:{quote(self.settings.database)}:{os.getpid()}",
            **_NO_SETINFO,
            "username": self.settings.username,
            "password": self.settings.password,
            "protocol": 2,
            "socket_timeout": self.settings.timeout,
            "socket_connect_timeout": self.settings.timeout,
            "socket_keepalive": True,
        }

    def _client(self) -> Client:
        """A client of the server that holds this database now."""
        if not self.settings.cluster:
            with self._lock:
                if self._single is None:
                    host, port = self.settings.hosts[0]
                    self._single = redis.Redis(
                        host=host, port=port, retry=Retry(NoBackoff(), 0), **self._options()
                    )
                return self._single
        with self._lock:
            if self._cluster is None:
                self._cluster = RedisCluster(
                    startup_nodes=[ClusterNode(*address) for address in self.settings.hosts],
                    retry=Retry(NoBackoff(), 0),
                    **self._options(),
                )
            node = self._cluster.get_node_from_key(self.keys.head)
            if node is None:
                raise SlotNotCoveredError("no node holds the slot")
            return self._cluster.get_redis_connection(node)

    def _forget_layout(self) -> None:
        """Ask the cluster anew who holds what, at the next request."""
        with self._lock:
            if self._cluster is not None:
                cluster, self._cluster = self._cluster, None
                cluster.close()

    def request(self, send: Callable[[Client], T], *, commit: bool = False) -> T:
        """``send`` with a client, again and again until it works or ``timeout`` has passed.

        Raises:
            ConnectionLost: Redis could not be reached; `InDoubt` where a commit had been sent.
            StoreRefused: it answers, and says no.
        """
        deadline = time.monotonic() + self.settings.timeout
        tries = 0
        sent = False
        while True:
            try:
                self.round_trips += 1
                client = self._client()
                sent = True
                return send(client)
            except AskError as error:
                return self._ask(error, send)
            except (ResponseError, *_TRANSIENT) as error:
                demoted = isinstance(error, ReadOnlyError) and self.settings.cluster
                refused = None if demoted else self._refused(error)
                if refused is not None:
                    raise refused from error
                if time.monotonic() >= deadline:
                    raise self._lost(error, commit and sent) from error
            self._forget_layout()
            time.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1

    def _ask(self, error: AskError, send: Callable[[Client], T]) -> T:
        """The slot is on its way to another node, which takes this one request if it is asked."""
        client = redis.Redis(
            host=error.host,
            port=error.port,
            retry=Retry(NoBackoff(), 0),
            single_connection_client=True,
            **self._options(),
        )
        with client:
            client.execute_command("ASKING")
            return send(client)

    def _lost(self, error: Exception, commit: bool) -> ConnectionLost:
        kind = InDoubt if commit else ConnectionLost
        what = "; whether the commit happened is not known" if commit else ""
        return kind(
            f"redis connection lost: {self.settings.address} did not answer for "
            f"{self.settings.timeout:g} s{what} ({error})"
        )

    def _refused(self, error: Exception) -> StoreRefused | None:
        """The sentence for an answer that will not change by asking again; None if it may."""
        text = str(error)
        known = [said for marks, said in _REFUSALS if any(mark in text for mark in marks)]
        if known:
            sentence = known[0]
        elif isinstance(error, MovedError) and not self.settings.cluster:
            sentence = "is a member of a cluster; add ?cluster=true to the URL"
        elif isinstance(error, _TRANSIENT):
            return None
        else:
            sentence = "cannot do that"
        where = f"redis at {self.settings.address}"
        return StoreRefused(f"{where} {sentence.format(prefix=self.keys.prefix)} ({text})")

    def check_server(self) -> None:
        """Refuse a Redis that is too old.

        Raises:
            StoreRefused: with the version that was found.
        """
        info = self.request(lambda client: client.info("server"))
        version = str(info["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_SERVER:
            raise StoreRefused(
                f"redis at {self.settings.address} is version {version}; ROME needs 7.0 or newer"
            )

    def run(
        self, script: Script, keys: list[str], arguments: list[Argument], *, commit: bool = False
    ) -> Any:
        """One script, in one round trip (two the first time a server sees it).

        With ``commit`` and ``wait`` in the settings, the reply is held back until that many
        replicas have acknowledged it; one that comes without them raises `InDoubt`. So does a
        commit that was sent twice when the log no longer reaches back to what it read: had the
        first been accepted, the log might have forgotten that, too.
        """
        wait = self.settings.wait if commit else 0
        sent = 0

        def send(client: Client) -> Any:
            nonlocal sent
            sent += 1
            try:
                return self._evaluate(client, script, keys, arguments, wait)
            except NoScriptError:
                self.round_trips += 1
                client.script_load(script.text)
                return self._evaluate(client, script, keys, arguments, wait)

        reply = self.request(send, commit=commit)
        if commit and sent > 1 and reply[0] == b"BEHIND":
            raise InDoubt(
                f"redis connection lost: {self.settings.address} was away for longer than its log "
                "reaches back; whether the commit happened is not known"
            )
        return reply

    def _evaluate(
        self, client: Client, script: Script, keys: list[str], arguments: list[Argument], wait: int
    ) -> Any:
        command = ["EVALSHA", script.sha, len(keys), *keys, *arguments]
        if not wait:
            return client.execute_command(*command)
        with client.pipeline(transaction=False) as pipeline:
            pipeline.execute_command(*command)
            pipeline.execute_command("WAIT", wait, int(self.settings.timeout * 1000))
            reply, acknowledged = pipeline.execute()
        if reply[0] == b"OK" and acknowledged < wait:
            raise InDoubt(
                f"redis connection lost: the commit is on the master and on {acknowledged} of the "
                f"{wait} replicas that wait={wait} asks for; a failover may undo it"
            )
        return reply

    def close(self) -> None:
        """Close every socket."""
        with self._lock:
            for client in (self._single, self._cluster):
                if client is not None:
                    client.close()
            self._single = self._cluster = None

    def new_process(self) -> None:
        """Forget the parent's sockets after a fork, without saying good-bye on them."""
        self._lock = threading.Lock()
        self._single = self._cluster = None
        self.round_trips = 0
