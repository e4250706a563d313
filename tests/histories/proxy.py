"""A TCP address that stays while what is behind it is slow, silent, cut off, or another server."""

import contextlib
import random
import socket
import threading
import time

HOST = "127.0.0.1"
AMOUNT = 65536


class Proxy:
    """Forwards to ``target`` (a port); the fields may be changed at any time.

    ``delay_ms``: the longest delay of what is forwarded, each way. ``silent``: connections are
    taken and stay, and nothing comes through.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay_ms = 0.0
        self.silent = False
        self._rng = random.Random(target)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self._listener.settimeout(0.2)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:  # nobody came in time, or it is closed
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(None)
        while self.silent and not self._closed:
            time.sleep(0.01)
        try:
            server = socket.create_connection((HOST, self.target), timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        pair = (client, server)
        for end in pair:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.update(pair)
        back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
        back.start()
        self._pump(client, server)
        back.join()
        with self._lock:
            self._open.difference_update(pair)
        for end in pair:
            end.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(AMOUNT):
                if self.delay_ms:
                    time.sleep(self._rng.random() * self.delay_ms / 1000)
                while self.silent:
                    time.sleep(0.005)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Reset every connection; what is on its way in them is lost."""
        with self._lock:
            ends = list(self._open)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it."""
        self._closed = True
        self.silent = False
        self._listener.close()
        self.cut()
        self._thread.join()
