"""What a ``rome://`` URL may say, checked before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from discovery.rome.errors import InterfaceError
from discovery.rome.secret import Secret

DEFAULT_PORT = 6379
SENTINEL_PORT = 26379
LONGEST_PASSWORD = 10_000
MOST_SECONDS = 86_400.0
MOST_REPLICAS = 1_000
MOST_KEPT = 1_000_000_000
LONGEST_SOCKET = 107
"""Bytes of a unix socket's path on Linux."""

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


Address = tuple[str, int] | str
"""Of a server: host and port, or the path of its unix socket."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM: whose certificates are believed (the system's if None), ours, and its key."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None


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
    ``socket``: the path of a unix socket, instead of hosts. ``sentinel``: what the Sentinels at
    ``hosts`` call the master. ``tls``: whether it is spoken to them and to Redis, and with which
    files.
    """

    hosts: tuple[tuple[str, int], ...]
    database: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    cluster: bool = False
    fresh: str = "sync"
    wait: int = 0
    timeout: float = 10.0
    keep: int = 10_000
    foreign_keys: bool = True
    lock_wait: float = 50.0
    keys: str = "leased"
    socket: str | None = None
    sentinel: str | None = None
    tls: bool = False
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @property
    def files(self) -> Tls | None:
        """How TLS is spoken, if it is."""
        return Tls(self.ca, self.cert, self.key) if self.tls else None

    @property
    def follows(self) -> bool:
        """Whether somebody says where the master is, and may name another one later."""
        return self.cluster or self.sentinel is not None

    @property
    def address(self) -> str:
        """The hosts, as in the URL, or the socket."""
        if self.socket is not None:
            return self.socket
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


def _integer(key: str, value: object, least: int, most: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise InterfaceError(
            f"rome URL: {key}={value} is not allowed; a whole number from {least} to {most}"
        )
    return number


def _path(key: str, value: object, what: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not Path(value).is_absolute():
        raise InterfaceError(f"rome URL: {key}={value} is not allowed; the path, from /, of {what}")
    return value


def _may_be_host(name: str) -> bool:
    """Whether it can be looked up: no part of it is empty, or longer than names of hosts are."""
    try:
        return name.encode("idna") != b""
    except UnicodeError:
        return False


def parse_hosts(text: str, port_of_none: int = DEFAULT_PORT) -> tuple[tuple[str, int], ...]:
    """``h1:p1,h2`` as pairs of host and port."""
    hosts = []
    if "@" in text:  # what stands before it may be a password's end
        raise InterfaceError("rome URL: a host has an @; in a user or a password, write it as %40")
    for item in map(str.strip, text.split(",")):
        bare = ":" not in item or item.endswith("]")
        host, _, port = (item, "", "") if bare else item.rpartition(":")
        number = int(port) if port.isdecimal() else 0 if port else port_of_none
        if not _may_be_host(host) or not 0 < number < 65536:
            raise InterfaceError(f"rome URL: {item!r} is no address; host or host:port")
        hosts.append((host.strip("[]"), number))
    return tuple(hosts)


def _password(given: str | None, options: Mapping[str, object]) -> str | None:
    """The password: in the URL, or where the URL says."""
    named = [key for key in ("password_env", "password_file") if key in options]
    if len(named) + (given is not None) > 1:
        raise InterfaceError(
            f"rome URL: {named[0]}={options[named[0]]} is not allowed beside another password; "
            "name one"
        )
    if not named:
        return None if given is None else Secret(given)
    key, value = named[0], str(options[named[0]])
    if key == "password_env":
        if value not in os.environ:
            raise InterfaceError(
                f"rome URL: password_env={value} is not allowed; a variable of the environment "
                "that is set"
            )
        return Secret(os.environ[value])
    try:
        with Path(value).open(encoding="utf-8") as file:
            said = file.read(LONGEST_PASSWORD)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InterfaceError(
            f"rome URL: password_file={value} is not allowed ({why}); a file that holds the "
            "password"
        ) from None
    return Secret(said.removesuffix("\n").removesuffix("\r"))


_OPTIONS = (
    *("cluster", "fresh", "wait", "timeout", "keep", "foreign_keys", "socket", "sentinel"),
    *("tls", "ca", "cert", "key", "password_env", "password_file", "lock_wait", "keys"),
)


def parse(
    hosts: str | None,
    database: str | None,
    username: str | None = None,
    password: str | None = None,
    **options: object,
) -> Settings:
    """The settings of one URL; without ``hosts`` they are of this machine.

    Raises:
        InterfaceError: naming the option, its value, and what is allowed.
    """
    password = None if password is None else Secret(password)
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
    cluster = _boolean("cluster", values.get("cluster", False))
    return Settings(
        **_place(hosts, values, cluster=cluster),
        database=database,
        username=username,
        password=_password(password, values),
        cluster=cluster,
        fresh=fresh,
        wait=_integer("wait", values.get("wait", 0), 0, MOST_REPLICAS),
        timeout=_seconds("timeout", values.get("timeout", 10.0), 0.1),
        keep=_integer("keep", values.get("keep", 10_000), 10, MOST_KEPT),
        foreign_keys=_boolean("foreign_keys", values.get("foreign_keys", True)),
        lock_wait=_seconds("lock_wait", values.get("lock_wait", 50.0), 0.0),
        keys=keys,
    )


def _place(hosts: str | None, values: Mapping[str, object], *, cluster: bool) -> dict[str, Any]:
    """Where Redis is, and how it is spoken to."""
    socket = _path("socket", values.get("socket"), "a unix socket")
    sentinel = values.get("sentinel")
    tls = _boolean("tls", values.get("tls", False))
    if socket is not None:
        if len(os.fsencode(socket)) > LONGEST_SOCKET:
            raise InterfaceError(
                f"rome URL: socket={socket} is not allowed; a path of {LONGEST_SOCKET} bytes at "
                "most"
            )
        beside = [("a host", hosts), ("cluster", cluster), ("sentinel", sentinel), ("tls", tls)]
        for what, given in beside:
            if given:
                raise InterfaceError(
                    f"rome URL: socket={socket} is not allowed beside {what}; name one of the two"
                )
        return {"hosts": (), "socket": socket}
    if sentinel is not None and (cluster or not isinstance(sentinel, str) or not sentinel):
        raise InterfaceError(
            f"rome URL: sentinel={sentinel} is not allowed; one name of a master, without cluster"
        )
    port = DEFAULT_PORT if sentinel is None else SENTINEL_PORT
    addresses = parse_hosts(hosts or "127.0.0.1", port)
    if len(addresses) > 1 and not cluster and sentinel is None:
        raise InterfaceError(
            "rome URL: several hosts are a cluster's or Sentinels; add ?cluster=true or "
            "?sentinel=name, or name one"
        )
    files = {
        "ca": _path("ca", values.get("ca"), "certificates in PEM"),
        "cert": _path("cert", values.get("cert"), "a certificate in PEM"),
        "key": _path("key", values.get("key"), "the certificate's key in PEM"),
    }
    given = [name for name, path in files.items() if path is not None]
    if given and not tls:
        raise InterfaceError(
            f"rome URL: {given[0]}={files[given[0]]} is not allowed without tls=true"
        )
    if ("cert" in given) != ("key" in given):
        alone, other = ("cert", "key") if "cert" in given else ("key", "cert")
        raise InterfaceError(
            f"rome URL: {alone}={files[alone]} is not allowed without {other}=, the other file of "
            "the client's certificate"
        )
    return {"hosts": addresses, "sentinel": sentinel, "tls": tls, **files}
