"""What a statement does, by its text: all that SQLAlchemy sends comes by as text.

In doubt it writes: a request that seems to have written is not run again where it might have been.
"""

from __future__ import annotations

import enum
import re


class Effect(enum.Enum):
    """What is left of a statement."""

    READS = "nothing"
    WRITES = "what its transaction commits"
    COMMITS = "something at once, or all that its transaction wrote so far"


_START = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*(?!!).*?\*/)*(?P<word>[A-Za-z]+)", re.DOTALL)
_READS = frozenset(
    {"CLOSE", "DECLARE", "DESC", "DESCRIBE", "EXPLAIN", "FETCH", "MOVE", "PRAGMA", "RELEASE"}
    | {"ROLLBACK", "SAVEPOINT", "SELECT", "SET", "SHOW", "USE", "VALUES", "WITH"}
)
_WRITES = frozenset({"COPY", "DELETE", "INSERT", "MERGE", "REPLACE", "UPDATE", "UPSERT"})
_CHANGES = re.compile(
    r"\b(?:INSERT|UPDATE|DELETE|MERGE|REPLACE|UPSERT|INTO|ANALYZE)\b", re.IGNORECASE
)
# A SELECT of rows to lock says UPDATE, too; one INTO a table makes it, or writes a file.
_MAY_CHANGE = {
    "WITH": _CHANGES,
    "EXPLAIN": _CHANGES,
    "SELECT": re.compile(r"\bINTO\b", re.IGNORECASE),
    "VALUES": re.compile(r"\bINTO\b", re.IGNORECASE),
}
# MySQL commits what there is when autocommit is switched on; CockroachDB when this savepoint ends.
_COMMITS = re.compile(r"\bautocommit\b|\bcockroach_restart\b", re.IGNORECASE)


def effect(statement: str) -> Effect:
    """What ``statement`` does.

    DDL commits, since on MySQL and CockroachDB it may; so does BEGIN, what was open before it, and
    whatever is not known here.
    """
    if ";" in statement.rstrip("; \n"):
        return Effect.COMMITS
    found = _START.match(statement)
    word = found["word"].upper() if found else ""
    changes = _MAY_CHANGE.get(word)
    if word in _WRITES or (changes and changes.search(statement)):
        return Effect.WRITES
    commits = (
        word not in _READS
        or (word in {"SET", "RELEASE"} and _COMMITS.search(statement))
        or (word == "PRAGMA" and "=" in statement)  # SQLite's; without a value it reads
    )
    return Effect.COMMITS if commits else Effect.READS
