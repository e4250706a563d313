"""What Redis' answers mean, as new and old versions of redis-py put them."""

import pytest
from redis import exceptions

from discovery.rome.answers import TRANSIENT, absent, classified, perhaps_done, refusal

REFUSED = "Error 111 connecting to 127.0.0.1:1. Connection refused."


def says(error, *, cluster=False):
    return refusal(error, follows=cluster, prefix="rome:{db}")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.AuthenticationError("Authentication required."), "refuses this user"),
        (exceptions.AuthenticationError("invalid username-password pair"), "refuses this user"),
        (
            exceptions.RedisClusterException("No node: Authentication required."),
            "refuses this user",
        ),
        (exceptions.NoPermissionError("this user has no permissions"), "does not let this user"),
        (exceptions.ReadOnlyError("You can't write"), "is a read-only replica"),
        (exceptions.OutOfMemoryError("command not allowed"), "is out of memory"),
        (
            exceptions.ResponseError("MISCONF Redis is configured to save"),
            "cannot save to its disk",
        ),
        (exceptions.ResponseError("WRONGTYPE Operation against"), "keys named rome:{db}:…"),
        (
            exceptions.ResponseError("This instance has cluster support disabled"),
            "is no cluster; take",
        ),
        (exceptions.MovedError("1 h:2"), "is a member of a cluster; add"),
        (exceptions.ResponseError("ERR unknown command"), "cannot do that"),
        (exceptions.ResponseError("ERR unknown command 'SENTINEL', with"), "is no Sentinel; look"),
    ],
)
def test_answers_that_stay(error, said):
    assert said in says(error)
    assert not perhaps_done(error)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError("Connection closed by server."),
        exceptions.TimeoutError("Timeout reading from socket"),
        exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        exceptions.ResponseError("BUSY Redis is busy running a script."),
        exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
        exceptions.TryAgainError("Multiple keys request during rehashing of slot"),
        exceptions.ClusterDownError("The cluster is down"),
        exceptions.MovedError("1 h:2"),
        exceptions.ReadOnlyError("You can't write against a read only replica."),
    ],
)
def test_answers_that_pass(error):
    assert says(error, cluster=True) is None


@pytest.mark.parametrize(
    ("error", "perhaps"),
    [
        (exceptions.ConnectionError(REFUSED), False),
        (exceptions.TimeoutError("Timeout connecting to server"), False),
        (exceptions.RedisClusterException("Redis Cluster cannot be connected."), False),
        (exceptions.BusyLoadingError("Redis is loading"), False),
        (exceptions.ResponseError("BUSY Redis is busy running a script."), False),
        (exceptions.ConnectionError("Connection closed by server."), True),
        (exceptions.TimeoutError("Timeout reading from socket"), True),
        (OSError("broken pipe"), True),
    ],
)
def test_what_may_have_been_done(error, perhaps):
    assert perhaps_done(error) is perhaps


@pytest.mark.parametrize("before", ["", "Command # 1 (HGETALL k) of pipeline caused error: "])
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ASK 839 127.0.0.1:46775", exceptions.AskError),
        ("MOVED 839 127.0.0.1:46775", exceptions.MovedError),
        ("TRYAGAIN Multiple keys request during rehashing of slot", exceptions.TryAgainError),
        ("CLUSTERDOWN The cluster is down", exceptions.ClusterDownError),
        ("MASTERDOWN Link with MASTER is down", exceptions.MasterDownError),
    ],
)
def test_answers_without_a_class(before, text, kind):
    error = classified(exceptions.ResponseError(before + text))
    assert type(error) is kind
    assert isinstance(error, TRANSIENT) or kind is exceptions.AskError
    if kind in {exceptions.AskError, exceptions.MovedError}:
        assert (error.slot_id, error.host, error.port) == (839, "127.0.0.1", 46775)


def test_other_errors_stay_what_they_are():
    for error in (exceptions.ResponseError("ERR ASK me"), exceptions.TryAgainError("ASK 1 h:2")):
        assert classified(error) is error


def test_absent():
    assert absent(exceptions.ConnectionError(REFUSED))
    assert absent(exceptions.RedisClusterException(f"cannot be connected: {REFUSED}"))
    assert not absent(exceptions.TimeoutError("Timeout connecting to server"))
    assert not absent(exceptions.ConnectionError("Connection closed by server."))
