"""Connections to Redis: through TLS or a unix socket, and patient with a server that is busy.

A request that has no answer yet is not sent again while Redis still works on it, or on somebody
else's: Redis would do it twice, and hold both in its memory. A server that is busy answers nobody,
or `BUSY`; one that answers a PING has nothing of ours any more, and is asked again.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from discovery.rome.settings import Address, Tls

PROBE_S = 1.0
"""How long a server that is not busy may take to answer a PING."""

GRACE_S = 0.2
"""How much later than that the answer to the request itself may come."""

LONGEST_GREETING = 512
"""Bytes of an answer to PING; one that is longer is not of Redis."""

WITHOUT_A_WORD = "it closes the connection without a word"

MOST_CONNECTIONS = 10_000

LARGE = 1_000_000
"""Bytes of a request that may take longer to be sent than an answer takes to come."""

SOUND_S = 1.0
"""A connection that has answered so lately is used without asking the system whether it is shut."""

_PING = b"*1\r\n$4\r\nPING\r\n"
_ALERT = b"\x15\x03"


class EncryptedAnswerError(InvalidResponse):
    """A server wants TLS, and has not got it."""


class PlainAnswerError(InvalidResponse):
    """A server speaks no TLS, and was spoken to with it."""


Waits = Callable[[Address, Any], bool]
"""Whether to wait on for an answer from this address, which is to come on this socket."""

Left = Callable[[], float]
"""For how many seconds the calling thread's request is still tried."""


class _Patient:
    """A connection that asks, when its time is up, whether to wait on."""

    def __init__(self, *, waits: Waits, left: Left, address: Address, **options: Any) -> None:
        self._waits = waits
        self._left = left
        self._address = address
        self.answered = 0.0
        """When its last answer came, by `time.monotonic`."""
        super().__init__(**options)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send a request; a large one may take as long as it is tried for, as one piece."""
        parent: Any = super()
        connection: Any = self
        size = len(command) if isinstance(command, str | bytes) else sum(map(len, command))
        if size < LARGE:
            parent.send_packed_command(command, check_health)
            return
        if connection._sock is None:
            connection.connect()
        usual = connection._sock.gettimeout()
        connection._sock.settimeout(max(usual or 0.0, self._left()))
        try:
            parent.send_packed_command(command, check_health)
        finally:
            if connection._sock is not None:  # it is closed when that fails
                connection._sock.settimeout(usual)

    def read_response(
        self, *arguments: Any, disconnect_on_error: bool = True, **options: Any
    ) -> Any:
        """The answer; it is begun to be read again where it was not whole in time."""
        parent: Any = super()
        connection: Any = self
        while True:
            try:
                answer = parent.read_response(*arguments, disconnect_on_error=False, **options)
                self.answered = time.monotonic()
                return answer
            except ResponseError:  # an answer
                raise
            except RedisTimeoutError:
                if not self._waits(self._address, connection._sock):
                    if disconnect_on_error:
                        connection.disconnect()
                    raise
            except BaseException:
                if disconnect_on_error:
                    connection.disconnect()
                raise


class _Plain(_Patient, Connection):
    pass


class _Encrypted(_Patient, SSLConnection):
    pass


class _Local(_Patient, UnixDomainSocketConnection):
    pass


class _Pool(ConnectionPool):
    """redis-py's, which also gives the connection that was used last with less ado."""

    def take(self) -> Any:
        """A connection that is sound for all that is known; None where only redis-py can tell."""
        with self._lock:
            idle = self._available_connections
            if not idle or time.monotonic() - idle[-1].answered > SOUND_S:
                return None
            connection = idle.pop()
            self._in_use_connections.add(connection)
            return connection

    def give(self, connection: Any) -> None:
        """It may be used again."""
        with self._lock:
            self._in_use_connections.discard(connection)
            self._available_connections.append(connection)


class Client(redis.Redis):
    """redis-py's, which never sends a request twice, and has a short way for the frequent ones."""

    def ask(self, *command: bytes | str | int | float) -> Any:
        """What Redis answers to a command, as it is: bytes, whole numbers, lists, None.

        redis-py takes as long for its callbacks, metrics and packing as SQLite for a transaction.
        """
        long_way: Any = self.execute_command
        pool: Any = self.connection_pool
        small = sum(len(part) for part in command if isinstance(part, bytes)) < LARGE
        connection = pool.take() if small else None
        if connection is None:
            return long_way(*command)
        try:
            connection.send_packed_command([packed(command)], check_health=False)
            return connection.read_response()
        except ResponseError:  # an answer
            raise
        except BaseException:  # between the two, or the next request would be given this answer
            connection.disconnect()
            raise
        finally:
            pool.give(connection)


def packed(command: Sequence[bytes | str | int | float]) -> bytes:
    """A command as it is sent."""
    pieces = [b"*%d\r\n" % len(command)]
    for part in command:
        piece = part if type(part) is bytes else str(part).encode()
        pieces.append(b"$%d\r\n%b\r\n" % (len(piece), piece))
    return b"".join(pieces)


