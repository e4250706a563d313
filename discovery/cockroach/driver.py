"""What both drivers do alike: connect, and tell a lost connection from an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine.url import URL

from discovery.cockroach import connect, foreign_keys, states
from discovery.cockroach.hosts import Hosts


class Driver:
    """Comes before one of SQLAlchemy's psycopg2 dialects, whose methods it goes on to."""

    driver = "oslo"
    supports_statement_cache = True
    loaded_dbapi: Any

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._hosts = Hosts()
        self.foreign_key_indexes = True
        super().__init__(*arguments, **keywords)

    def arguments(self, url: URL, port: int, session: Mapping[str, str]) -> dict[str, Any]:
        """Those of ``psycopg2.connect``; what the URL says of foreign keys is kept here."""
        url, indexes = connect.switch(url, foreign_keys.OPTION)
        self.foreign_key_indexes = indexes != "off"
        return connect.arguments(url, port, session)

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
