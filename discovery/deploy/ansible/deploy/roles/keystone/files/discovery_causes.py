"""Errors that a service's database gave, told in its journal with the request that met each.

A client sees little of them: a conflict that nobody retries ends in a connection that is closed
without an answer. A line is ``discovery-cause: {"request": the client's X-OpenStack-Request-ID,
"class": the DB-API's exception, "state": SQLSTATE, the server's error number, or null}``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

MARK = "discovery-cause: "

_request: ContextVar[str | None] = ContextVar("request", default=None)

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Causes:
    """A WSGI layer that knows which request is at work when the database says no."""

    def __init__(self, application: Application) -> None:
        self._application = application
        if not event.contains(Engine, "handle_error", _tell):
            event.listen(Engine, "handle_error", _tell)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Pass the request on."""
        token = _request.set(environ.get("HTTP_X_OPENSTACK_REQUEST_ID"))
        try:
            return self._application(environ, start_response)
        finally:
            _request.reset(token)


def _tell(context: ExceptionContext) -> None:
    request, error = _request.get(), context.original_exception
    if request is None:
        return
    said = {"request": request, "class": type(error).__name__, "state": _state(error)}
    print(MARK + json.dumps(said), file=sys.stderr, flush=True)


def _state(error: BaseException) -> str | None:
    """SQLSTATE as psycopg2 has it; PyMySQL keeps the server's own number alone."""
    state = getattr(error, "pgcode", None)
    if state is None and error.args and isinstance(error.args[0], int):
        state = error.args[0]
    return None if state is None else str(state)
