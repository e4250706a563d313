"""A small service on oslo.db's enginefacade, behind the replay layer, asked over standard input.

    marks_service.py URL

A line of JSON asks for one request: ``mark``, ``transactions``, and ``catches``, the status that
the service makes of an error of the database (null: it leaves the service). Every transaction reads
and increments the one row of ``hot`` and inserts its mark with its own number and that of the run.
The answer is a line of JSON: ``status``, ``message`` of a 503, ``runs``.
"""

import contextlib
import io
import json
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from oslo_db import exception
from oslo_db.sqlalchemy import enginefacade

from discovery.replay.backoff import Backoff
from discovery.replay.middleware import Replay
from discovery.replay.settings import Settings

# On a busy machine everybody's run overlaps with everybody else's, and one of sixteen gets through:
# thirty tries are not enough for all of them then. Here the test gives up first.
TRIES = 100_000

METADATA = sa.MetaData()
HOT = sa.Table(
    "hot", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer)
)
MARKS = sa.Table(
    "marks",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("mark", sa.String(40), index=True),
    sa.Column("number", sa.Integer),
    sa.Column("run", sa.Integer),
)


@enginefacade.transaction_context_provider
class Context:
    """What carries a transaction, as a service's request context does."""


class Service:
    """The WSGI application."""

    def __init__(self, url):
        self.facade = enginefacade.transaction_context()
        self.facade.configure(connection=url, max_retries=1, retry_interval=0, max_pool_size=30)

    def prepare(self):
        METADATA.create_all(self.facade.writer.get_engine())
        with self.facade.writer.using(Context()) as session:
            session.execute(HOT.insert().values(id=1, n=0))

    def __call__(self, environ, start_response):
        asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        environ["runs"].append(1)
        try:
            for number in range(asked["transactions"]):
                self._transaction(asked, number, len(environ["runs"]))
            status = "201 Created"
        except exception.DBError:
            if asked["catches"] is None:
                raise
            status = asked["catches"]
        start_response(status, [("Content-Type", "application/json")])
        return [b"{}"]

    def _transaction(self, asked, number, run):
        with self.facade.writer.using(Context()) as session:
            n = session.scalar(sa.select(HOT.c.n).where(HOT.c.id == 1))
            time.sleep(asked.get("think_s", 0))
            row = {"mark": asked["mark"], "number": number, "run": run}
            if asked.get("savepoint"):
                with session.begin_nested():
                    session.execute(MARKS.insert().values(**row))
            else:
                session.execute(MARKS.insert().values(**row))
            session.execute(HOT.update().where(HOT.c.id == 1).values(n=n + 1))


def ask(layer, asked):
    """One request and what came of it."""
    body = json.dumps(asked).encode()
    runs, said = [], []
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/marks", "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body), "runs": runs,
    }  # fmt: skip
    try:
        content = b"".join(layer(environ, lambda status, headers, _=None: said.append(status)))
    except Exception:
        return {"status": 500, "error": traceback.format_exc()[-2000:], "runs": len(runs)}
    answer = {"status": int(said[-1].split()[0]), "runs": len(runs)}
    if answer["status"] == 503:
        answer["message"] = json.loads(content)["error"]["message"]
    return answer


def main():
    answers = sys.stdout
    sys.stdout = sys.stderr
    service = Service(sys.argv[1])
    layer = Replay(service, Settings(tries=TRIES, backoff=Backoff(0.002, 0.1)))
    lock = threading.Lock()

    def work(number, asked):
        answer = {"id": number, **ask(layer, asked)}
        with lock:
            print(json.dumps(answer), file=answers, flush=True)

    with ThreadPoolExecutor(16) as pool:
        for line in sys.stdin:
            request = json.loads(line)
            if "prepare" in request:
                service.prepare()
                with lock:
                    print(json.dumps({"id": request["id"]}), file=answers, flush=True)
            else:
                pool.submit(work, request["id"], request)
    with contextlib.suppress(Exception):
        service.facade.writer.get_engine().dispose()


if __name__ == "__main__":
    main()
