"""A TCP address that stays while the way behind it is slow, silent or cut, or leads elsewhere."""

import contextlib
import random
import socket
import threading
import time

HOST = "127.0.0.1"
AMOUNT = 1 << 16
SOON_S = 0.005


def _pass(data):
    return None


class Proxy:
    """``port`` leads to ``target``, a port of loopback; the fields may be changed at any time.

    ``plan`` is asked for each piece that the server sends, and says what happens to it: None lets
    it pass, a number cuts the connection after that many bytes of it. The server has then done
    what it was asked, and the client does not know. ``plan_requests`` does so for what clients
    send. ``delay_ms`` is the longest delay of a piece, each way. ``silent``: connections are taken
    and stay, and nothing comes through. ``blocked``: they are taken and end at once.
    """

    def __init__(self, target, plan=_pass, plan_requests=_pass):
        self.target = target
        self.plan = plan
        self.plan_requests = plan_requests
        self.delay_ms = 0.0
        self.silent = False
        self.cuts = 0
        self.blocked = False
        self._rng = random.Random(target)
        self._pairs = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, contextlib.suppress(OSError):
            self._wait_out_silence()
            with socket.create_connection((HOST, self.target)) as server:
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    if self.blocked:
                        return
                    self._pairs.add((client, server))
                back = threading.Thread(target=self._pump, args=(server, client, True), daemon=True)
                back.start()
                self._pump(client, server, False)
                back.join()
                with self._lock:
                    self._pairs.discard((client, server))

    def _pump(self, source, sink, from_server):
        with contextlib.suppress(OSError):
            while data := source.recv(AMOUNT):
                if self.delay_ms:
                    time.sleep(self._rng.random() * self.delay_ms / 1000)
                self._wait_out_silence()
                kept = (self.plan if from_server else self.plan_requests)(data)
                sink.sendall(data[:kept])
                if kept is not None:
                    with self._lock:
                        self.cuts += 1
                    break
        _end((source, sink))

    def _wait_out_silence(self):
        while self.silent:
            time.sleep(SOON_S)

    def lead_to(self, target):
        """New connections go to another port; the ones that there are end."""
        self.target = target
        self.cut()

    def cut(self):
        """End every connection now; what is on its way in them is lost."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            _end(pair)

    def block(self):
        """Cut, and take no connection until `unblock`: a partition."""
        with self._lock:
            self.blocked = True
        self.cut()

    def unblock(self):
        """Take connections again."""
        with self._lock:
            self.blocked = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        self.silent = False
        self.block()


def _end(pair):
    for one in pair:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
