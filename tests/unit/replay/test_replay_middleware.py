"""Requests whose database fails at any point: nothing is done twice, nothing told is lost."""

import contextlib
import io
import json
import wsgiref.util
import wsgiref.validate

import pytest
import sqlalchemy as sa
from faulty_database import database
from hypothesis import given
from hypothesis import strategies as st

from discovery.replay.backoff import Backoff
from discovery.replay.middleware import Replay, filter_factory
from discovery.replay.settings import Settings


class Application:
    """``transactions``: how many; each inserts a mark of its own, once for each ``statement``.

    ``catches``: what becomes of an error: raised, answered with a status, tried again inside, or
    left alone as if it were nothing.
    """

    def __init__(self, db, transactions=1, statements=1, catches="raise"):
        self.db, self.transactions, self.statements = db, transactions, statements
        self.catches = catches
        self.runs = 0
        self.bodies = []

    def __call__(self, environ, start_response):
        self.runs += 1
        length = int(environ.get("CONTENT_LENGTH") or 0)
        self.bodies.append(environ["wsgi.input"].read(length))
        environ["left.behind"] = environ.get("left.behind", 0) + 1
        assert environ["left.behind"] == 1, "each run has the environment as it came"
        status = "201 Created"
        for number in range(self.transactions):
            try:
                self._transaction(number)
            except sa.exc.DBAPIError:
                if self.catches == "raise":
                    raise
                if self.catches == "again":
                    with contextlib.suppress(sa.exc.DBAPIError):
                        self._transaction(number)
                        continue
                    status = "500 Internal Server Error"
                    break
                if self.catches != "nothing":
                    status = self.catches
                    break
        body = json.dumps({"run": self.runs}).encode()
        start_response(
            status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        )
        return [body]

    def _transaction(self, number):
        with self.db.engine.begin() as connection:
            connection.execute(sa.text("SELECT * FROM marks"))
            for _ in range(self.statements):
                connection.execute(sa.text("INSERT INTO marks VALUES (:m)"), {"m": str(number)})


def ask(application, body=b"", **environ):
    """One request through a WSGI server that minds the rules; status, headers, body."""
    given = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "QUERY_STRING": ""}
    given |= environ
    wsgiref.util.setup_testing_defaults(given)
    given["REQUEST_METHOD"] = "POST"
    if body:
        given.setdefault("CONTENT_TYPE", "text/plain")
    said = []
    answer = wsgiref.validate.validator(application)(
        given, lambda *a: said.append(a) or said.append
    )
    try:
        content = b"".join(answer)
    finally:
        answer.close()
    return int(said[0][0].split()[0]), dict(said[0][1]), content


def replay(application, **settings):
    settings = {"tries": 5, "backoff": Backoff(0.0, 0.0), **settings}
    return Replay(application, Settings(**settings))


@pytest.fixture
def db():
    with database() as made:
        yield made


ANYTHING = ["raise", "500 Internal Server Error", "409 Conflict", "401 Unauthorized"]
CATCHES = [*ANYTHING, "again", "nothing"]
FAULTS = ["conflict", "lost", "lost after", "broken after", "unknown after", "refused"]


@given(
    transactions=st.integers(1, 3),
    statements=st.integers(1, 2),
    catches=st.sampled_from(CATCHES),
    faults=st.dictionaries(st.integers(0, 24), st.sampled_from(FAULTS), max_size=6),
    autocommit=st.booleans(),
)
def test_never_twice(transactions, statements, catches, faults, autocommit):
    options = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
    with database(**options) as db:
        db.faults = dict(faults)
        application = Application(db, transactions, statements, catches)
        try:
            status, _, _ = ask(replay(application))
        except sa.exc.DBAPIError:
            status = 500
        marks = db.marks()
    every = {str(number) for number in range(transactions)}
    once = {mark: marks.count(mark) for mark in marks}
    # An application that tries again itself may do so after a lost COMMIT: its own doing.
    if catches != "again":
        assert all(times <= statements for times in once.values()), (status, application.runs)
    if status == 201 and catches not in {"nothing", "again"}:
        assert once == dict.fromkeys(every, statements)
    if application.runs > 1 and catches != "again":
        # The run that counted began on nothing: whatever is there is of the last one.
        assert all(times in {statements, 0} or autocommit for times in once.values())


@pytest.mark.parametrize("catches", ANYTHING)
@pytest.mark.parametrize("fault", ["conflict", "lost"])
def test_a_failed_statement_is_made_good(db, catches, fault):
    db.faults = {1: fault, 3: fault}
    application = Application(db, catches=catches)
    layer = replay(application)
    status, _, body = ask(layer, b"hello")
    assert (status, json.loads(body)["run"], application.runs) == (201, 3, 3)
    assert application.bodies == [b"hello"] * 3
    assert db.marks() == ["0"]
    assert layer.counters.totals == {"requests": 1, "replays": 2, "recovered": 1, "gave_up": 0,
                                     "committed": 0}  # fmt: skip


@pytest.mark.parametrize(
    ("transactions", "faults"),
    [
        (1, {2: "lost"}),
        (1, {2: "lost after"}),
        (1, {2: "unknown after"}),
        (2, {3: "conflict"}),
        (2, {4: "lost"}),
        (2, {5: "conflict"}),
    ],
)
@pytest.mark.parametrize("catches", ["raise", "500 Internal Server Error"])
def test_what_may_be_committed_is_not_run_again(db, transactions, faults, catches):
    db.faults = faults
    application = Application(db, transactions, catches=catches)
    layer = replay(application)
    status, headers, body = ask(layer)
    assert application.runs == 1
    assert status == 503
    assert headers["Retry-After"] == "1"
    error = json.loads(body)["error"]
    assert (error["code"], error["title"]) == (503, "Service Unavailable")
    assert "may have been done" in error["message"]
    assert layer.counters.totals["committed"] == 1


