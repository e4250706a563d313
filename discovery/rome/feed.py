"""``fresh=push``: the log is sent to this process as it grows, so that reads cost no round trip."""

from __future__ import annotations

import os
import threading
import time

from discovery.rome.errors import Error
from discovery.rome.log import Entry, of_stream
from discovery.rome.replica import Replica
from discovery.rome.state import State

PAUSE_MS = 500
"""How long Redis may be silent before it is asked whether the replica is still right."""

ENTRIES = 100
"""How many Redis sends at once; their sizes it does not look at."""

STALE_AFTER_S = 2.0
"""No transaction begins on a state that is older: it asks, as with sync.

The age is counted from when the request was sent whose answer is the state. Redis gave that answer
later, so the bound holds whatever the network did to it.
"""

IDLE_S = 60.0
"""A feed of which nothing has been asked for so long ends."""


class Feed:
    """A thread that follows the log of one replica."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._process = 0
        self._asked = -STALE_AFTER_S
        self._used = 0.0
        self._start = threading.Lock()

    def state(self) -> State:
        """The state as last heard of; the newest one where the feed has gone silent.

        Raises:
            TailLost: once, when Redis has lost commits that the feed had seen.
            ConnectionLost, StoreRefused: from the store.
        """
        self._used = time.monotonic()
        if self._process != os.getpid():
            with self._start:
                if self._process != os.getpid():
                    self._process = os.getpid()
                    threading.Thread(target=self._follow, name="rome-feed", daemon=True).start()
        lost, self._replica.untold = self._replica.untold, None
        if lost is not None:
            raise lost
        stale = time.monotonic() - self._asked > STALE_AFTER_S
        if stale or self._replica.place.seq < self._replica.owed:
            return self._replica.fresh()
        return self._replica.state

    def new_process(self) -> None:
        """After a fork: the thread stayed with the parent, and so did what it had heard."""
        self._start = threading.Lock()
        self._asked = -STALE_AFTER_S

    def _follow(self) -> None:
        replica, process = self._replica, self._process
        self._used = time.monotonic()
        while os.getpid() == process and not self._idle():
            try:
                asked = time.monotonic()
                entries = self._next_entries()
                replica.advance(entries)
                more = len(entries) >= ENTRIES  # `fresh` takes them in parts of a bounded size
                if not entries or more or replica.place.seq < entries[-1][0]:
                    asked = time.monotonic()
                    replica.fresh(tell=False)
                self._asked = asked
            except Error:  # transactions meet the same error, and tell their callers
                time.sleep(PAUSE_MS / 1000)

    def _idle(self) -> bool:
        """Whether nobody reads any more; the next transaction starts a thread anew, and asks."""
        with self._start:
            idle = time.monotonic() - self._used > IDLE_S
            if idle:
                self._process = 0
            return idle

    def _next_entries(self) -> list[Entry]:
        store, last = self._replica.store, self._replica.place.seq
        pause = int(min(PAUSE_MS, store.patience * 500))
        how = ("COUNT", ENTRIES, "BLOCK", pause)
        place = ("STREAMS", store.keys.log, f"{last}-0")
        reply = store.request(lambda client: client.ask("XREAD", *how, *place))
        return of_stream(reply)
