"""A client process: a few threads that run transactions until they are told to stop."""

import hashlib
import json
import logging
import random
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, select
from sqlalchemy.exc import DBAPIError, InterfaceError

from tests.histories.commit_order import entries
from tests.histories.history import CRASHED, OK, REFUSED, UNKNOWN, Recorder
from tests.histories.profile import Profile
from tests.histories.sabotage import SABOTAGES
from tests.histories.workloads import BY_NAME, TABLES, commits, metadata

RUN, STOP, LAST_LOOK = 0, 1, 2
"""What the parent wants."""

SETTLE_S = 10.0
"""How long a replica may take at the end to show what everybody else shows."""

_MYSQL_REFUSES = {1020, 1062, 1205, 1213, 1451, 1452}
_MYSQL_LOSES = {0, 1047, 1053, 1180, 1927, 2002, 2003, 2006, 2013, 2014, 2055}


@dataclass(frozen=True)
class Job:
    """What a client process does. ``phase``, ``done`` and ``idle`` are shared with its parent.

    ``sabotage``: the safeguard of ROME that this process goes without.
    """

    url: str
    isolation: str | None
    profile: Profile
    folder: Path
    number: int
    life: int
    phase: Any
    done: Any
    idle: Any
    sabotage: str | None = None

    @property
    def process(self) -> str:
        """The name of this life of this client."""
        return f"{self.number}.{self.life}"


def engine_of(url: str, isolation: str | None, threads: int = 1) -> Engine:
    """An engine as a service has one, for ``threads`` threads."""
    options: dict[str, Any] = {} if isolation is None else {"isolation_level": isolation}
    return create_engine(url, pool_size=threads, max_overflow=0, **options)


class PausingSession:
    """A connection that thinks before every statement, so that transactions overlap."""

    def __init__(self, connection: Connection, rng: random.Random, longest_ms: float) -> None:
        self._connection = connection
        self._rng = rng
        self._longest_s = longest_ms / 1000

    def execute(self, statement: Any) -> Any:
        """Run one statement."""
        if self._longest_s:
            time.sleep(self._rng.random() * self._longest_s)
        return self._connection.execute(statement)

    def exec_driver_sql(self, statement: str, parameters: tuple[Any, ...] = ()) -> Any:
        """Run one statement as it is."""
        if self._longest_s:
            time.sleep(self._rng.random() * self._longest_s)
        return self._connection.exec_driver_sql(statement, parameters)


def judge(error: DBAPIError, committing: bool) -> str:
    """What an error says about the fate of its transaction."""
    kind = type(error.orig).__name__
    if type(error.orig).__module__.startswith("discovery."):
        if kind == "InDoubt":
            return UNKNOWN
        known = kind in {"Deadlock", "IntegrityError", "ConnectionLost", "TailLost"}
        return REFUSED if known else CRASHED
    code = error.orig.args[0] if error.orig is not None and error.orig.args else None
    if code in _MYSQL_LOSES or isinstance(error, InterfaceError):
        return UNKNOWN if committing else REFUSED
    return REFUSED if code in _MYSQL_REFUSES else CRASHED


def name_of(error: DBAPIError) -> str:
    """The error's class, or ``Deadlock`` where MariaDB has a number for it."""
    code = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return "Deadlock" if code in {1020, 1213} else type(error.orig).__name__


