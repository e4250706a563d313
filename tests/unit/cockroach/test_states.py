"""What each SQLSTATE means, by the names of PostgreSQL's and CockroachDB's tables of them."""

import pytest

from discovery.cockroach import states

MEANINGS = {
    "conflict": {"40001": "serialization_failure", "40P01": "deadlock_detected"},
    "unknown": {
        "08007": "transaction_resolution_unknown",
        "40003": "statement_completion_unknown",
        "XXA00": "transaction committed, schema change failed",
    },
    "lost": {
        "08000": "connection_exception",
        "08001": "sqlclient_unable_to_establish_sqlconnection",
        "08003": "connection_does_not_exist",
        "08004": "sqlserver_rejected_establishment_of_sqlconnection",
        "08006": "connection_failure",
        "57P01": "admin_shutdown",
        "57P02": "crash_shutdown",
        "57P03": "cannot_connect_now",
        "58C00": "range unavailable",
        "58C01": "internal connection failure",
    },
    "nothing": {
        "08P01": "protocol_violation",
        "22012": "division_by_zero",
        "23505": "unique_violation",
        "25P02": "in_failed_sql_transaction",
        "28P01": "invalid_password",
        "40000": "transaction_rollback",
        "40002": "transaction_integrity_constraint_violation",
        "42601": "syntax_error",
        "53200": "out_of_memory",
        "55P03": "lock_not_available",
        "57014": "query_canceled",
        "57P04": "database_dropped",
        "58030": "io_error",
        "XX000": "internal_error",
        "XX001": "data_corrupted",
        "XXUUU": "uncategorized",
    },
}
CASES = [(state, meaning) for meaning, those in MEANINGS.items() for state in those]
TELLING = (
    "restart transaction: x",
    "result is ambiguous",
    "transaction committed but schema change aborted",
    "failed to send RPC",
)


class SaidError(Exception):
    """An error of a driver."""

    def __init__(self, text, pgcode=None):
        super().__init__(text)
        self.pgcode = pgcode


def meanings(error):
    found = {"conflict": states.is_conflict, "unknown": states.is_unknown, "lost": states.is_lost}
    return {name for name, applies in found.items() if applies(error)} or {"nothing"}


@pytest.mark.parametrize(("state", "meaning"), CASES)
def test_a_state_means(state, meaning):
    assert meanings(SaidError("in another language", state)) == {meaning}


@pytest.mark.parametrize(("state", "meaning"), CASES)
@pytest.mark.parametrize("text", TELLING)
def test_a_state_that_says_something_is_believed_before_the_text(state, meaning, text):
    if state not in states.UNSAID:
        assert meanings(SaidError(text, state)) == {meaning}


def test_no_state_has_been_forgotten_here():
    ours = states.CONFLICT | states.UNKNOWN | states.LOST | (states.UNSAID - {None})
    assert ours <= {state for state, _ in CASES}


SAME = ["28000", "28P01", "3D000", "42501", "42704", "22023"]
ALONE = ["58C00", "58C01"]


@pytest.mark.parametrize(("state", "meaning"), CASES)
def test_a_state_says_who_else_would_answer_so(state, meaning):
    error = SaidError("in another language", state)
    assert states.is_same_everywhere(error) == (state in SAME)
    assert states.is_alone(error) == (state in ALONE)


@pytest.mark.parametrize("state", SAME)
def test_a_refusal_is_the_same_everywhere(state):
    assert states.is_same_everywhere(SaidError("in another language", state))


@pytest.mark.parametrize(
    "text",
    [
        "server is not accepting clients, try another node",
        "the database system is starting up",
        "internal error while retrieving user account",
        "sorry, too many clients already",
        "what nobody has heard yet",
    ],
)
def test_an_ailing_host_is_not(text):
    assert not states.is_same_everywhere(SaidError(f"connection to server failed: FATAL:  {text}"))


@pytest.mark.parametrize(
    "text",
    [
        "rpc error: code = Unavailable desc = transport is closing",
        "failed to send RPC: sending to all replicas failed",
        "replica unavailable: (n1,s1):1 unable to serve request",
        "r26: lost quorum (down: (n5,s5):2)",
        "internal error while retrieving user account",
    ],
)
def test_a_node_without_the_others_is_alone(text):
    assert states.is_alone(SaidError(text, "XXUUU"))
    assert not states.is_alone(SaidError(text, "40003"))


@pytest.mark.parametrize("text", ["cannot restart transaction: x", "do not restart transactions"])
def test_the_word_of_a_conflict_stands_first(text):
    assert meanings(SaidError(text)) == {"nothing"}


def test_what_is_not_a_drivers_error_means_nothing():
    assert meanings(ValueError("x")) == {"nothing"}
