"""One transaction: what it has been told, what it has changed, and how it is committed.

Every statement is kept with its outcome. When certification is lost, the statements are run again
on the newest state; if each outcome is what it was, the program would have done exactly the same
had it begun just now, so it may be certified as if it had. If not, nothing is guessed: the caller
gets the error that the statement would now have raised where that is a violated key, and a
deadlock otherwise.
"""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import apsw

from discovery.rome import mysql_join
from discovery.rome.before import Before
from discovery.rome.catalogue import Catalogue, Value, of_main, quoted
from discovery.rome.certificate import Certificate, of_changes
from discovery.rome.errors import (
    Deadlock,
    IntegrityError,
    LockTimeout,
    NotLocked,
    NotSupportedError,
)
from discovery.rome.feed import Feed
from discovery.rome.inserts import rows_of
from discovery.rome.locking import Locking
from discovery.rome.locks import CANNOT_SKIP, Found, Locks, Wait, is_skipped, read
from discovery.rome.log import Definition, pairs
from discovery.rome.numbers import Numbers
from discovery.rome.packing import values_packed
from discovery.rome.pages import Pages
from discovery.rome.probation import prove
from discovery.rome.reads import Footprint, Reads, footprint_of
from discovery.rome.references import check_foreign_keys, tied
from discovery.rome.replica import Rejected, Replica
from discovery.rome.schema import schema_objects
from discovery.rome.state import State
from discovery.rome.statements import Shape, shape
from discovery.rome.workspace import Outcome, Workspace

MOST_REPLAYS = 20
_NEEDS_NOTHING = frozenset({"constant", "savepoint"})
_ONLY_READS = frozenset({"constant", "read"})
_COUNTS_NOTHING = frozenset({"constant", "read", "savepoint", "ddl"})


@dataclass(slots=True)
class Statement:
    """One that was run, with the keys that it was given and what it answered.

    ``found``: what it has locked; ``skipped``: rows that others held, and that it passed over.
    """

    sql: str
    parameters: Sequence[Value]
    shape: Shape
    outcome: Outcome
    ids: list[int] = field(default_factory=list)
    found: Found | None = None
    skipped: frozenset[bytes] = frozenset()


