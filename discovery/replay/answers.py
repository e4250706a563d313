"""An application's answer, kept until it is known that it is the last one; and ours."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class Answer:
    """What an application answered; nothing of it has left."""

    def __init__(self, application: WSGIApplication, environ: WSGIEnvironment) -> None:
        self.status = ""
        self._headers: list[tuple[str, str]] = []
        self._written: list[bytes] = []
        self._body: Iterable[bytes] = ()
        try:
            self._body = application(environ, self._start)
            if not self.status:
                # A generator, which says what it answers when it is asked for its first piece.
                # It may say so with an empty one, before a database is asked: wait for a real one.
                self._body = _Begun(self._body)
        except BaseException:
            self.drop()
            raise

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        self.status, self._headers = status, headers
        return self._written.append

    @property
    def code(self) -> int:
        """The status as a number."""
        return int(self.status.split(maxsplit=1)[0])

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Let it go; what is not yet produced is produced as it is fetched."""
        write = start_response(self.status, self._headers)
        for piece in self._written:
            write(piece)
        return self._body

    def drop(self) -> None:
        """Close it unsent; what its ending has to complain about is of no interest any more."""
        close = getattr(self._body, "close", None)
        if close is not None:
            with contextlib.suppress(Exception):
                close()


class _Begun:
    """A body whose first piece that is not empty was fetched already."""

    def __init__(self, body: Iterable[bytes]) -> None:
        self._source = body
        self._rest = iter(body)
        self._first = next((piece for piece in self._rest if piece), b"")

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        yield from self._rest

    def close(self) -> None:
        close: Any = getattr(self._source, "close", None)
        if close is not None:
            close()


def unavailable(start_response: StartResponse, retry_after_s: int, message: str) -> Iterable[bytes]:
    """503, as OpenStack's services word their errors, and when to come again."""
    title = "Service Unavailable"
    error = {"code": 503, "title": title, "message": message}
    body = json.dumps({"error": error}).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Retry-After", str(retry_after_s)),
    ]
    start_response(f"503 {title}", headers)
    return [body]
