"""The WSGI layer: a request is run, judged by what it did, and perhaps run again.

It is run again if a conflict or a lost connection is why it failed, and nothing that it wrote may
be committed. Why it failed is taken from what was observed: services catch such errors themselves
and answer 500, or something else. What ends well is never run again, whatever it met on its way.
"""

from __future__ import annotations

import collections
import enum
import io
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from discovery.replay import observation as observing
from discovery.replay import settings as reading
from discovery.replay.answers import Answer, unavailable
from discovery.replay.counters import Counters, template
from discovery.replay.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NOTHING_DONE = (
    "The database could not take this request, however often it was tried. Nothing of it was done: "
    "it can be sent again."
)
PERHAPS_DONE = (
    "The database failed during this request, and some or all of it may have been done: look "
    "before you send it again."
)


class Outcome(enum.Enum):
    """How a request ended that met an error of the database."""

    OK = "ok"
    GAVE_UP = "gave up"
    COMMITTED = "not replayable: committed"
    BODY = "not replayable: body"
    OFF = "replay is off"


class _Try:
    """One run of the application: its answer, or what it raised, and what was observed."""

    def __init__(self, application: WSGIApplication, environ: WSGIEnvironment) -> None:
        self.answer: Answer | None = None
        self.error: Exception | None = None
        with observing.observed() as self.seen:
            try:
                self.answer = Answer(application, environ)
            except Exception as error:
                self.error = error

    def failed_by_database(self) -> bool:
        """Whether a conflict or a lost connection is why it ended as it did.

        An answer that puts it on the client (4xx) may be right, although there was such an error:
        the service may have tried again itself. It is wrong where it came straight after it.
        """
        if self.answer is None or self.answer.code >= 500:
            return self.seen.troubled()
        return self.answer.code >= 400 and self.seen.turned_away()

    def blames_client(self) -> bool:
        """Whether there is an answer that is better than 503."""
        return self.answer is not None and self.answer.code < 500


class Replay:
    """A WSGI application around another one."""

    def __init__(
        self,
        application: WSGIApplication,
        settings: Settings | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._application = application
        self.settings = reading.read(os.environ) if settings is None else settings
        self.counters = Counters(self.settings.counters)
        self._sleep = sleep
        observing.observe_engines()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request; one that comes through another such layer is left to that one."""
        if observing.under_observation():
            return self._application(environ, start_response)
        body = self._body(environ) if self.settings.enabled else None
        errors: collections.Counter[str] = collections.Counter()
        began = last = time.monotonic()
        failures = 0
        while True:
            done = _Try(self._application, _again(environ, body))
            errors += done.seen.errors()
            outcome = self._outcome(done, failures + 1, body)
            if outcome is not None:
                break
            failures += 1
            if done.answer is not None:
                done.answer.drop()
            self._pause(self.settings.backoff.wait(failures))
            last = time.monotonic()
        lost_s = (last if outcome is Outcome.OK else time.monotonic()) - began
        self._count(environ, outcome, failures, lost_s, errors)
        return self._answer(done, outcome, start_response)

    def _body(self, environ: WSGIEnvironment) -> bytes | None:
        """The request's body, if it is known to be small enough to be kept."""
        if environ.get("HTTP_TRANSFER_ENCODING"):
            return None
        text = environ.get("CONTENT_LENGTH") or "0"
        if not text.isdecimal() or int(text) > self.settings.body:
            return None
        return environ["wsgi.input"].read(int(text)) if int(text) else b""

    def _outcome(self, done: _Try, tries: int, body: bytes | None) -> Outcome | None:
        """How it has ended, if it has; None if it is to be run again."""
        if not done.failed_by_database():
            return Outcome.OK
        if not self.settings.enabled:
            return Outcome.OFF
        if done.seen.may_be_committed():
            return Outcome.COMMITTED
        if body is None:
            return Outcome.BODY
        return Outcome.GAVE_UP if tries >= self.settings.tries else None

    def _pause(self, seconds: float) -> None:
        """time.sleep, as it is now: eventlet puts its own there after this module was loaded."""
        (self._sleep or time.sleep)(seconds)

    def _count(
        self,
        environ: WSGIEnvironment,
        outcome: Outcome,
        replays: int,
        lost_s: float,
        errors: Mapping[str, int],
    ) -> None:
        if not errors:
            self.counters.request()
            return
        line: dict[str, Any] = {
            "time": round(time.time(), 3),
            "method": environ.get("REQUEST_METHOD", "")[:20],
            "path": template(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")),
            "outcome": outcome.value,
            "replays": replays,
            "lost_s": round(lost_s, 6),
            "errors": dict(errors),
        }
        self.counters.request(
            line,
            replays=replays,
            recovered=int(outcome is Outcome.OK and replays > 0),
            gave_up=int(outcome in {Outcome.GAVE_UP, Outcome.BODY}),
            committed=int(outcome is Outcome.COMMITTED),
        )

    def _answer(
        self, done: _Try, outcome: Outcome, start_response: StartResponse
    ) -> Iterable[bytes]:
        if outcome in {Outcome.OK, Outcome.OFF} or done.blames_client():
            if done.answer is None:
                assert done.error is not None
                raise done.error
            return done.answer.send(start_response)
        if done.answer is not None:
            done.answer.drop()
        message = PERHAPS_DONE if done.seen.may_be_committed() else NOTHING_DONE
        after_s = max(1, math.ceil(self.settings.backoff.cap_s))
        return unavailable(start_response, after_s, message)


def _again(environ: WSGIEnvironment, body: bytes | None) -> WSGIEnvironment:
    """The environment as it came: applications keep what they find out in theirs."""
    if body is None:
        return environ
    return {**environ, "wsgi.input": io.BytesIO(body)}


def filter_factory(
    global_conf: Mapping[str, str], **options: str
) -> Callable[[WSGIApplication], Replay]:
    """For paste's pipelines, first in them: ``paste.filter_factory = discovery.replay.…``."""
    settings = reading.read(os.environ, options)
    return lambda application: Replay(application, settings)