def test_giving_up(db):
    db.faults = dict.fromkeys(range(100), "conflict")
    application = Application(db)
    layer = replay(application, tries=3, backoff=Backoff(0.0, 2.5))
    layer._sleep = lambda seconds: None
    status, headers, body = ask(layer)
    assert (status, application.runs, headers["Retry-After"]) == (503, 3, "3")
    assert "Nothing of it was done" in json.loads(body)["error"]["message"]
    assert (layer.counters.totals["gave_up"], layer.counters.totals["replays"]) == (1, 2)
    assert db.marks() == []


def test_giving_up_leaves_the_clients_own_errors(db):
    db.faults = dict.fromkeys(range(100), "conflict")
    status, _, body = ask(replay(Application(db, catches="409 Conflict"), tries=3))
    assert (status, json.loads(body)) == (409, {"run": 3})


def test_what_ends_well_is_not_run_again(db):
    db.faults = {1: "conflict"}
    for catches in ("nothing", "again"):
        db.sent = 0
        application = Application(db, catches=catches)
        assert ask(replay(application))[0] == 201
        assert application.runs == 1


def test_a_violated_key_is_not_run_again(db):
    db.faults = {1: "refused"}
    application = Application(db, catches="409 Conflict")
    assert ask(replay(application))[0] == 409
    application.catches, db.sent = "raise", 0
    with pytest.raises(sa.exc.IntegrityError):
        ask(replay(application))
    assert application.runs == 2


def test_a_right_answer_after_a_conflict_stays(db):
    """It was tried again inside, and then there was nothing to be found: 404 is what it is."""
    db.faults = {0: "conflict"}

    def application(environ, start_response):
        for _ in range(2):
            with contextlib.suppress(sa.exc.DBAPIError), db.engine.connect() as connection:
                connection.execute(sa.text("SELECT * FROM marks"))
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"none"]

    assert ask(replay(application))[0] == 404
    assert db.sent == 2


def test_off_leaves_everything_as_it_is(db):
    db.faults = {1: "conflict", 4: "conflict"}
    layer = replay(Application(db), enabled=False)
    with pytest.raises(sa.exc.OperationalError):
        ask(layer, b"hello")
    layer = replay(Application(db, catches="500 Internal Server Error"), enabled=False)
    assert ask(layer)[0] == 500
    assert layer.counters.totals["requests"] == 1


@pytest.mark.parametrize(
    "environ",
    [{"CONTENT_LENGTH": "2049"}, {"CONTENT_LENGTH": "5", "HTTP_TRANSFER_ENCODING": "chunked"}],
)
def test_a_body_that_is_not_kept(db, environ):
    db.faults = {1: "conflict"}
    application = Application(db)
    status, _, _ = ask(replay(application, body=2048), b"x" * 2049, **environ)
    assert (status, application.runs) == (503, 1)
    assert db.marks() == []


def test_answers_that_come_late(db):
    """A generator, which opens the transaction when it is asked for its first piece."""
    db.faults = {0: "conflict"}
    runs = []

    def application(environ, start_response):
        runs.append(1)
        yield b""
        with db.engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO marks VALUES ('0')"))
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        yield b"two"

    assert ask_plainly(replay(application)) == ("200 OK", b"onetwo")
    assert len(runs) == 2
    assert db.marks() == ["0"]


def ask_plainly(application):
    environ = {}
    wsgiref.util.setup_testing_defaults(environ)
    said = []
    answer = application(environ, lambda *a: said.append(a) or said.append)
    return said[0][0], b"".join(answer)


def test_what_is_thrown_away_is_closed(db):
    db.faults = {0: "conflict"}
    closed = []

    class Body(list):
        def close(self):
            closed.append(1)
            raise RuntimeError("nobody asks")

    def application(environ, start_response):
        with contextlib.suppress(sa.exc.DBAPIError), db.engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO marks VALUES ('0')"))
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b""]
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return Body([b"no"])

    assert ask(replay(application))[0] == 200
    assert closed == [1]


def test_what_is_streamed_is_not_fetched_before_it_is_asked_for():
    fetched = []

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (fetched.append(piece) or piece for piece in (b"one", b"two"))

    environ = {}
    wsgiref.util.setup_testing_defaults(environ)
    answer = replay(application)(environ, lambda *a: None)
    assert fetched == []
    assert b"".join(answer) == b"onetwo"


def test_one_layer_around_another(db):
    db.faults = dict.fromkeys(range(100), "conflict")
    application = Application(db)
    assert ask(replay(replay(application, tries=3), tries=2))[0] == 503
    assert application.runs == 2


def test_exceptions_of_the_application_pass():
    def application(environ, start_response):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ask(replay(application))


def test_paste_filter(monkeypatch, db):
    monkeypatch.setenv("REPLAY_TRIES", "7")
    layer = filter_factory({}, base_ms="5", cap_ms="10")(Application(db))
    assert layer.settings.tries == 7
    assert layer.settings.backoff == Backoff(0.005, 0.010)
    assert ask(layer)[0] == 201
