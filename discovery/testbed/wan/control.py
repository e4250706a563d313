"""The forwarder's control socket: one JSON object a line, one answer a line.

Both ends are here; standard library only. Paths of Unix sockets are limited to 107 bytes, so both
reach the socket through a descriptor of its folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# An answer is sent in one go, so that a client that does not read cannot stop the WAN: a status
# of 99 sites is 2 MB.
SEND_BUFFER = 8 * 1024 * 1024
LONGEST_REQUEST = 4 * 1024 * 1024
SO_SNDBUFFORCE = 32

Message = dict[str, Any]


@contextlib.contextmanager
def _short_path(folder: Path, name: str) -> Iterator[str]:
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{name}"
    finally:
        os.close(handle)


def request(folder: Path, name: str, message: Message, seconds: float = 5.0) -> Message:
    """Sends ``message`` to the socket ``name`` in ``folder``; the answer.

    Raises OSError if nobody answers within ``seconds``.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(seconds)
        with _short_path(folder, name) as path:
            client.connect(path)
        client.sendall(json.dumps(message).encode() + b"\n")
        received = bytearray()
        while not received.endswith(b"\n"):
            part = client.recv(1 << 20)
            if not part:
                raise ConnectionError("the forwarder closed the connection")
            received += part
    answer: Message = json.loads(received)
    return answer


class ControlServer:
    """Serves requests from within the forwarder's loop, never waiting for a client."""

    def __init__(self, folder: Path, name: str, handle: Callable[[Message], Message]) -> None:
        self._path = folder / name
        self._handle = handle
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}
        self._poller: select.epoll | None = None
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.setblocking(False)
        self._path.unlink(missing_ok=True)
        with _short_path(folder, name) as path:
            self._server.bind(path)
        self._path.chmod(0o600)
        self._server.listen(8)

    def register(self, poller: select.epoll) -> None:
        """Has ``poller`` watch the socket and its clients."""
        self._poller = poller
        poller.register(self._server.fileno(), select.EPOLLIN)

    def serve(self, fd: int) -> None:
        """Does what is ready on ``fd``: takes a client in, or reads from one and answers."""
        if fd == self._server.fileno():
            self._accept()
        elif fd in self._clients:
            client, received = self._clients[fd]
            try:
                part = client.recv(1 << 20)
                received += part
                if not part or len(received) > LONGEST_REQUEST:
                    self._drop(fd)
                    return
                while (end := received.find(b"\n")) >= 0:
                    line = bytes(received[:end])
                    del received[: end + 1]
                    reply = json.dumps(self._reply(line)).encode() + b"\n"
                    if client.send(reply) < len(reply):
                        self._drop(fd)
                        return
            except BlockingIOError:
                return
            except OSError:
                self._drop(fd)

    def close(self) -> None:
        """Removes the socket."""
        for fd in list(self._clients):
            self._drop(fd)
        self._server.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            client, _ = self._server.accept()
        except OSError:
            return
        client.setblocking(False)
        with contextlib.suppress(PermissionError):
            client.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER)
        self._clients[client.fileno()] = (client, bytearray())
        if self._poller is not None:
            self._poller.register(client.fileno(), select.EPOLLIN)

    def _drop(self, fd: int) -> None:
        client, _ = self._clients.pop(fd)
        client.close()

    def _reply(self, line: bytes) -> Message:
        try:
            message = json.loads(line)
            if not isinstance(message, dict):
                raise ValueError("a request is a JSON object")
            return {"ok": True, **self._handle(message)}
        except (ValueError, KeyError, TypeError) as error:
            return {"ok": False, "error": str(error)}