def _never(address: Address, waiting: Any) -> bool:
    return False


def _nothing() -> float:
    return 0.0


def client_of(
    address: Address,
    tls: Tls | None,
    waits: Waits = _never,
    left: Left = _nothing,
    *,
    single: bool = False,
    **options: Any,
) -> Client:
    """A client of the server at ``address`` that never sends a request twice by itself.

    ``single``: with one connection, for requests that belong together.
    """
    kind: type[Any] = _Plain
    where: dict[str, Any] = {}
    if isinstance(address, str):
        kind, where = _Local, {"path": address}
        for unknown in ("socket_keepalive", "socket_connect_timeout"):
            options.pop(unknown, None)
    else:
        where = {"host": address[0], "port": address[1]}
        if tls is not None:
            kind = _Encrypted
            where.update(tls_options(tls))
    pool = _Pool(
        connection_class=kind,
        max_connections=MOST_CONNECTIONS,
        retry=Retry(NoBackoff(), 0),
        waits=waits,
        left=left,
        address=address,
        **where,
        **options,
    )
    client = Client(connection_pool=pool, single_connection_client=single)
    client.auto_close_connection_pool = True
    return client


def tls_options(tls: Tls) -> dict[str, Any]:
    """What redis-py calls them."""
    return {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": tls.ca,
        "ssl_certfile": tls.cert,
        "ssl_keyfile": tls.key,
    }


def context_of(tls: Tls) -> ssl.SSLContext:
    """What wraps a socket: the server's certificate and name are verified.

    Raises:
        OSError: a file cannot be read, or is not what it should be.
    """
    context = ssl.create_default_context(cafile=tls.ca)
    if tls.cert is not None:
        context.load_cert_chain(tls.cert, tls.key)
    return context


def _connected(address: Address, seconds: float) -> socket.socket:
    if not isinstance(address, str):
        return socket.create_connection(address, seconds)
    made = socket.socket(socket.AF_UNIX)
    try:
        made.settimeout(seconds)
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made


def _wrapped(plain: socket.socket, address: Address, tls: Tls | None) -> socket.socket:
    if tls is None or isinstance(address, str):
        return plain
    return context_of(tls).wrap_socket(plain, server_hostname=address[0])


def greet(address: Address, tls: Tls | None, seconds: float) -> None:
    """Ask whoever listens there for a PONG, before anything of it is believed.

    redis-py would read without an end what has none.

    Raises:
        InvalidResponse: the answer is not one of Redis, or speaks TLS where we do not, or not.
        RedisConnectionError: the connection was closed without one.
        OSError: there is none, or it takes longer.
    """
    try:
        said = _answer(address, tls, seconds)
    except OSError:
        if tls is not None and _is_plain(address, seconds):
            raise PlainAnswerError("it answers a plain PING") from None
        raise
    if said.startswith(_ALERT):
        raise EncryptedAnswerError("it answers with an alert of TLS")
    if not said:
        raise RedisConnectionError(WITHOUT_A_WORD)
    if said[:1] not in b"+-" or b"\r\n" not in said:
        raise InvalidResponse(f"Protocol Error: {said[:40]!r}")


def _is_plain(address: Address, seconds: float) -> bool:
    try:
        return _answer(address, None, min(seconds, PROBE_S)).startswith((b"+PONG", b"-"))
    except OSError:
        return False


def _answer(address: Address, tls: Tls | None, seconds: float) -> bytes:
    """The first line that PING is answered with, or as much of it as Redis would say."""
    until = time.monotonic() + seconds
    said = b""
    with _connected(address, seconds) as plain, _wrapped(plain, address, tls) as peer:
        peer.sendall(_PING)
        while b"\n" not in said and len(said) < LONGEST_GREETING and said[:1] in b"+-":
            peer.settimeout(max(until - time.monotonic(), 0.001))
            try:
                more = peer.recv(LONGEST_GREETING)
            except ConnectionResetError:
                more = b""
            if not more:
                break
            said += more
    return said


def is_busy(address: Address, tls: Tls | None, waiting: socket.socket, seconds: float) -> bool:
    """Whether the server takes connections and says nothing else; or the answer is there now.

    ``waiting``: the socket that a request's answer is to come on.
    """
    seconds = min(PROBE_S, seconds)
    try:
        with _connected(address, seconds) as plain:
            try:
                with _wrapped(plain, address, tls) as peer:
                    peer.sendall(_PING)
                    said = peer.recv(LONGEST_GREETING)
            except TimeoutError:
                return True
        return said.startswith(b"-BUSY") or _is_readable(waiting)
    except (OSError, ValueError):  # nobody is there any more
        return False


def _is_readable(waiting: socket.socket) -> bool:
    with selectors.DefaultSelector() as ready:
        ready.register(waiting, selectors.EVENT_READ)
        return bool(ready.select(GRACE_S))
