"""A small TCP proxy that loses connections where a test wants them lost."""

import contextlib
import selectors
import socket
import threading

HOST = "127.0.0.1"


class Proxy:
    """``port`` leads to ``target``, a port of loopback that may be changed at any time.

    ``plan`` is asked for each piece that the server sends, and says what happens to it: None lets
    it pass, a number cuts the connection after that many bytes of it. The server has then done
    what it was asked, and the client does not know. ``plan_requests`` does so for what clients
    send.
    """

    def __init__(self, target, plan=None, plan_requests=None):
        self.target = target
        self.plan = plan or (lambda data: None)
        self.plan_requests = plan_requests or (lambda data: None)
        self.cuts = 0
        self.open = True
        self._pairs = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if not self.open:
                    raise OSError("closed for now")
                server = socket.create_connection((HOST, self.target))
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.add((client, server))
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client, server):
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            selector.register(client, selectors.EVENT_READ)
            selector.register(server, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    source = key.fileobj
                    data = source.recv(1 << 16)
                    if not data:
                        raise OSError("closed")
                    cut = (self.plan if source is server else self.plan_requests)(data)
                    (client if source is server else server).sendall(data[:cut])
                    if cut is not None:
                        self.cuts += 1
                        raise OSError("cut")
        self._drop(client, server)

    def _drop(self, client, server):
        with self._lock:
            self._pairs.discard((client, server))
        for one in (client, server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def lead_to(self, target):
        """New connections go to another port; the ones that there are end."""
        self.target = target
        self.cut()

    def cut(self):
        """End every connection now."""
        with self._lock:
            pairs = list(self._pairs)
        for client, server in pairs:
            for one in (client, server):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def block(self):
        """Cut, and take no connection until `unblock`: a partition."""
        self.open = False
        self.cut()

    def unblock(self):
        self.open = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        self.cut()
