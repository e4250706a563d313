"""The copy of the database that a process works on, and how it follows the log.

A replica has a `State`: a place in the log (epoch, number, chained hash) and the pages that result
from every entry up to there. States never change; a newer one replaces the old in one assignment,
and transactions keep the one that they began with.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import apsw

from discovery.rome.catalogue import INTEGERS, Catalogue
from discovery.rome.certificate import Certificate
from discovery.rome.counters import Counters
from discovery.rome.errors import (
    DataError,
    InternalError,
    OperationalError,
    StoreRefused,
    TailLost,
)
from discovery.rome.head import foreign
from discovery.rome.ids import Ids
from discovery.rome.limits import MOST_COMMIT_BYTES
from discovery.rome.log import SCHEMA_CHANGED, Definition, Entry, content_of, continues, of_script
from discovery.rome.packing import for_redis
from discovery.rome.pages import PageFile, Pages
from discovery.rome.rows import apply_entries, open_as_stored
from discovery.rome.scripts import CERTIFY, LOCK, SYNC
from discovery.rome.settings import Settings
from discovery.rome.state import State, boot
from discovery.rome.store import Argument, Call, Store
from discovery.rome.watch import Watch, lost

ENTRIES_AT_ONCE = 5_000
"""How many a request asks for at most."""

ENTRIES_REMEMBERED = 1_024
"""The newest that a state is known to have, by number and hash; a commit of this process looks here
whether another thread has applied it."""

FORK_WAITS_S = 1.0
"""How long a fork waits for a thread that applies entries, or boots."""

MOST_WAITING, MOST_WAITING_BYTES = 64, 1_000_000
"""Entries that wait to be applied, and the size of one that waits for nothing."""

LEASE_S = 10.0
"""How long a lock outlives its client; a transaction renews it whenever it does something."""

BELIEVED_S = 2.0
"""How long Redis believes that a transaction waits for a lock which does not ask again."""

UNLOCK_S = 0.5
"""How long a transaction that gives up tries to give its locks back."""

_USED_UP = re.compile("would overflow|not an integer")
"""Redis' words where a counter is at its end, or was set behind it by an older ROME."""

_parents: list[Any] = []
"""SQLite handles that a parent's thread may have been inside of: closing one would wait for it."""


class Place(NamedTuple):
    """A place in the log. ``life`` tells one boot's history from the next one's."""

    life: int
    epoch: bytes
    seq: int
    hash: bytes


