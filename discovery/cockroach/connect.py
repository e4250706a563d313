"""What libpq is given: several hosts in the order of the URL, and how long it waits for each.

``cockroachdb+oslo://user@local:26257/db?host=second:26257&host=third`` connects to the first host
that lets us in, so the nearest stands first. :mod:`discovery.cockroach.hosts` gives them to libpq
one by one: the next one is tried where a host refuses, is silent for ``connect_timeout`` seconds,
drains, starts, or lacks the other nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.engine.url import URL

from discovery.cockroach.errors import UrlError

PATIENCE: Mapping[str, str] = {
    # A node that is dead says nothing: what a client waits before it asks the next one.
    "connect_timeout": "3",
    # A connection whose other end is gone is noticed after 5 + 3 * 2 s of silence, not after hours.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    # The same for a request that is on its way and is never acknowledged (milliseconds).
    "tcp_user_timeout": "11000",
}
"""libpq's options where the URL does not give them."""


def arguments(url: URL, port: int, session: Mapping[str, str]) -> dict[str, Any]:
    """Keywords for ``psycopg2.connect``.

    ``port`` is that of hosts without one. ``session`` are variables of the server's session; they
    travel with the connection's first message and cost no round trip. Those in the URL's own
    ``options`` come later, and win.
    """
    query = {name: value for name, value in url.query.items() if name != "host"}
    repeated = sorted(name for name, value in query.items() if not isinstance(value, str))
    if repeated:
        raise UrlError(f"{', '.join(repeated)}: given more than once; only host may be")
    names = {"user": url.username, "password": url.password, "dbname": url.database}
    given = {name: value for name, value in names.items() if value}
    hosts = list(_hosts(url, port))
    if hosts:
        given["host"] = ",".join(host for host, _ in hosts)
        given["port"] = ",".join(number for _, number in hosts)
    options = [f"-c {name}={value}" for name, value in session.items()]
    if "options" in query:
        options.append(str(query.pop("options")))
    return {**PATIENCE, **({"options": " ".join(options)} if options else {}), **given, **query}


def _hosts(url: URL, port: int) -> Iterable[tuple[str, str]]:
    if url.host:
        yield url.host, str(url.port or port)
    more = url.query.get("host", ())
    for text in [more] if isinstance(more, str) else more:
        yield _host(text, port)


def _host(text: str, port: int) -> tuple[str, str]:
    """A host of the query: a name or address, in brackets where it has colons, and a port."""
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        separator, number = rest[:1], rest[1:]
        whole = bool(bracket) and separator in {"", ":"}
    else:
        name, separator, number = text.partition(":")
        whole = True
    if not name or not whole or (separator and not number.isdecimal()):
        raise UrlError(f"host={text}: must be a name or an address, or either with :port")
    return name, number or str(port)


def switch(url: URL, name: str) -> tuple[URL, str | None]:
    """An option ``name=on|off`` of the URL's query; see :func:`choice`."""
    return choice(url, name, ("on", "off"))


def choice(url: URL, name: str, allowed: Sequence[str]) -> tuple[URL, str | None]:
    """The URL without the option ``name`` of its query, and its value; None if not given."""
    value = url.query.get(name)
    if value is not None and value not in allowed:
        raise UrlError(f"{name}={value}: must be {' or '.join(allowed)}")
    return url.difference_update_query([name]), value if isinstance(value, str) else None
