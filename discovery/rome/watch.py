"""A look at Redis once a minute: whether it still holds what was committed, and will go on to.

Each process that uses a database looks, in a thread of its own, when a transaction begins and the
last look is old; no transaction waits for it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Any

from discovery.rome.damage import damaged
from discovery.rome.errors import Damaged, Error, StoreRefused
from discovery.rome.head import HELD
from discovery.rome.scripts import LOOK
from discovery.rome.settings import Settings
from discovery.rome.state import State
from discovery.rome.store import Store
from discovery.rome.totals import Loss

LOOK_S = 60.0
AGAIN_S = 2.0
"""How soon to look again where something is wrong: somebody may be putting it right."""

_log = logging.getLogger(__name__)


def lost(settings: Settings, key: bytes, holds: int, committed: int) -> Damaged:
    """What a script has found: a key that holds less, or more, than was committed."""
    name, _, table = key.decode(errors="replace").partition(":")
    key_of, what = (f"table {table}", "rows") if name == "rows" else HELD[name]
    more = name == "rows" and holds > committed
    return damaged(settings, str(Loss(key_of, f"{holds} {what}", str(committed), more=more)))


class Watch:
    """What the last look has found: ``trouble`` stops writes, ``found`` is for the next caller."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.due = time.monotonic() + LOOK_S
        self.trouble: Damaged | StoreRefused | None = None
        self.found: Damaged | StoreRefused | None = None
        self._durable = True

    def look(self, state: State) -> None:
        """Begin to look, if it is time to."""
        now = time.monotonic()
        if now >= self.due:
            self.due = now + LOOK_S
            threading.Thread(
                target=self._look, args=(state,), name="rome-look", daemon=True
            ).start()

    def _look(self, state: State) -> None:
        with contextlib.suppress(Error):  # transactions meet the same, and tell their callers
            self.now(state)

    def now(self, state: State) -> None:
        """Look.

        Raises:
            ConnectionLost, StoreRefused: from the store.
        """
        store = self._store
        tables = list(state.catalogue.tables)
        keys = [*store.keys.fixed, *map(store.keys.rows, tables)]
        reply = store.run(LOOK, keys, list(tables))
        memory, persistence = store.request(_server)
        before = self.trouble
        if reply[0] == b"LOST":
            self.trouble = lost(store.settings, *reply[1:])
        else:
            self.trouble = store.forgets(memory)
        if self.trouble is not None:
            self.due = time.monotonic() + AGAIN_S
            if before is None:
                self.found = self.trouble
        self._note_durability(bool(persistence.get("aof_enabled")))

    def _note_durability(self, durable: bool) -> None:
        if self._durable and not durable:
            _log.warning(
                "redis at %s has appendonly no: what it holds of database %r is lost when it ends",
                *(self._store.settings.address, self._store.settings.database),
            )
        self._durable = durable


def _server(client: Any) -> list[dict[str, Any]]:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.info("memory")
        pipeline.info("persistence")
        said: list[dict[str, Any]] = pipeline.execute()
    return said