def place_of(state: State) -> Place:
    """Where a state is."""
    return Place(state.life, state.epoch, state.seq, state.hash)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A certified commit: its number, its chained hash, and the history that it is part of."""

    seq: int
    hash: bytes
    epoch: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """A lost certification, and the key that somebody else had changed.

    ``late``: it is a table, of which a younger key was committed.
    """

    key: str
    late: bool = False


class Replica:
    """The one copy that all connections of a process to one database share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)
        self.ids = Ids()
        self.counters = Counters()
        self._lives = itertools.count(1)
        self._lock = threading.RLock()
        self._applier: tuple[int, apsw.Connection, PageFile] | None = None
        self._held = False
        self.store.check_server()
        self.watch = Watch(self.store)
        self.state = self._boot()
        self.untold: TailLost | None = None
        """A lost tail that the feed has met, for the next transaction to tell its caller."""
        self._lost = (0, 0)
        """The life of the state that was dropped last, and where it was in the log."""
        self.owed = 0
        """Where the log is when it has a commit of this process that its state has not, be the
        state too old or of a history that Redis has lost; transactions ask until it is reached."""
        self._passed: dict[int, bytes] = {}
        self._unseen: list[Place] = []
        """Where commits of this process are that its state has not."""

    # Following the log

    def fresh(self, *, tell: bool = True) -> State:
        """The newest state of the database: one round trip.

        Raises:
            TailLost: the process had seen commits that Redis has lost; its state was dropped. With
                ``tell`` off it is kept, as `untold`, for the next transaction.
            ConnectionLost, StoreRefused: from the store.
        """
        while True:
            place = self.place
            reply = self.store.run(*self._sync(place))
            if self._follow(place, reply, tell=tell):
                self._look_for_unseen(tell=tell)
                return self.state

    @property
    def place(self) -> Place:
        """Up to where this replica has the log."""
        return self._place

    @property
    def state(self) -> State:
        """The database at that place: entries that wait are applied now, several for less."""
        if self._waiting:
            with self._lock:
                self._catch_up()
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state
        self._waiting: list[Any] = []
        self._place = place_of(state)

    def _sync(self, place: Place) -> Call:
        keys = self.store.keys
        arguments: list[Argument] = [place.epoch, place.seq, place.hash, ENTRIES_AT_ONCE]
        return SYNC, [keys.head, keys.log], arguments

    def _follow(self, place: Place, reply: list[Any], *, tell: bool = True) -> bool:
        """Take what `_sync` was answered at ``place``; whether there is no more to come."""
        if reply[0] != b"OK":
            self._start_over(place, reply, later=not tell)
            return False
        entries = of_script(reply[1])
        self.advance(entries)
        now = self.place
        if entries and now == place:  # they do not continue it, whatever the log says
            self._start_over(place, [b"BEHIND"])
            return False
        return not reply[2] and (not entries or now.seq >= entries[-1][0])

    def _look_for_unseen(self, *, tell: bool) -> None:
        """See that Redis has what it accepted from this process and the state did not reach.

        A server that was replaced, and did not know it yet, may have accepted it: then the state,
        which others of this process have brought to the new history, does not tell that it is gone.
        """
        for unseen in tuple(self._unseen):
            known = self._passed.get(unseen.seq)
            if known != unseen.hash:
                reply = self.store.run(*self._sync(unseen))
                if reply[0] == b"DIVERGED":
                    self._tell_unseen(unseen, tell=tell)
                    continue
                if reply[0] == b"OK" and (self.place.seq < unseen.seq or known is not None):
                    continue  # it is on its way, or the next answer ends this history
            with contextlib.suppress(ValueError):  # another thread was faster
                self._unseen.remove(unseen)

    def _tell_unseen(self, unseen: Place, *, tell: bool) -> None:
        with self._lock:
            if unseen not in self._unseen:
                return
            self._unseen.remove(unseen)
            self.owed = 0
            self.counters.tails_lost += 1
        error = TailLost(
            f"redis connection lost: {self.settings.address} no longer has commit {unseen.seq} of "
            f"database {self.settings.database}, which this process had made; the replica is at "
            f"{self.place.seq}"
        )
        if tell:
            raise error
        self.untold = error

    def lock(
        self, owner: bytes, act: str, names: Collection[bytes], *, take: bool = True
    ) -> tuple[bytes, bytes, State]:
        """Ask for locks, and for the newest state behind them: one round trip.

        Not ``take``: only see that nobody holds them. The answer (``OK``, ``HELD``, ``DEADLOCK``),
        the names that others hold (of ``skip``), and the state.

        Raises:
            TailLost, ConnectionLost, StoreRefused: as `fresh`.
        """
        place = self.place
        first, second = self.store.run_all(
            [self._locking(owner, act, names, take), self._sync(place)]
        )
        if self._follow(place, second):
            self._look_for_unseen(tell=True)
            newest = self.state
        else:
            newest = self.fresh()
        return first[0], first[1] if len(first) > 1 else b"", newest

    def _locking(self, owner: bytes, act: str, names: Collection[bytes], take: bool = True) -> Call:
        lasts = [int(LEASE_S * 1000) * take, int(BELIEVED_S * 1000)]
        return LOCK, [self.store.keys.locks], [owner, *lasts, act, b"".join(names)]

    def unlock(self, owner: bytes, names: Collection[bytes]) -> None:
        """Give locks back; where Redis does not answer, they end by themselves."""
        with contextlib.suppress(OperationalError):
            self.store.run(*self._locking(owner, "free", names), patience=UNLOCK_S)

    def advance(self, entries: Sequence[Entry]) -> None:
        """Take what of ``entries`` is new here, in order; it is applied when somebody reads it.

        Entries that do not continue this replica's history (an entry between them is on its way to
        another thread, or they come from before a failover) are left alone; the next `fresh` asks
        for them again, and is told if the histories differ.
        """
        if not entries:
            return
        with self._lock:
            place = self.place
            news = [entry for entry in entries if entry[0] > place.seq]
            if not news or not continues(place.seq, place.hash, news):
                return
            contents = [content_of(payload) for _, _, payload in news]
            if any(kind == SCHEMA_CHANGED for kind, *_ in contents):
                self.ids.clear()  # the schema and its rows are in the hashes
                self.state = self._boot()
                return
            for number, hashed, _ in news:
                self._note_passed(number, hashed)
            self._waiting += (tables for _, tables in contents)
            self._place = place._replace(seq=news[-1][0], hash=news[-1][1])
            size = sum(len(payload) for _, _, payload in news)
            if len(self._waiting) > MOST_WAITING or size > MOST_WAITING_BYTES:
                self._catch_up()

    def _catch_up(self) -> None:
        """Apply the entries that wait."""
        state, place, waiting = self._state, self._place, self._waiting
        if not waiting:
            return
        try:
            pages = self._apply(state, waiting)
        except (apsw.Error, LookupError):
            # whatever is wrong with these pages, the hashes have the rows
            self.state = self._boot()
            self.counters.boots += 1
            return
        self.state = state.advanced(state.epoch, place.seq, place.hash, pages)
        self.counters.applied += len(waiting)

    def _apply(self, state: State, changes: list[Any]) -> Pages:
        """The pages of ``state`` with the rows of several commits on top."""
        if self._applier is None or self._applier[0] != state.life:
            self._applier = (state.life, *open_as_stored(state.pages))
        _, database, file = self._applier
        self._applier = None  # until it has worked: one that stopped half-way is of no use
        file.pin(state.pages)
        apply_entries(database, state.catalogue, changes)
        self._applier = (state.life, database, file)
        return file.published()

    def _start_over(
        self, place: Place, reply: list[Any], *, committing: bool = False, later: bool = False
    ) -> None:
        """Boot again, because ``place`` is too old for the log or not of this history.

        Of a tail that is lost one caller is told, and every one that has built a commit on it.
        ``later``: the next transaction is, since nobody waits for this answer.
        """
        if reply[0] == b"FORMAT":
            raise foreign(self.store, reply[1])
        forgot = reply[0] == b"DIVERGED" and bool(place.epoch)
        with self._lock:
            before = self.place
            gone = before == place or (forgot and before.life == place.life)
            if gone:
                self.ids.clear()
                self.state = self._boot()
                self._passed.clear()  # another history may have these numbers
                self.counters.boots += 1
                self._lost = (before.life, before.seq)
            if not (forgot and (gone or committing)):
                return
            known = self._lost[0] == place.life
            error = TailLost(
                f"redis connection lost: {self.settings.address} no longer has commit "
                f"{self._lost[1] if known else place.seq} of database {self.settings.database}, "
                "which this process had seen; the replica was dropped, and is now at "
                f"{self.state.seq}"
            )
            if known:
                self.untold = error if later else None
            self.owed = 0
            self.counters.tails_lost += 1
        if not later:
            raise error

    def _boot(self) -> State:
        state = boot(self.store, next(self._lives))
        if state.damage is not None and state.damage.unseen:
            self.watch.found = state.damage.error(self.settings)
        return state

    # Damage

    def begins(self) -> None:
        """A transaction does: see that somebody looks after Redis, and tell once what is gone.

        Raises:
            Damaged, StoreRefused: what was found, to one caller in this process.
        """
        self.watch.look(self._state)
        found, self.watch.found = self.watch.found, None
        if found is not None:
            raise found

    def refuse_writes(self, state: State) -> None:
        """Let nobody write to a database that is damaged, or on a Redis that throws it away.

        Raises:
            Damaged, StoreRefused: with what was found.
        """
        if state.damage is not None:
            raise state.damage.error(self.settings)
        if self.watch.trouble is not None:
            raise self.watch.trouble

    # Committing

    def certify(
        self,
        state: State,
        certificate: Certificate,
        transaction: bytes,
        definition: Definition | None = None,
    ) -> Accepted | Rejected:
        """Ask Redis to accept a transaction that read ``state``: one round trip.

        What others have committed since comes back with the answer, and is applied. The
        transaction's own commit is not: that is `settle`.

        Raises:
            TailLost, ConnectionLost, StoreRefused: as `fresh`. `InDoubt` if the fate is unknown.
        """
        keys = self.store.keys
        newest = self.place
        known = newest.seq if newest.life == state.life else state.seq
        wanted = [
            (table, self.ids.block(table))
            for table in certificate.ids
            if self.settings.keys == "leased" and self.ids.wanted(table) and self.ids.low(table)
        ]
        request = [
            state.epoch,
            state.seq,
            state.hash,
            known,
            transaction,
            b"".join(certificate.checks),
            b"".join(certificate.bumps),
            wanted,
            [(table, str(number)) for table, number in certificate.ids.items() if number > 0],
            self.settings.keep,
            b"".join(certificate.locks),
            [(table, str(least), str(most)) for table, least, most in certificate.orders],
        ]
        locks = [keys.locks] if certificate.locks else []
        if definition is None:
            payload, sums = certificate.payload(), certificate.sums()
        else:
            payload, sums = definition.payload(), definition.sums()
        names = [table for table, _ in sums]
        request += (sums, definition is not None, certificate.kept)
        if len(payload) > MOST_COMMIT_BYTES:
            raise DataError(
                f"the transaction writes {len(payload):,} bytes; {MOST_COMMIT_BYTES:,} are allowed"
            )
        reply = self.store.run(
            CERTIFY,
            [*keys.fixed, *map(keys.rows, names), *locks],
            [for_redis(request), payload],
            commit=True,
        )
        if reply[0] == b"CONFLICT":
            self.advance(of_script(reply[2]))
            return Rejected(list(certificate.checks.values())[int(reply[1])])
        if reply[0] == b"LATE":
            return Rejected(reply[1].decode(), late=True)
        if reply[0] == b"LOST":
            raise lost(self.settings, *reply[1:])
        if reply[0] != b"OK":
            self._start_over(place_of(state), reply, committing=True)
            return Rejected("log")
        self._advance_quietly(of_script(reply[3]))
        for (table, count), first in zip(wanted, reply[4], strict=False):
            if first is not None:
                self.ids.add(table, int(first), count)
        return Accepted(int(reply[1]), reply[2], reply[5], payload)

    def settle(
        self, base: State, accepted: Accepted, publish: Callable[[], tuple[Pages, Catalogue]]
    ) -> None:
        """Make a certified commit part of the state.

        If nothing came between, the transaction's own pages become the state, by ``publish``;
        otherwise its entry is applied like anybody's.
        """
        with self._lock:
            if self._state is base and not self._waiting and accepted.seq == base.seq + 1:
                pages, catalogue = publish()
                self.state = State(
                    *(base.life, accepted.epoch, accepted.seq, accepted.hash),
                    *(pages, catalogue, base.damage),
                )
                self._note_passed(accepted.seq, accepted.hash)
                self.counters.published += 1
                if catalogue is not base.catalogue:
                    self.ids.clear()
            else:
                self._advance_quietly([(accepted.seq, accepted.hash, accepted.payload)])
                if self._passed.get(accepted.seq) != accepted.hash:
                    self.owed = max(accepted.seq, self.place.seq + 1)
                    self._unseen.append(
                        Place(base.life, accepted.epoch, accepted.seq, accepted.hash)
                    )
            self.counters.commits += 1

    def _note_passed(self, seq: int, hashed: bytes) -> None:
        """The state has this entry; the numbers alone do not tell one history from another."""
        self._passed[seq] = hashed
        while len(self._passed) > ENTRIES_REMEMBERED:
            del self._passed[next(iter(self._passed))]

    def _advance_quietly(self, entries: Sequence[Entry]) -> None:
        """`advance`, where the commit is done and no trouble with Redis may say otherwise."""
        with contextlib.suppress(OperationalError, InternalError):
            self.advance(entries)

    def lease_ids(self, table: str) -> None:
        """Ask for a block of keys: one round trip, where no commit has brought one along."""
        count = self.ids.block(table, urgent=True)
        self.ids.add(table, self.lease(table, count), count)

    def lease(self, table: str, count: int) -> int:
        """Ask for so many keys, larger than all that were given before: one round trip."""
        ids = self.store.keys.ids
        try:
            last = self.store.request(lambda client: client.hincrby(ids, table, count))
        except StoreRefused as error:
            if not _USED_UP.search(str(error)):
                raise
            raise DataError(
                f"table {table}: no number is left for a new row's key; they end at {INTEGERS - 1}"
            ) from error
        return int(last) - count + 1

    def before_fork(self) -> None:
        """Let whoever applies entries come out of SQLite, whose locks a child would inherit."""
        self._held = self._lock.acquire(timeout=FORK_WAITS_S)

    def after_fork(self) -> None:
        """In the parent: go on."""
        if self._held:
            self._lock.release()

    def new_process(self) -> None:
        """After a fork the pages are still good; locks, sockets and leased keys are not."""
        self._lock = threading.RLock()
        _parents.append(self._applier)
        self._applier = None
        self.store.new_process()
        self.ids.new_process()
        self._unseen.clear()  # its commits are the parent's to tell
        self.counters = Counters()
