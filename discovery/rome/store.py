"""Redis, one server or a cluster, as the rest of the driver sees it: requests that are tried again.

Every request here may be sent twice without harm (reads, id leases, and commits, which certify.lua
recognises), so that a dropped connection, a restarted server, a failover or a moved slot is waited
out for ``timeout`` seconds and the caller never hears of it.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import util
from typing import Any, TypeVar
from urllib.parse import quote

import redis
from redis.exceptions import AskError, InvalidResponse, NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from discovery.rome.answers import (
    NO_REDIS,
    TRANSIENT,
    absent,
    classified,
    perhaps_done,
    refusal,
)
from discovery.rome.connections import PROBE_S, client_of, context_of, is_busy
from discovery.rome.counters import sends
from discovery.rome.errors import ConnectionLost, InDoubt, InterfaceError, StoreRefused
from discovery.rome.keys import Keys
from discovery.rome.scripts import Script
from discovery.rome.servers import find, greet_one
from discovery.rome.settings import Address, Settings

OLDEST_SERVER = (7, 0)

ABSENT_S = 1.0
"""How long a process that has never reached this Redis tries one that does not listen."""

TRIES = 4
"""How often a Redis that says nothing is asked within ``timeout``: another one may stand in."""

_NUMBERS = re.compile(r"(\d+)\.(\d+)")

_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.5)

_NO_SETINFO: dict[str, Any] = (
    {"driver_info": None}
    if util.find_spec("redis.driver_info")
    else {"lib_name": None, "lib_version": None}
)
"""Two round trips less for a new connection: redis-py's name and version, which nobody asks for."""

T = TypeVar("T")
Client = Any
Argument = bytes | str | int | float
Command = Sequence[Argument]
Call = tuple[Script, list[str], list[Argument]]


class _TooFewError(RedisTimeoutError):
    """A commit is done, and not yet on as many replicas as the URL asks for."""


class _Request(threading.local):
    """Until when the calling thread's request is tried, by `time.monotonic`."""

    until = 0.0