class Transaction:
    """From the first statement to commit or rollback, on one workspace."""

    def __init__(
        self, replica: Replica, feed: Feed | None, workspace: Workspace, serializable: bool
    ) -> None:
        self._replica = replica
        self._feed = feed
        self._workspace = workspace
        self._serializable = serializable
        self._state: State | None = None
        self._assumed = False
        self._statements: list[Statement] = []
        self._wrote = False
        self._reads = Reads()
        self._schema_before: dict[str, tuple[str, ...]] | None = None
        self._touched: set[str] = set()
        self._given: deque[int] = deque()
        self._taken: list[int] = []
        self._name = os.urandom(16)
        self._locks = Locks(replica, self._name)
        self._numbers = Numbers(replica, self._locks)
        self._found: Found | None = None
        self._wanted: set[bytes] = set()
        self._skipped: frozenset[bytes] = frozenset()

    @property
    def open(self) -> bool:
        """Whether anything has been run."""
        return self._state is not None

    @property
    def state(self) -> State:
        """What is below its changes, once anything has been run."""
        assert self._state is not None
        return self._state

    # Running statements

    def execute(self, sql: str, parameters: Sequence[Value]) -> Outcome:
        """Run one statement.

        Raises:
            Deadlock: the transaction began before it knew the newest state, and what it did then
                does not hold there.
            ConnectionLost, StoreRefused: from the store, when the transaction begins.
        """
        form = shape(sql)
        if form.kind == "write":
            try:
                sql = mysql_join.translated(sql, self.columns)
            except NotSupportedError as error:
                return Outcome(None, (), -1, None, error)
            form = shape(sql)
        locking = form.locking if form.kind == "read" else None
        if self._state is None:
            self._begin(form)
        elif self._assumed and locking is None and not _needs_nothing(form, self._state):
            self._confirm()
        self._locks.renew()
        self._skipped = frozenset()
        if locking is None:
            outcome = self._run(sql, parameters, form)
        else:
            outcome = self._lock(sql, parameters, form, locking)
        if isinstance(outcome.error, LockTimeout | NotLocked):  # an answer about others' locks
            return outcome
        if self._assumed and _objects(sql, form, outcome):  # the newest state may not
            self._confirm()
            outcome = self._run(sql, parameters, form)
        self._statements.append(
            Statement(sql, parameters, form, outcome, self._taken, self._found, self._skipped)
        )
        return outcome

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns, as the transaction sees it; none if there is none."""
        asked = self.execute("SELECT name FROM pragma_table_info(?)", (table,))
        return [str(name) for (name,) in asked.rows]

    def _lock(
        self, sql: str, parameters: Sequence[Value], form: Shape, locking: Locking
    ) -> Outcome:
        """Run a statement and take the locks of what it finds, until it finds nothing else.

        Raises:
            Deadlock: the other one waits for this transaction; or this one has waited, and what it
                was told before does not hold any more.
        """
        most_s = self._replica.settings.lock_wait
        wait = Wait(locking.waiting, most_s, take=not locking.shared)
        while True:
            outcome = self._run(sql, parameters, form)
            if self._wanted & self._skipped:
                return Outcome(None, (), -1, None, NotLocked(CANNOT_SKIP))
            missing = self._wanted - wait.done - (set() if locking.shared else self._locks.held)
            if not missing and not self._assumed:
                return outcome
            answer, newest = self._locks.take(missing, wait)
            if isinstance(answer, LockTimeout | NotLocked):
                return Outcome(None, (), -1, None, answer)
            self._skipped |= answer
            self._move(newest, needed=wait.waited)

    def _move(self, newest: State, *, needed: bool) -> None:
        """Go on with the newest state; unless ``needed``, stay where earlier answers would differ.

        Certification says at the end whether that matters.
        """
        before, assumed = self.state, self._assumed
        self._assumed = False
        if newest is before:
            return
        skipped = self._skipped
        deadlocks = self._replica.counters.deadlocks
        try:
            self._again(newest, "state")
        except (Deadlock, IntegrityError):
            if needed or assumed:
                raise
            self._replica.counters.deadlocks = deadlocks
            self._again(before, "state")
        self._skipped = skipped

    def is_unlocked(self, table: str, *key: Value) -> bool:
        """SQL's ``rome_unlocked``: whether a row is none of those that others hold."""
        return not is_skipped(self.state.catalogue.tables[table], key, self._skipped)

    def _begin(self, form: Shape) -> None:
        """Take the newest state; an INSERT may go on the last known one, and be checked later.

        A locking read, too: the newest comes with its locks.
        """
        self._replica.counters.transactions += 1
        self._replica.begins()
        if self._feed is not None:
            self._show(self._feed.state())
            return
        state = self._replica.state
        locks = form.locking is not None and form.kind == "read"
        self._assumed = locks or _needs_nothing(form, state)
        self._show(state if self._assumed else self._replica.fresh())

    def _show(self, state: State) -> None:
        self._state = state
        self._workspace.show(state)

    def _confirm(self) -> None:
        """Move to the newest state before anything is read on an assumed one."""
        self._assumed = False
        before = self.state
        newest = self._replica.fresh()
        if newest is not before:
            self._again(newest, "state")

    def _check_allowed(self, sql: str, form: Shape) -> None:
        if form.kind in {"insert", "write", "ddl"}:
            self._replica.refuse_writes(self.state)
            if form.kind != "ddl" and (form.inner or self.state.catalogue.inner):
                self._workspace.refuse_inner(sql)

    def _run(self, sql: str, parameters: Sequence[Value], form: Shape) -> Outcome:
        workspace = self._workspace
        self._check_allowed(sql, form)
        if form.kind == "ddl":
            self._before_ddl()
        elif form.kind == "savepoint":
            if "ROLLBACK" in sql.upper():
                self._reads.note_undone()
            if self._schema_before is not None:
                self._note_touched(workspace.unwatch())  # the tables may not be what they were
        elif form.kind in {"insert", "write"}:
            workspace.watch(self.state.catalogue)
            workspace.enforce(True)
            self._wrote = True
        self._taken = []
        text = sql if form.locking is None else form.locking.sql
        footprint = self._footprint(text, form)
        self._found = None
        if form.ids and not self._given:
            refused = self._numbers.prepare(form.ids)
            if refused is not None:
                return Outcome(None, (), -1, None, refused)
        if form.locking is not None and form.kind == "read":
            self._found = Found()
            outcome, self._wanted = read(
                *(workspace, self._catalogue(), form.locking, parameters),
                *(self._found, self._skipped),
            )
        else:
            outcome = workspace.run(
                text,
                parameters,
                reads=form.kind in _COUNTS_NOTHING,
                only_reads=form.kind in _ONLY_READS,
            )
        if outcome.last_id is not None:
            last_id = self._last_id(form, outcome.last_id)
            outcome = Outcome(outcome.names, outcome.rows, outcome.count, last_id, outcome.error)
        if footprint is not None:
            count = -1 if outcome.error is not None else outcome.count
            self._reads.note(footprint, form, text, parameters, count, self.state.catalogue)
        if form.kind == "ddl" or (form.kind == "savepoint" and self._schema_before is not None):
            workspace.watch(self.state.catalogue)
        return outcome

    def _catalogue(self) -> Catalogue:
        if self._schema_before is None:
            return self.state.catalogue
        return Catalogue(self._workspace.database)

    def _footprint(self, sql: str, form: Shape) -> Footprint | None:
        """The tables that a statement tells of, where that counts."""
        locks = form.locking is not None and form.kind != "read"
        if not (self._serializable or locks) or form.kind in _NEEDS_NOTHING:
            return None
        if form.kind == "ddl":  # it may copy, index and check the rows of any table
            return Footprint(frozenset(self.state.catalogue.tables), triggers=False)
        workspace, catalogue = self._workspace, self.state.catalogue
        if self._schema_before is not None:  # the schema is on its way
            return footprint_of(workspace.database, sql, catalogue)
        return workspace.reader.footprint(workspace.database, sql, catalogue)

    def _last_id(self, form: Shape, row_number: int) -> int | None:
        """The key of a new row; SQLite's number of it where that is the key, and no news if not."""
        if self._taken:
            return self._taken[-1]
        table = self.state.catalogue.tables.get(form.into or "")
        return row_number if table is None or table.integer_key else None

    def _before_ddl(self) -> None:
        """Note the schema as it was, and which tables' rows have been changed so far.

        DDL runs without foreign keys, or dropping a table that is rebuilt would empty those that
        refer to it; `_define` looks at what became of them.
        """
        workspace = self._workspace
        if self._schema_before is None:
            self._schema_before = _definitions(workspace)
        self._note_touched(workspace.unwatch())
        workspace.enforce(False)
        self._wrote = True

    def _note_touched(self, changes: bytes) -> None:
        self._touched.update(change.name for change in apsw.Changeset.iter(changes))
        self._touched |= self._workspace.written().keys()

    def next_id(self, table: str, column: str) -> int:
        """SQL's ``rome_id``: a key that nobody else is given; the same ones when run again."""
        number = self._given.popleft() if self._given else self._unused_id(table, column)
        self._taken.append(number)
        return number

    def _unused_id(self, table: str, column: str) -> int:
        used = f"SELECT 1 FROM {of_main(table)} WHERE {quoted(column)} = ?"
        while True:
            number = self._numbers.take(table)
            if not self._workspace.database.execute(used, (number,)).fetchall():
                return number

    # Ending

    def rollback(self) -> None:
        """Forget all of it."""
        self._workspace.discard()
        self._state = None
        self._locks.release()

    def commit(self) -> None:
        """Have it certified, run again if others came first, and made part of the replica.

        Raises:
            Deadlock: others came first, and the program would have to decide anew.
            IntegrityError: others came first, and a key that was free is taken.
            ConnectionLost, StoreRefused: from the store; `InDoubt` if the fate is not known.
        """
        try:
            if self._wrote:
                self._commit_changes()
                self._workspace.keep_temporary()
        finally:
            self.rollback()

    def _commit_changes(self) -> None:
        replica = self._replica
        for attempt in range(MOST_REPLAYS + 1):
            state = self.state
            certificate, definition = self._certificate(state)
            if certificate is None:
                return
            self._numbers.certify(certificate)
            certificate.locks = frozenset(self._locks.held)
            answer = replica.certify(state, certificate, self._name, definition)
            if not isinstance(answer, Rejected):
                self._locks.held.clear()
                replica.counters.replayed += attempt > 0
                replica.settle(state, answer, functools.partial(self._publish, state))
                return
            replica.counters.conflicts += 1
            if answer.late:
                raise self._deadlock(f"a younger key of {answer.key} was committed first")
            newest = replica.state if replica.state is not state else replica.fresh()
            self._again(newest, answer.key)
        raise self._deadlock(f"it lost certification {MOST_REPLAYS + 1} times")

    def _publish(self, state: State) -> tuple[Pages, Catalogue]:
        pages = self._workspace.publish()
        if self._schema_before is None:
            return pages, state.catalogue
        return pages, Catalogue(self._workspace.database)

    def _certificate(self, state: State) -> tuple[Certificate | None, Definition | None]:
        workspace = self._workspace
        definition = None
        changes, written = workspace.changes(), workspace.written()
        if self._schema_before is not None:
            self._note_touched(changes)
            certificate, definition = self._define(self._schema_before)
        else:
            workspace.check_keys(state.catalogue)
            workspace.check_references()
            certificate = self._of_changes(changes, written)
            if not certificate.bumps:  # it has written nothing
                return None, None
        certificate.check("schema", "")
        for table in self._reads.tables:
            certificate.check("table", table)
        for statement in self._statements:
            if statement.found is not None:
                statement.found.certify(certificate)
        return certificate, definition

    def _of_changes(self, changes: bytes, written: Mapping[str, set[int]]) -> Certificate:
        workspace, state = self._workspace, self.state
        replaced = {s.shape.into for s in self._statements if s.shape.kind == "write"}
        # SQLite's hook, which tells of rows that are shaken, knows no table without row numbers.
        unseen = {*state.catalogue.unnumbered, *(name for name in replaced if name)}
        before = Before(state.pages, state.catalogue, workspace.shaken | unseen)
        try:
            return of_changes(changes, written, workspace.database, state.catalogue, before.row)
        finally:
            before.close()

    def _define(self, before: dict[str, tuple[str, ...]]) -> tuple[Certificate, Definition]:
        """The certificate of DDL: all rows of each table that it made, changed or wrote to."""
        workspace = self._workspace
        after = _definitions(workspace)
        indexed = {
            name for name in after if _indexes(before.get(name)) != _indexes(after.get(name))
        }
        certificate = Certificate()
        certificate.bump("schema", "")
        catalogue = Catalogue(workspace.database)
        workspace.check_keys(catalogue)
        changed = {
            name
            for name in before.keys() | after.keys()
            if before.get(name, ())[:1] != after.get(name, ())[:1]
        }
        changed |= self._touched
        workspace.check_references()
        related = tied(catalogue, changed)
        if workspace.enforces:
            check_foreign_keys(
                workspace.database, self.state.pages, related & catalogue.tables.keys()
            )
        for name in related:  # who refers to a row and who deletes it
            certificate.check("table", name)
        certificate.kept = sorted(before.keys() & after.keys())
        certificate.ids.update(_counted(workspace))
        contents: list[tuple[str, list[bytes]]] = []
        for name in sorted(changed):
            certificate.bump("table", name)
            flat: list[bytes] = []
            table = catalogue.tables.get(name)
            if table is not None:
                for row in workspace.database.execute(table.select_all):
                    certificate.note_id(table, row)
                    flat += (table.key_of(row), values_packed(row))
            contents.append((name, flat))
        made = schema_objects(workspace.database)
        schema = [sql for kind, _, sql in sorted(made, key=lambda one: one.kind != "table")]
        proved = {name: dict(pairs(flat)) for name, flat in contents}
        for name in indexed - proved.keys():  # a row that came meanwhile may violate a new index
            certificate.check("table", name)
            table = catalogue.tables[name]
            proved[name] = {
                table.key_of(row): values_packed(row)
                for row in workspace.database.execute(table.select_all)
            }
        prove(schema, catalogue, proved)
        return certificate, Definition(schema, contents)

    # Running again

    def _again(self, state: State, key: str) -> None:
        """Run every statement again on ``state``, and see that each says the same."""
        self._workspace.discard()
        self._schema_before = None  # the schema is that of `state` until DDL is run again
        self._touched.clear()
        self._show(state)
        for statement in self._statements:
            self._given = deque(statement.ids)
            self._skipped = statement.skipped
            outcome = self._run(statement.sql, statement.parameters, statement.shape)
            self._given.clear()
            statement.found = self._found
            if outcome.same_as(statement.outcome):
                continue
            if isinstance(outcome.error, IntegrityError) and not _of_leased_key(
                statement, outcome.error
            ):
                raise IntegrityError(str(outcome.error))
            raise self._deadlock(f"another transaction changed {key.strip()} first")

    def _deadlock(self, why: str) -> Deadlock:
        self._replica.counters.deadlocks += 1
        return Deadlock(f"rome: deadlock: {why}; run the transaction again")


