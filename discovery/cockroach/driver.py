"""What both drivers do alike: connect, and tell a lost connection from an answer."""

from __future__ import annotations

from typing import Any

from discovery.cockroach import states
from discovery.cockroach.hosts import Hosts


class Driver:
    """Comes before one of SQLAlchemy's psycopg2 dialects, whose methods it goes on to."""

    driver = "oslo"
    supports_statement_cache = True
    loaded_dbapi: Any

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._hosts = Hosts()
        super().__init__(*arguments, **keywords)

    def connect(self, *arguments: Any, **keywords: Any) -> Any:
        """A connection to the first of the hosts that lets us in; see :class:`Hosts`."""
        above: Any = super()
        if arguments:
            return above.connect(*arguments, **keywords)
        return self._hosts.connect(above.connect, self.loaded_dbapi.Error, keywords)

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Whether the pool should drop its connections.

        A node that let us in and misses the others is then asked last for some seconds.
        """
        above: Any = super()
        known: bool = above.is_disconnect(e, connection, cursor)
        lost = isinstance(e, self.loaded_dbapi.Error) and states.is_lost(e)
        if lost and states.is_alone(e):
            self._hosts.set_aside(connection)
        return known or lost