class Store:
    """One database on Redis. Safe to share between threads; ``round_trips`` counts requests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keys = Keys(settings.database)
        self.round_trips = 0
        self.patience = max(settings.timeout / TRIES, min(settings.timeout, 1.0))
        self._met = False
        self._place: Address | None = None
        self._clients: dict[Address, redis.Redis] = {}
        self._lock = threading.Lock()
        self._request = _Request()
        if settings.files is not None:
            try:
                context_of(settings.files)
            except OSError as error:
                raise InterfaceError(
                    f"rome URL: ca={settings.ca}, cert={settings.cert}, key={settings.key}: "
                    f"{error.strerror or error}; files in PEM that can be read"
                ) from None

    def _options(self, patience: float | None = None) -> dict[str, Any]:
        """What every connection is made with; its name is what CLIENT LIST shows of it."""
        patience = self.patience if patience is None else patience
        return {
            "client_name": f"rome:{quote(self.settings.database)}:{os.getpid()}",
            **_NO_SETINFO,
            "username": self.settings.username,
            "password": self.settings.password,
            "protocol": 2,
            "socket_timeout": patience,
            "socket_connect_timeout": patience,
            "socket_keepalive": True,
        }

    def _client(self, deadline: float) -> tuple[Client, Address]:
        """A client of the server that holds this database now, and where that is."""
        if not self._lock.acquire(timeout=max(deadline - time.monotonic(), 0.001)):
            raise RedisTimeoutError("Timeout connecting to server")  # in another thread
        try:
            if not self._met:
                greet_one(self.settings, self.patience)
            if self._place is None:
                self._place = find(self.settings, self.keys.head, self._options())
            return self._client_at(self._place), self._place
        finally:
            self._lock.release()

    def _client_at(self, address: Address) -> Client:
        client = self._clients.get(address)
        if client is None:
            files = self.settings.files
            client = client_of(address, files, self._waits, self._left, **self._options())
            self._clients[address] = client
        return client

    def _forget_place(self, place: Address | None) -> None:
        """Ask the cluster or the Sentinels anew who has it, at the next request."""
        with self._lock:
            if self._place == place:
                self._place = None

    def _left(self) -> float:
        """How many seconds the calling thread's request is still tried for."""
        return self._request.until - time.monotonic()

    def _waits(self, address: Address, waiting: Any) -> bool:
        """Whether an answer from ``address`` may still come: the server is busy, not another's."""
        left = self._left()
        if left <= 0 or waiting is None:
            return False
        if self.settings.follows:
            try:
                place = find(self.settings, self.keys.head, self._options(min(PROBE_S, left)))
            except (redis.RedisError, OSError, StoreRefused):
                place = address
            if place != address:
                return False
        left = self._left()
        busy = left > 0 and is_busy(address, self.settings.files, waiting, left)
        return busy and self._left() > 0

    def request(
        self,
        send: Callable[[Client], T],
        *,
        in_doubt: Callable[[], bool] = lambda: False,
        patience: float | None = None,
    ) -> T:
        """``send`` with a client, again and again until it works or ``timeout`` has passed.

        ``patience`` is another time-out; one try may go on for longer than that. A Redis that was
        never reached, and where nobody listens, is given up after `ABSENT_S`.

        Raises:
            ConnectionLost: Redis could not be reached; `InDoubt` where ``in_doubt`` says that the
                request may have been executed all the same.
            StoreRefused: it answers, and says no.
        """
        begun = time.monotonic()
        tries = 0
        place: Address | None = None
        asked: AskError | None = None
        while True:
            limit = self.settings.timeout if patience is None else patience
            self._request.until = begun + limit
            try:
                self._count()
                if asked is None:
                    client, place = self._client(begun + limit)
                    reply = send(client)
                else:
                    reply = self._ask(asked, send)
                self._met = True
                return reply
            except (ResponseError, InvalidResponse, *TRANSIENT) as error:
                failure = classified(error)
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                # redis-py, of an answer that is not of Redis' protocol, or no answer to INFO
                if self._met:
                    raise
                failure = InvalidResponse(str(error))
            if asked is None and isinstance(failure, AskError):
                asked = failure
                continue
            said = refusal(failure, follows=self.settings.follows, prefix=self.keys.prefix)
            if said is not None and not in_doubt():
                where = f"redis at {self.settings.address}"
                raise StoreRefused(f"{where} {said} ({failure})") from without_traceback(failure)
            if not self._met and absent(failure):
                limit = min(limit, ABSENT_S)
            if said is not None or time.monotonic() - begun >= limit:
                raise self._lost(failure, limit, in_doubt()) from without_traceback(failure)
            asked = None
            self._forget_place(place)
            time.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1

    def _count(self) -> None:
        self.round_trips += 1
        sends()

    def _ask(self, error: AskError, send: Callable[[Client], T]) -> T:
        """The slot is on its way to another node, which takes this one request if it is asked."""
        address = (error.host, error.port)
        client = client_of(
            address, self.settings.files, self._waits, self._left, **self._options(), single=True
        )
        with client:
            client.execute_command("ASKING")
            return send(client)

    def _lost(self, error: Exception, limit: float, in_doubt: bool) -> ConnectionLost:
        lost = f"redis connection lost: {self.settings.address}"
        if isinstance(error, _TooFewError):
            return InDoubt(f"{lost} has the commit, and {error}; a failover may undo it")
        if in_doubt:
            return InDoubt(
                f"{lost} did not answer for {limit:g} s; whether the commit happened is not known "
                f"({error})"
            )
        return ConnectionLost(f"{lost} did not answer for {limit:g} s ({error})")

    def check_server(self) -> None:
        """Refuse a Redis that is too old, a replica, of another mode, or that drops keys.

        Raises:
            StoreRefused: with what was found.
        """
        info = self.request(lambda client: client.info())
        where = f"redis at {self.settings.address}"
        version = str(info.get("redis_version", "")) if isinstance(info, dict) else ""
        numbers = _NUMBERS.match(version)
        if numbers is None:
            raise StoreRefused(f"{where} {NO_REDIS} (INFO tells no redis_version)")
        if tuple(map(int, numbers.groups())) < OLDEST_SERVER:
            raise StoreRefused(f"{where} is version {version}; ROME needs 7.0 or newer")
        if info.get("cluster_enabled") and not self.settings.cluster:
            raise StoreRefused(f"{where} is a member of a cluster; add ?cluster=true to the URL")
        if info.get("role", "master") != "master":
            raise StoreRefused(f"{where} is a read-only replica; name its master in the URL")
        forgetful = self.forgets(info)
        if forgetful is not None:
            raise forgetful

    def forgets(self, info: Mapping[str, Any]) -> StoreRefused | None:
        """What to say of a Redis that throws keys of ROME's away when it is full."""
        policy = str(info.get("maxmemory_policy", "noeviction"))
        if not info.get("maxmemory") or not policy.startswith("allkeys"):
            return None
        return StoreRefused(
            f"redis at {self.settings.address} throws keys away when it is full (maxmemory-policy "
            f"{policy}); set noeviction there"
        )

    def run(
        self,
        script: Script,
        keys: list[str],
        arguments: list[Argument],
        *,
        commit: bool = False,
        patience: float | None = None,
    ) -> Any:
        """One script, in one round trip (two the first time a server sees it).

        With ``commit`` and ``wait`` in the settings, the reply is held back until that many
        replicas have acknowledged it; one that comes without them raises `InDoubt`. So does a
        commit that was sent twice when the log no longer reaches back to what it read: had the
        first been accepted, the log might have forgotten that, too.
        """
        wait = self.settings.wait if commit else 0
        unsure = False

        def send(client: Client) -> Any:
            nonlocal unsure
            try:
                try:
                    return self._evaluate(client, script, keys, arguments, wait)
                except NoScriptError:
                    self._count()
                    client.script_load(script.text)
                    return self._evaluate(client, script, keys, arguments, wait)
            except (ResponseError, *TRANSIENT) as error:
                unsure = unsure or perhaps_done(classified(error))
                raise

        reply = self.request(send, in_doubt=lambda: commit and unsure, patience=patience)
        if commit and unsure and reply[0] == b"BEHIND":
            raise InDoubt(
                f"redis connection lost: {self.settings.address} was away for longer than its log "
                "reaches back; whether the commit happened is not known"
            )
        if commit and unsure and reply[0] == b"LOST":
            raise InDoubt(
                f"redis connection lost: {self.settings.address} was away, and lacks keys of the "
                "database; whether the commit happened is not known"
            )
        return reply

    def run_all(self, calls: Sequence[Call]) -> list[Any]:
        """Several scripts, one after the other, in one round trip; others may come between them."""

        def send(client: Client) -> list[Any]:
            try:
                return _evaluate_all(client, calls)
            except NoScriptError:
                for script, _, _ in calls:
                    self._count()
                    client.script_load(script.text)
                return _evaluate_all(client, calls)

        return self.request(send)

    def _evaluate(
        self, client: Client, script: Script, keys: list[str], arguments: list[Argument], wait: int
    ) -> Any:
        command = ["EVALSHA", script.sha, len(keys), *keys, *arguments]
        if not wait:
            return client.ask(*command)
        with client.pipeline(transaction=False) as pipeline:
            pipeline.execute_command(*command)
            pipeline.execute_command("WAIT", wait, int(self.patience * 800))
            reply, acknowledged = pipeline.execute()
        if reply[0] == b"OK" and acknowledged < wait:
            raise _TooFewError(
                f"{acknowledged} of the {wait} replicas that wait={wait} asks for have it"
            )
        return reply

    def at_once(self, commands: Sequence[Command], *, script: Script | None = None) -> list[Any]:
        """The answers to several commands, all as of one moment, in one round trip.

        They may be sent twice, as every request. ``script`` is one that they call.
        """

        def send(client: Client) -> list[Any]:
            with client.pipeline(transaction=True) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                replies: list[Any] = pipeline.execute()
            return replies

        def send_known(client: Client) -> list[Any]:
            try:
                return send(client)
            except NoScriptError:
                if script is None:
                    raise
                self._count()
                client.script_load(script.text)
                return send(client)

        return self.request(send_known)

    def __enter__(self) -> Store:  # noqa: D105
        return self

    def __exit__(self, *_: object) -> None:  # noqa: D105
        self.close()

    def close(self) -> None:
        """Close every socket."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients, self._place = {}, None

    def new_process(self) -> None:
        """Forget the parent's sockets after a fork, without saying good-bye on them."""
        self._lock = threading.Lock()
        self._request = _Request()
        self._clients, self._place = {}, None
        self.round_trips = 0


def _evaluate_all(client: Client, calls: Sequence[Call]) -> list[Any]:
    with client.pipeline(transaction=False) as pipeline:
        for script, keys, arguments in calls:
            pipeline.execute_command("EVALSHA", script.sha, len(keys), *keys, *arguments)
        replies: list[Any] = pipeline.execute()
    return replies


def mapping(reply: Any) -> dict[bytes, bytes]:
    """HGETALL's answer, or an entry's fields, in either form that redis-py gives it."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))


def without_traceback(error: BaseException) -> BaseException:
    """``error`` and its causes, without redis-py's frames, which hold passwords."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
