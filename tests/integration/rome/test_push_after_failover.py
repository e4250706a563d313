"""With fresh=push, a process does not go on unknowingly with a state of a lost history."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from discovery.rome.errors import TailLost
from tests.redis_servers import RedisServer, redis_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


def rows_of(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT id FROM t")).scalars())


def test_a_commit_that_meets_a_failover_lets_the_next_transaction_tell(server: RedisServer) -> None:
    """Redis forgets what the process has been sent, then accepts the process's commit."""
    other = create_engine(server.url("x"))
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
    mine = create_engine(server.url("x", fresh="push"))
    connection = mine.connect()
    assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 0
    connection.execute(text("INSERT INTO t VALUES (1)"))
    replica = connection.connection.driver_connection.replica  # type: ignore[union-attr]

    with server.client() as client:
        before = {key: client.dump(key) for key in client.keys("*")}
        with other.begin() as theirs:
            theirs.execute(text("INSERT INTO t VALUES (2)"))
            theirs.execute(text("INSERT INTO t VALUES (3)"))
        lost = replica.fresh()
        _become(client, before)

    connection.commit()
    connection.close()
    assert replica.state.seq >= lost.seq
    with pytest.raises(OperationalError) as told:
        rows_of(mine)
    assert isinstance(told.value.orig, TailLost)
    assert rows_of(mine) == [1]
    mine.dispose()
    other.dispose()


@pytest.mark.parametrize("fresh", ["push", "sync"])
def test_a_commit_that_a_replaced_master_accepted_is_told_as_lost(
    server: RedisServer, fresh: str
) -> None:
    """The process follows the new master already; its commit goes to the old one, and is lost."""
    other = create_engine(server.url("x"))
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
    mine = create_engine(server.url("x", fresh=fresh))
    connection = mine.connect()
    assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 0
    connection.execute(text("INSERT INTO t VALUES (1)"))
    replica = connection.connection.driver_connection.replica  # type: ignore[union-attr]

    with server.client() as client:
        old = {key: client.dump(key) for key in client.keys("*")}
        with other.begin() as theirs:
            theirs.execute(text("INSERT INTO t VALUES (2)"))
        replica.fresh()
        new = {key: client.dump(key) for key in client.keys("*")}
        _become(client, old)
        connection.commit()
        connection.close()
        _become(client, new)

    with pytest.raises(OperationalError) as told:
        rows_of(mine)
    assert isinstance(told.value.orig, TailLost)
    assert rows_of(mine) == [2]
    with mine.begin() as again:
        again.execute(text("INSERT INTO t VALUES (3)"))
    assert rows_of(mine) == [2, 3]
    assert replica.counters.tails_lost == 1
    mine.dispose()
    other.dispose()


def _become(client: Redis, state: dict[bytes, bytes]) -> None:
    """Let Redis have these keys and no others, as another server has them."""
    for key in client.keys("*"):
        client.delete(key)
    for key, value in state.items():
        client.restore(key, 0, value)
