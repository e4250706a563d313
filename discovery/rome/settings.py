"""What a ``rome://`` URL may say, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from discovery.rome.errors import InterfaceError

DEFAULT_PORT = 6379
MOST_SECONDS = 86_400.0
_OPTIONS = ("cluster", "fresh", "wait", "timeout", "keep", "foreign_keys", "lock_wait", "keys")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """One database on one Redis, and how to use it. Equal settings share one replica.

    ``fresh``: ``sync`` begins every transaction with the newest state, for one round trip; ``push``
    begins with what Redis has sent so far, for none. ``wait``: replicas that must acknowledge a
    commit. ``timeout``: seconds that a request is tried for; one second where a process has never
    reached this Redis and nobody listens. ``keep``: commits that the log holds,
    for a database that is made by this connection. ``foreign_keys``: whether they are enforced.
    ``lock_wait``: seconds that a locking read waits for others at most.
    ``keys``: ``leased`` in blocks, or ``ordered`` as transactions commit.
    """

    hosts: tuple[tuple[str, int], ...]
    database: str
    username: str | None = None
    password: str | None = None
    cluster: bool = False
    fresh: str = "sync"
    wait: int = 0
    timeout: float = 10.0
    keep: int = 10_000
    foreign_keys: bool = True
    lock_wait: float = 50.0
    keys: str = "leased"

    @property
    def address(self) -> str:
        """The hosts, as in the URL."""
        return ",".join(f"{host}:{port}" for host, port in self.hosts)


def _boolean(key: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in _BOOLEANS:
        raise InterfaceError(f"rome URL: {key}={value} is not allowed; true or false")
    return _BOOLEANS[str(value).lower()]


def _seconds(key: str, value: object, least: float) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = least - 1
    if not least <= number <= MOST_SECONDS:
        raise InterfaceError(
            f"rome URL: {key}={value} is not allowed; seconds from {least:g} to {MOST_SECONDS:g}"
        )
    return number


def _integer(key: str, value: object, least: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if number < least:
        raise InterfaceError(f"rome URL: {key}={value} is not allowed; a whole number from {least}")
    return number


def parse_hosts(text: str) -> tuple[tuple[str, int], ...]:
    """``h1:p1,h2`` as pairs of host and port."""
    hosts = []
    for item in text.split(","):
        host, _, port = item.strip().rpartition(":") if ":" in item else (item.strip(), "", "")
        number = int(port) if port.isdecimal() else 0 if port else DEFAULT_PORT
        if not host or not 0 < number < 65536:
            raise InterfaceError(f"rome URL: {item!r} is no address; host or host:port")
        hosts.append((host.strip("[]"), number))
    return tuple(hosts)


def parse(
    hosts: str,
    database: str | None,
    username: str | None = None,
    password: str | None = None,
    **options: object,
) -> Settings:
    """The settings of one URL.

    Raises:
        InterfaceError: naming the option, its value, and what is allowed.
    """
    if not database:
        raise InterfaceError("rome URL: no database; rome://host:port/database")
    if any(character in database for character in "{}"):
        raise InterfaceError(f"rome URL: database {database!r} must not contain {{ or }}")
    values: Mapping[str, object] = options
    unknown = sorted(set(values) - set(_OPTIONS))
    if unknown:
        raise InterfaceError(
            f"rome URL: option {unknown[0]!r} is not known; one of {', '.join(_OPTIONS)}"
        )
    fresh = str(values.get("fresh", "sync"))
    if fresh not in {"sync", "push"}:
        raise InterfaceError(f"rome URL: fresh={fresh} is not allowed; sync or push")
    keys = str(values.get("keys", "leased"))
    if keys not in {"leased", "ordered"}:
        raise InterfaceError(f"rome URL: keys={keys} is not allowed; leased or ordered")
    addresses = parse_hosts(hosts)
    cluster = _boolean("cluster", values.get("cluster", False))
    if len(addresses) > 1 and not cluster:
        raise InterfaceError(
            "rome URL: several hosts are a cluster's; add ?cluster=true, or name one"
        )
    return Settings(
        hosts=addresses,
        database=database,
        username=username,
        password=password,
        cluster=cluster,
        fresh=fresh,
        wait=_integer("wait", values.get("wait", 0), 0),
        timeout=_seconds("timeout", values.get("timeout", 10.0), 0.1),
        keep=_integer("keep", values.get("keep", 10_000), 10),
        foreign_keys=_boolean("foreign_keys", values.get("foreign_keys", True)),
        lock_wait=_seconds("lock_wait", values.get("lock_wait", 50.0), 0.0),
        keys=keys,
    )