def one_transaction(
    engine: Engine, workload: Any, plan: Any, name: str, rng: random.Random
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Run a plan; its outcome, what it was told, and more to write down."""
    committing = False
    told: dict[str, Any] = {}
    try:
        with engine.connect() as connection:
            session = PausingSession(connection, rng, workload.profile.think_ms)
            told, writes = workload.run(session, plan, name)
            if writes:
                session.execute(commits.insert().values(name=name, note=json.dumps(told)))
            committing = True
            connection.commit()
    except DBAPIError as error:
        kind = name_of(error)
        outcome = judge(error, committing)
        return outcome, told, {"error": kind, "message": str(error.orig)[:300]}
    except Exception as error:
        more = {"error": type(error).__name__, "message": traceback.format_exc()[-2000:]}
        return CRASHED, told, more
    return OK, told, {"writes": writes}


def follow_plan(job: Job, engine: Engine, thread: int) -> None:
    """One thread: transactions until it is told to stop."""
    profile = job.profile
    recorder = Recorder(job.folder, job.process, thread)
    rng = random.Random(f"{profile.seed}/{job.process}/{thread}")
    workloads = [BY_NAME[name](profile) for name in profile.workloads]
    place = job.number * profile.threads + thread
    step = 0
    while job.phase.value == RUN:
        workload = rng.choice(workloads)
        name = f"{job.process}.{thread}.{step}"
        plan = workload.plan(rng, name, job.done[place] // len(workloads))
        recorder.begin(name, workload.name, plan)
        outcome, told, more = one_transaction(engine, workload, plan, name, rng)
        recorder.end(name, outcome, told, **more)
        step += 1
        job.done[place] += 1
        if thread == 0 and step % 20 == 0:
            recorder.note(counters=counters_of(engine))
        if outcome != OK:
            time.sleep(rng.random() * 0.01)
    recorder.close()


def counters_of(engine: Engine) -> dict[str, int]:
    """What the driver has counted, if it counts."""
    if engine.dialect.driver != "rome":
        return {}
    connection = engine.raw_connection()
    try:
        counters: Any = connection.driver_connection.replica.counters  # type: ignore[union-attr]
        return {name: getattr(counters, name) for name in counters.__slots__}
    finally:
        connection.close()


def everything(engine: Engine) -> dict[str, list[list[Any]]]:
    """All rows of all tables, in one transaction."""
    with engine.connect() as connection:
        tables = {}
        for table in TABLES:
            rows = connection.execute(select(table).order_by(*table.primary_key))
            tables[table.name] = [list(row) for row in rows]
        if engine.dialect.driver == "rome":
            verdict = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
            assert verdict == "ok", f"the replica is corrupt: {verdict}"
    return tables


def damage_of(engine: Engine) -> str | None:
    """What ROME says is lacking of what was committed, if anything."""
    connection = engine.raw_connection()
    try:
        damage: Any = connection.driver_connection.replica.state.damage  # type: ignore[union-attr]
        return None if damage is None else str(damage)
    finally:
        connection.close()


def seen(tables: dict[str, list[list[Any]]]) -> str:
    """A short name of what `everything` gave."""
    return hashlib.sha256(json.dumps(tables).encode()).hexdigest()


def last_look(job: Job, engine: Engine) -> None:
    """Show what this process' own copy of the database has come to, when all is over."""
    recorder = Recorder(job.folder, job.process, 0)
    expected = json.loads((job.folder / "final.json").read_text())
    deadline = time.monotonic() + SETTLE_S
    view: Any = None
    while time.monotonic() < deadline:
        with suppress(DBAPIError):  # it may have to be told first that the master lost its tail
            view = everything(engine)
            if view == expected:
                break
        time.sleep(0.05)
    if view != expected:
        path = job.folder / f"view-{job.process}.json"
        path.write_text(json.dumps(view))
    recorder.note(counters=counters_of(engine), final={job.process: seen(view)})
    recorder.close()


def main(job: Job) -> None:
    """The process."""
    logging.disable(logging.CRITICAL)  # the pool logs a connection that died during rollback
    if job.sabotage is not None:
        SABOTAGES[job.sabotage]()
    engine = engine_of(job.url, job.isolation, job.profile.threads)
    threads = [
        threading.Thread(target=follow_plan, args=(job, engine, thread), daemon=True)
        for thread in range(job.profile.threads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    job.idle[job.number] = 1
    while job.phase.value != LAST_LOOK:
        time.sleep(0.01)
    last_look(job, engine)
    engine.dispose()


def prepare(url: str, profile: Profile) -> None:
    """A process of its own makes the tables and the first rows."""
    engine = engine_of(url, None)
    metadata.create_all(engine)
    with engine.begin() as connection:
        session = PausingSession(connection, random.Random(0), 0)
        for name in profile.workloads:
            BY_NAME[name](profile).fill(session)
    engine.dispose()


def conclude(url: str, folder: Path) -> None:
    """A process of its own, which has seen nothing before, writes down all that is there."""
    try:
        engine = engine_of(url, None)
        if engine.dialect.driver == "rome":
            (folder / "log.json").write_text(json.dumps(entries(url)))
            (folder / "damage.json").write_text(json.dumps(damage_of(engine)))
        (folder / "final.json").write_text(json.dumps(everything(engine)))
    except Exception:  # a database that cannot be read is a finding, too
        (folder / "final.error").write_text(traceback.format_exc()[-2000:])
    else:
        engine.dispose()
