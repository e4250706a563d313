"""What an error of psycopg2 means, by SQLSTATE first and by its text where there is no state.

A connection that is not opened has no SQLSTATE, and libpq words its own errors. Errors that nodes
have with each other reach a client with gRPC's text and a state that says nothing about it:
``XXUUU`` (CockroachDB's "uncategorized", whatever has no other) or ``XX000`` (internal error).
"""

from __future__ import annotations

import re

CONFLICT = frozenset({"40001", "40P01"})
"""Another transaction came first: nothing of this one was or will be done, run all of it again."""

UNKNOWN = frozenset({"40003", "08007", "XXA00"})
"""The transaction may be done: the node that answers cannot know, or it knows of one half."""

LOST = frozenset(
    {
        *("08000", "08001", "08003", "08004", "08006"),
        *("57P01", "57P02", "57P03"),
        *("58C00", "58C01"),
    }
)
"""The connection failed, or the server goes, has gone, or is not yet there.

The last two are CockroachDB's own: a range, or another node, is not to be had.
"""

UNSAID = frozenset({None, "XX000", "XXUUU"})
"""What leaves it to the text."""

_CONFLICT_TEXT = re.compile(r"^restart transaction:")
_UNKNOWN_TEXT = re.compile(r"result is ambiguous|transaction committed but schema change aborted")
LOST_TEXTS = (
    # libpq, when it connects
    r"connection to server (?:at|on socket) .*? failed",
    r"could not connect to server",
    r"could not translate host name",
    # libpq, later
    r"no connection to the server",
    # nodes of CockroachDB that stop, start, or miss each other
    r"is shutting down",
    r"not accepting clients",
    r"code = Unavailable",
    r"failed to send RPC",
    r"replica unavailable",
)
"""What has no SQLSTATE of its own, and is not among what SQLAlchemy's psycopg2 dialect knows."""

ALONE = frozenset({"58C00", "58C01"})
"""The node that answers is well, and misses others without which it can do nothing."""

_ALONE_TEXT = re.compile(
    r"code = Unavailable|failed to send RPC|replica unavailable|lost quorum"
    r"|internal error while retrieving user account"
)

SAME_EVERYWHERE = frozenset({"3D000", "42501", "42704", "22023"})
"""What any host would answer: no such database, no right to it, no such setting or value.

So would it, with every state of class 28, whom it does not know.
"""

_SAME_TEXT = re.compile(
    r"authentication failed for user|no password supplied"
    r'|(?:role|database) ".*" does not exist|pg_hba\.conf'
    r"|permission denied for database|not permitted to log in|does not have login privilege"
    r"|unrecognized configuration parameter|invalid value for parameter"
)


def sqlstate(error: BaseException | None) -> str | None:
    """The five characters that the server sent with an error of psycopg2; None without."""
    state: str | None = getattr(error, "pgcode", None)
    return state


def is_conflict(error: BaseException) -> bool:
    """Whether the whole transaction is to be run again, and is known not to have been done."""
    state = sqlstate(error)
    return state in CONFLICT if state else bool(_CONFLICT_TEXT.search(str(error)))


def is_unknown(error: BaseException) -> bool:
    """Whether nobody can say if the transaction was done."""
    state = sqlstate(error)
    return state in UNKNOWN or (state in UNSAID and bool(_UNKNOWN_TEXT.search(str(error))))


def is_lost(error: BaseException) -> bool:
    """Whether a server was not reached, or is not there any more."""
    if is_unknown(error):
        return False
    state = sqlstate(error)
    if state in LOST:
        return True
    return state in UNSAID and any(map(_is_lost_line, str(error).splitlines()))


def is_alone(error: BaseException) -> bool:
    """Whether the node that answers lacks other nodes."""
    state = sqlstate(error)
    return state in ALONE or (state in UNSAID and bool(_ALONE_TEXT.search(str(error))))


def is_same_everywhere(error: BaseException) -> bool:
    """Whether every host would answer a client that connects so: the next need not be asked.

    What is not known as such is not: a host may ail in ways, and languages, that are not listed.
    """
    state = sqlstate(error)
    if state:
        return state in SAME_EVERYWHERE or state.startswith("28")
    return bool(_SAME_TEXT.search(str(error)))


def _is_lost_line(line: str) -> bool:
    """With several hosts there is what happened to each, in a line of its own.

    A server that answers, and refuses a password or a database, is there.
    """
    return any(re.search(text, line) for text in LOST_TEXTS) and not _SAME_TEXT.search(line)
