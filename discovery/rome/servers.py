"""Where a database is now: at an address, where a cluster has its slot, or Sentinels a master."""

from __future__ import annotations

import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import AuthenticationError, NoPermissionError, SlotNotCoveredError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from discovery.rome.connections import client_of, greet, tls_options
from discovery.rome.errors import StoreRefused
from discovery.rome.settings import Address, Settings


def find(settings: Settings, key: str, options: dict[str, Any]) -> Address:
    """The address of the server that holds ``key``.

    Raises:
        StoreRefused: no Sentinel knows the master.
        RedisError, OSError: nobody says where it is.
    """
    if settings.socket is not None:
        return settings.socket
    if settings.cluster:
        return _by_cluster(settings, key, options)
    if settings.sentinel is not None:
        return _by_sentinel(settings, options)
    return settings.hosts[0]


def greet_one(settings: Settings, seconds: float) -> None:
    """Make sure that one of the addresses in the URL is a Redis, or at least not another server.

    Raises:
        InvalidResponse: it is another server.
        ConnectionError, TimeoutError: of redis-py: it closes the connection, or says nothing.
    """
    until = time.monotonic() + seconds
    addresses: tuple[Address, ...] = settings.hosts or (settings.socket or "",)
    failure: Exception | None = None
    for address in addresses:
        try:
            greet(address, settings.files, max(until - time.monotonic(), 0.05))
        except TimeoutError:
            failure = failure or RedisTimeoutError("Timeout reading from socket")
        except RedisConnectionError as error:
            failure = failure or error
        except OSError:  # redis-py meets it, too, and has the words
            continue
        else:
            return
    if failure is not None:
        raise failure


def _by_cluster(settings: Settings, key: str, options: dict[str, Any]) -> Address:
    node: Any = ClusterNode
    tls = {} if settings.files is None else {"ssl": True, **tls_options(settings.files)}
    cluster: Any = RedisCluster(
        startup_nodes=[node(*address) for address in settings.hosts],
        retry=Retry(NoBackoff(), 0),
        **tls,
        **options,
    )
    try:
        holder = cluster.get_node_from_key(key)
    finally:
        cluster.close()
    if holder is None:
        raise SlotNotCoveredError("no node holds the slot")
    return str(holder.host), int(holder.port)


def _by_sentinel(settings: Settings, options: dict[str, Any]) -> Address:
    failure: Exception | None = None
    for address in settings.hosts:
        try:
            said = _ask_sentinel(address, settings, options)
        except (redis.RedisError, OSError) as error:
            failure = failure or error
            continue
        if said is not None:
            found = said[0].decode(), int(said[1])
            _require_master(found, settings, options)
            return found
    if failure is not None:
        raise failure
    raise StoreRefused(
        f"redis at {settings.address} knows no master sentinel={settings.sentinel}; a name that "
        "is in the Sentinels' configuration"
    )


def _ask_sentinel(address: Address, settings: Settings, options: dict[str, Any]) -> Any:
    """What one Sentinel says; it is told the URL's password only if it wants one."""
    anonymous = {**options, "username": None, "password": None}
    for known in (anonymous, options):
        with client_of(address, settings.files, **known) as client:
            try:
                return client.execute_command(
                    "SENTINEL", "GET-MASTER-ADDR-BY-NAME", str(settings.sentinel)
                )
            except (AuthenticationError, NoPermissionError):  # it wants to know who asks
                if known is options:
                    raise
    raise AssertionError


def _require_master(found: Address, settings: Settings, options: dict[str, Any]) -> None:
    """A Sentinel may name one that has not been told yet that it is the master, or that it is not.

    Raises:
        RedisConnectionError: ask again.
    """
    with client_of(found, settings.files, **options) as client:
        said = client.info("replication")  # ROLE is one of the commands that a user may not have
    if said["role"] != "master":
        raise RedisConnectionError("the server that Sentinel names is no master yet")
