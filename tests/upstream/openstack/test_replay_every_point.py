"""A request whose transaction may be committed is never run again, wherever its connection is lost.

Between a real service (oslo.db's enginefacade, in a process of its own) and a real server stands a
proxy. A request is asked once to see how many pieces go each way; then again and again, and its
connection is lost at each of them: the piece does not arrive, or its answer does not, or the server
ends the connection itself. Every write has a mark that is counted on the server afterwards.
"""

import contextlib
import itertools
import json
import subprocess
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.postgresql_servers import postgresql_server
from tests.redis_servers import redis_server, until
from tests.tcp_proxy import Proxy

SERVICE = Path(__file__).parent / "replay" / "marks_service.py"
NUMBERS = itertools.count(1)
UNDONE = "Nothing of it was done"
AWAY_S = 0.5


class Service:
    """The process that is asked."""

    def __init__(self, python, url, log):
        self._answers = {}
        self._arrived = threading.Condition()
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [python, SERVICE, url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            answer = json.loads(line)
            with self._arrived:
                self._answers[answer["id"]] = answer
                self._arrived.notify_all()

    def send(self, **request):
        number = next(NUMBERS)
        print(json.dumps({"id": number, **request}), file=self._process.stdin, flush=True)
        return number

    def receive(self, number, seconds=60):
        with self._arrived:
            there = self._arrived.wait_for(lambda: number in self._answers, seconds)
            assert there, self._log.read_text()[-3000:]
            return self._answers.pop(number)

    def ask(self, **request):
        return self.receive(self.send(**request))

    def stop(self):
        self._process.stdin.close()
        self._process.wait(20)
        self._reader.join()
        self._process.stdout.close()


class Faults:
    """Counts what passes, and loses connections at the pieces that it is told of."""

    def __init__(self, terminate):
        self.terminate = terminate
        self.proxy = None
        self.plan([])

    def plan(self, faults):
        """``faults``: ``(way, n)``: the n-th request piece, answer piece, or server's own end."""
        self.faults = set(faults)
        self.passed = {"request": 0, "answer": 0}

    def _meets(self, way, count):
        with contextlib.suppress(KeyError):
            self.faults.remove((way, count))
            return True
        return False

    def _go_away(self):
        """Nobody gets through for a while, which is longer than ROME tries by itself."""
        self.proxy.blocked = True
        threading.Timer(AWAY_S, self.proxy.unblock).start()
        return 0

    def requests(self, data):
        count = self.passed["request"]
        self.passed["request"] += 1
        if self._meets("terminate", count):
            self.terminate()
        if self._meets("gone before", count):
            return self._go_away()
        return 0 if self._meets("request", count) else None

    def answers(self, data):
        count = self.passed["answer"]
        self.passed["answer"] += 1
        if self._meets("half", count):
            return len(data) // 2
        if self._meets("gone after", count):
            return self._go_away()
        return 0 if self._meets("answer", count) else None


class Setting:
    """A service, the proxy, and how marks are counted beside them."""

    def __init__(self, service, faults, proxy, marks, settle, ways):
        self.service, self.faults, self.proxy = service, faults, proxy
        faults.proxy = proxy
        self.marks, self._settle, self.ways = marks, settle, ways

    def ask(self, faults, **request):
        """One request under these faults, judged; its answer."""
        mark = f"m{next(NUMBERS)}"
        self.faults.plan(faults)
        answer = self.service.ask(mark=mark, catches=None, **request)
        self.faults.plan([])
        self._settle()
        judge(self.marks(mark), request["transactions"], answer, faults)
        return answer

    def pieces(self, **request):
        """How many pieces a request without faults has, each way."""
        self.ask([], **request)  # the pool has a connection now
        mark = f"m{next(NUMBERS)}"
        self.faults.plan([])
        assert self.service.ask(mark=mark, catches=None, **request)["status"] == 201
        return dict(self.faults.passed)


def judge(marks, transactions, answer, faults):
    """``marks``: ``(number, run)`` of each row that is there."""
    said = (answer, sorted(marks), faults)
    numbers = [number for number, _ in marks]
    assert len(numbers) == len(set(numbers)), f"written twice: {said}"
    assert len({run for _, run in marks}) <= 1, f"run again after a commit: {said}"
    if answer["status"] == 201:
        assert sorted(numbers) == list(range(transactions)), f"told, and not there: {said}"
    else:
        assert answer["status"] == 503, said
        assert UNDONE not in answer["message"] or not marks, f"not undone: {said}"


@pytest.fixture(scope="module")
def postgresql(openstack, tmp_path_factory):
    log = tmp_path_factory.mktemp("postgresql") / "service.log"
    with postgresql_server() as server:
        server.create("marks")
        others = "application_name = 'marks' AND pid <> pg_backend_pid()"

        def terminate():
            server.ask(
                "marks",
                f"SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE {others}",
            )

        def settle():
            """A server that lost its client rolls back when it notices."""
            busy = f"SELECT pid FROM pg_stat_activity WHERE {others} AND state <> 'idle'"
            until(lambda: not server.ask("marks", busy), "nobody is in a transaction")

        def marks(mark):
            return server.ask("marks", "SELECT number, run FROM marks WHERE mark = %s", mark)

        faults = Faults(terminate)
        with Proxy(server.port, faults.answers, faults.requests) as proxy:
            url = server.url(
                "marks", port=proxy.port, application_name="marks", sslmode="disable",
                gssencmode="disable",
            )  # fmt: skip
            service = Service(openstack / "python", url, log)
            try:
                service.ask(prepare=True)
                ways = ("request", "answer", "half", "terminate")
                yield Setting(service, faults, proxy, marks, settle, ways)
            finally:
                service.stop()


@pytest.fixture(scope="module")
def rome(openstack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rome")
    with redis_server(folder) as server:
        faults = Faults(lambda: None)
        with Proxy(server.port, faults.answers, faults.requests) as proxy:
            url = f"rome://127.0.0.1:{proxy.port}/marks?timeout=0.3"
            service = Service(openstack / "python", url, folder / "service.log")
            engine = sa.create_engine(server.url("marks"))

            def marks(mark):
                with engine.connect() as connection:
                    rows = connection.execute(
                        sa.text("SELECT number, run FROM marks WHERE mark = :m"), {"m": mark}
                    )
                    return [tuple(row) for row in rows]

            try:
                service.ask(prepare=True)
                ways = ("request", "answer", "half")
                yield Setting(service, faults, proxy, marks, lambda: None, ways)
            finally:
                service.stop()
                engine.dispose()


@pytest.fixture(params=["postgresql", "rome"])
def setting(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("transactions", [1, 2, 3])
@pytest.mark.parametrize("savepoint", [False, True])
def test_lost_at_every_point(setting, transactions, savepoint):
    request = {"transactions": transactions, "savepoint": savepoint}
    pieces = setting.pieces(**request)
    assert pieces["request"] >= transactions
    statuses = []
    for way in setting.ways:
        side = "answer" if way in {"answer", "half"} else "request"
        for number in range(pieces[side]):
            cuts = setting.proxy.cuts
            answer = setting.ask([(way, number)], **request)
            statuses.append((answer["status"], answer["runs"]))
            assert way == "terminate" or setting.proxy.cuts > cuts, "the fault did not happen"
    assert any(status == 201 for status, _ in statuses), statuses


@pytest.mark.parametrize("transactions", [1, 2, 3])
def test_every_point_shows_both_sides(postgresql, transactions):
    """Some of those requests are run again, some must not be: the test above sees both."""
    request = {"transactions": transactions}
    seen = set()
    pieces = postgresql.pieces(**request)
    for number in range(pieces["answer"]):
        answer = postgresql.ask([("answer", number)], **request)
        seen.add((answer["status"], answer["runs"] > 1))
    assert (201, True) in seen
    assert (503, False) in seen
    assert (503, True) not in seen


@pytest.mark.parametrize(("name", "transactions"), [("postgresql", 1), ("rome", 3)])
def test_gone_for_a_while_at_every_point(request, name, transactions):
    """Longer than a driver tries by itself: a commit of ROME's is in doubt then."""
    setting = request.getfixturevalue(name)
    asked = {"transactions": transactions}
    pieces = setting.pieces(**asked)
    seen = set()
    for way, side in (("gone before", "request"), ("gone after", "answer")):
        for number in range(pieces[side]):
            answer = setting.ask([(way, number)], **asked)
            seen.add((answer["status"], answer["runs"] > 1))
            until(lambda: not setting.proxy.blocked, "the way is open again")
    assert (201, True) in seen
    assert (503, False) in seen
    assert (503, True) not in seen


@given(
    transactions=st.integers(1, 3),
    faults=st.sets(
        st.tuples(st.sampled_from(["request", "answer", "half"]), st.integers(0, 40)), max_size=5
    ),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lost_again_and_again(setting, transactions, faults):
    setting.ask(faults, transactions=transactions)


def test_many_at_once_while_connections_are_lost(setting):
    """They collide on one row, and every few pieces a connection is lost."""
    setting.faults.plan([(way, n * 53 + 7) for way in ("request", "answer") for n in range(200)])
    sent = {}
    for number in range(120):
        mark = f"m{next(NUMBERS)}"
        transactions = 1 + number % 3
        asked = setting.service.send(
            mark=mark, transactions=transactions, catches=None, think_s=0.002
        )
        sent[asked] = (mark, transactions)
    answers = {asked: setting.service.receive(asked, 300) for asked in sent}
    setting.faults.plan([])
    setting._settle()
    for asked, (mark, transactions) in sent.items():
        judge(setting.marks(mark), transactions, answers[asked], "many")
    assert any(answer["runs"] > 1 for answer in answers.values())
    # Of one transaction, only those fail whose COMMIT was lost; who lost a conflict is run again.
    alone = [answers[asked] for asked, (_, transactions) in sent.items() if transactions == 1]
    assert sum(answer["status"] == 201 for answer in alone) > len(alone) / 2
    assert not any(UNDONE in answer.get("message", "") for answer in answers.values())


def test_a_service_that_answers_500_itself(setting):
    for number in range(4):
        mark = f"m{next(NUMBERS)}"
        setting.faults.plan([("answer", number)])
        answer = setting.service.ask(mark=mark, transactions=1, catches="500 Internal Server Error")
        setting.faults.plan([])
        setting._settle()
        judge(setting.marks(mark), 1, answer, number)
