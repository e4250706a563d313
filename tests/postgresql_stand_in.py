"""A host that speaks just enough of PostgreSQL's protocol to refuse, or leads to a real server.

with StandIn(Says("57P01", "try another node")) as host: connect(port=host.port)
"""

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass

HOST = "127.0.0.1"
_ENCRYPTIONS = {80877103, 80877104}  # SSLRequest and GSSENCRequest; their answer is N, "no"


@dataclass(frozen=True)
class Says:
    """An ErrorResponse to a client's first message."""

    state: str
    text: str
    severity: str = "FATAL"

    def message(self):
        fields = {"S": self.severity, "V": self.severity, "C": self.state, "M": self.text}
        body = "".join(f"{name}{value}\0" for name, value in fields.items()).encode() + b"\0"
        return b"E" + struct.pack("!I", len(body) + 4) + body


SILENT, CLOSES, REFUSES, LEADS = "silent", "closes", "refuses", "leads"


class StandIn:
    """One host. ``does``: what it does to a client, which may be changed at any time.

    :class:`Says` answers so; ``SILENT`` reads and says nothing; ``CLOSES`` takes a connection and
    ends it; ``LEADS`` to the port ``leads_to``, after ``wait_s``; ``REFUSES`` listens no more.
    ``met`` counts the clients that came.
    """

    def __init__(self, does, leads_to=None, wait_s=0.0):
        self.does, self.leads_to, self.wait_s = does, leads_to, wait_s
        self.met = 0
        self._open = []
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        if does == REFUSES:
            self._stop_listening()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.met += 1
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError, struct.error):
            if self.does == CLOSES:
                self._end(client)
                return
            first = self._startup(client)
            if self.does == LEADS:
                time.sleep(self.wait_s)
                server = socket.create_connection((HOST, self.leads_to))
                self._open.append(server)
                server.sendall(first)
                threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
                self._pump(client, server)
            elif isinstance(self.does, Says):
                client.sendall(self.does.message())
                self._end(client)

    @staticmethod
    def _startup(client):
        """A client's first message; that it asks for encryption before is declined."""
        while True:
            head = client.recv(4, socket.MSG_WAITALL)
            body = client.recv(struct.unpack("!I", head)[0] - 4, socket.MSG_WAITALL)
            if struct.unpack("!I", body[:4])[0] not in _ENCRYPTIONS:
                return head + body
            client.sendall(b"N")

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        self._end(source)
        self._end(sink)

    @staticmethod
    def _end(one):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()

    def becomes(self, does):
        """From now on it does this; the connections that there are end."""
        self.does = does
        self.cut()

    def cut(self):
        """End every connection."""
        while self._open:
            self._end(self._open.pop())

    def _stop_listening(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop_listening()
        self.cut()