def _needs_nothing(form: Shape, state: State) -> bool:
    """Whether a statement's answer depends on no row, but for those that it violates a key with."""
    if form.kind == "insert":
        return form.into is not None and form.into.lower() in state.catalogue.quiet
    return form.kind in _NEEDS_NOTHING


def _objects(sql: str, form: Shape, outcome: Outcome) -> bool:
    """Whether rows that are there have made a statement fail, or do less than it says."""
    if form.kind == "insert" and outcome.error is None:
        return outcome.count < (rows_of(sql) or 1)
    return outcome.error is not None


def _of_leased_key(statement: Statement, error: IntegrityError) -> bool:
    """Whether what is taken is a number that the statement was given: the caller named none."""
    columns = str(error).partition(": ")[2].split(", ")
    return any(f"{table}.{column}" in columns for table, column in statement.shape.ids)


def _counted(workspace: Workspace) -> dict[str, int]:
    """The last number of each AUTOINCREMENT; of a table with a new name under that."""
    database = workspace.database
    if not database.execute(
        "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"
    ).fetchone():
        return {}
    return dict(database.execute("SELECT name, seq FROM sqlite_sequence"))


def _definitions(workspace: Workspace) -> dict[str, tuple[str, ...]]:
    """Each table's definition, and those of its indexes."""
    found: dict[str, tuple[str, ...]] = {}
    for kind, name, sql in schema_objects(workspace.database):
        if kind == "table":
            found[name] = (sql,)
    for table, sql in workspace.database.execute(
        "SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL "
        "ORDER BY name"
    ):
        found[table] = (*found.get(table, ()), sql)
    return found


def _indexes(definition: tuple[str, ...] | None) -> tuple[str, ...]:
    return (definition or ())[1:]
