"""One host after the other, since libpq stops at the first one that answers, whatever it says.

libpq goes on to the next host where one is silent or refuses the connection. A node that drains, or
has lost the others, answers: then libpq gives up, with healthy hosts after it. So each host is
asked on its own, in the order of the URL, until one lets us in or says what all of them would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from discovery.cockroach import states

ASIDE_S = 10.0
"""How long a host is asked last after it let us in and then could not do its work."""

# Which host is asked, and in which order, is then libpq's own business.
_LIBPQ_CHOOSES = frozenset({"hostaddr", "load_balance_hosts", "service", "target_session_attrs"})

Host = tuple[str, str]
"""A name or an address, and a port."""


class Hosts:
    """The hosts of one engine; remembers those that let clients in and cannot serve them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._aside_until: dict[Host, float] = {}

    def connect(
        self, ask: Callable[..., Any], error: type[Exception], arguments: Mapping[str, Any]
    ) -> Any:
        """What ``ask`` gives for the first host that lets us in.

        ``ask`` is the driver's ``connect``, ``error`` the class of its errors. ``arguments`` are
        keywords, with hosts and ports as libpq takes them: separated by commas. An error that any
        host would have answered is raised at once. One that comes after others' names them all.
        """
        hosts = list(self._in_turn(arguments))
        if len(hosts) < 2:
            return ask(**arguments)
        said: list[str] = []
        for number, (host, port) in enumerate(hosts, 1):
            try:
                return ask(**{**arguments, "host": host, "port": port})
            except error as refusal:
                said += [line for line in _lines(refusal) if line not in said]
                if number < len(hosts) and not states.is_same_everywhere(refusal):
                    continue
                if number == 1:
                    raise
                raise type(refusal)("\n".join(said)) from refusal
        raise AssertionError("each host was asked, and neither let us in nor refused")

    def set_aside(self, connection: Any) -> None:
        """Ask the host of ``connection`` last for some seconds."""
        # Where this is loaded without a driver, there is no connection either.
        from psycopg2.extensions import parse_dsn  # type: ignore[import-untyped]  # noqa: PLC0415

        dsn = getattr(connection, "dsn", None)
        if isinstance(dsn, str):
            given = parse_dsn(dsn)
            host = given.get("host", ""), given.get("port", "")
            self._aside_until[host] = self._clock() + ASIDE_S

    def _in_turn(self, arguments: Mapping[str, Any]) -> Iterator[Host]:
        """The hosts, those set aside at the end; none where libpq is to choose."""
        if _LIBPQ_CHOOSES & set(arguments):
            return
        names = str(arguments.get("host", "")).split(",")
        ports = str(arguments.get("port", "")).split(",")
        if len(ports) == 1:
            ports *= len(names)
        if len(ports) != len(names):
            return  # libpq says what is wrong with them
        now = self._clock()
        hosts = list(zip(names, ports, strict=True))
        yield from sorted(hosts, key=lambda host: self._aside_until.get(host, now) > now)


def _lines(refusal: Exception) -> list[str]:
    return str(refusal).rstrip().splitlines()
