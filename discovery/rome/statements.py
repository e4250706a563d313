"""What a statement is, from its text: the driver has to know before SQLite does."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import apsw

from discovery.rome.catalogue import Value, names_inner
from discovery.rome.errors import ProgrammingError
from discovery.rome.literals import literal
from discovery.rome.locking import TOKEN, Locking, locking, verb_behind_with
from discovery.rome.pragmas import kind_of_pragma

Kind = Literal[
    "constant",
    "read",
    "insert",
    "write",
    "ddl",
    "savepoint",
    "begin",
    "setting",
    "commit",
    "rollback",
    "several",
    "refused",
    "alone",
]

COMMENTS = re.compile(r"\A(\s+|--[^\n]*\n|/\*.*?\*/)+", re.DOTALL)
_WORD = re.compile(r"\A[A-Za-z]+")
_TEMPORARY = re.compile(r"\A(CREATE|DROP)\s+TEMP(ORARY)?\b", re.IGNORECASE)
_WRITES_INNER = re.compile(
    r"""\b(?:INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM)\s+(?:\w+\s*\.\s*)?["'`\[]?sqlite_""",
    re.IGNORECASE,
)
_INNER_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TRIGGER = re.compile(r"\ACREATE\s+(?:TEMP(?:ORARY)?\s+)?TRIGGER\b", re.IGNORECASE)
_ROLLBACK_TO = re.compile(r"\AROLLBACK\s+(TRANSACTION\s+)?TO\b", re.IGNORECASE)
_CONSTANT = re.compile(r"\ASELECT\s+\d+\s*\Z", re.IGNORECASE)
_INSERT = re.compile(r"\AINSERT\s+INTO\b", re.IGNORECASE)
_INTO = re.compile(
    r"""\A(?:INSERT(?:\s+OR\s+\w+)?|REPLACE)\s+INTO\s+("(?:[^"]|"")+"|[^\s("]+)""", re.IGNORECASE
)
_DEPENDS = re.compile(r"\bSELECT\b|\bON\s+CONFLICT\b|\bIN\b", re.IGNORECASE)
_KINDS: dict[str, Kind] = {
    "SELECT": "read",
    "VALUES": "read",
    "EXPLAIN": "read",
    "PRAGMA": "read",
    "CREATE": "ddl",
    "DROP": "ddl",
    "ALTER": "ddl",
    "REINDEX": "setting",
    "ANALYZE": "setting",
    "BEGIN": "begin",
    "COMMIT": "commit",
    "END": "commit",
    "ROLLBACK": "rollback",
    "SAVEPOINT": "savepoint",
    "RELEASE": "savepoint",
    "ATTACH": "refused",
    "DETACH": "refused",
    "VACUUM": "refused",
}


NOTHING = re.compile(r"\A(;|\s+|--[^\n]*|/\*.*?\*/)*\Z", re.DOTALL)
_ID = re.compile(r"\brome_id\(\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shape:
    """A statement's kind, what it locks, the keys it needs, where it inserts.

    ``constant`` reads no table (a pool's ping). ``insert`` is an INSERT of given values, whose
    outcome depends on no row but those that it would violate a key with; every other change is a
    ``write``. A ``setting`` is what oslo.db tells SQLite of each new connection, and the URL says
    here; nothing is done. ``several`` statements in one text, what is ``refused``, and what would
    change the replica of one process ``alone``, are errors. ``inner``: it may name
    SQLite's own tables.
    """

    kind: Kind
    locking: Locking | None
    ids: tuple[tuple[str, str], ...]
    into: str | None = None
    inner: bool = False


@functools.lru_cache(maxsize=2048)
def shape(sql: str) -> Shape:
    """What ``sql`` is.

    Raises:
        ProgrammingError: it has a NUL, where SQLite would take it to end.
    """
    if "\0" in sql:
        raise ProgrammingError("a statement's text has a NUL; give such a value as a parameter")
    text = COMMENTS.sub("", sql)
    word = _WORD.match(text)
    verb = word.group().upper() if word else "SELECT"
    kind = _KINDS.get(verb_behind_with(text) if verb == "WITH" else verb, "write")
    if _is_several(text):
        kind = "several"
    elif _TRIGGER.match(text) and _WRITES_INNER.search(_INNER_COMMENT.sub(" ", text)):
        kind = "alone"
    elif kind == "ddl" and _TEMPORARY.match(text):
        kind = "write"
    elif word and word.group().upper() == "PRAGMA":
        kind = kind_of_pragma(text)
    elif kind == "rollback" and _ROLLBACK_TO.match(text):
        kind = "savepoint"
    elif _CONSTANT.match(text):
        kind = "constant"
    elif _INSERT.match(text) and not _DEPENDS.search(text):
        kind = "insert"
    named = _INTO.match(text)
    into = named.group(1).strip('"').replace('""', '"') if named else None
    return Shape(kind, _locking(kind, sql), tuple(_ids(text)), into, names_inner(sql))


def _locking(kind: Kind, sql: str) -> Locking | None:
    return locking(sql) if kind in {"read", "insert", "write"} else None


def _is_several(sql: str) -> bool:
    """Whether something follows the first statement's semicolon; a trigger has some inside."""
    if ";" not in sql:
        return False
    tokens = TOKEN.findall(sql)
    for place, token in enumerate(tokens, 1):
        if token == ";" and apsw.complete("".join(tokens[:place])):
            return any(not NOTHING.match(later) for later in tokens[place:])
    return False


def _ids(sql: str) -> Iterator[tuple[str, str]]:
    """The keys that ``rome_id('table', 'column')`` asks for, but not where a literal says so."""
    if "rome_id" not in sql:
        return
    tokens = TOKEN.findall(sql)
    for call, table, comma, column in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False):
        if _ID.search(call) and comma.strip() == "," and table[0] == column[0] == "'":
            yield _unquoted(table), _unquoted(column)


def _unquoted(literal: str) -> str:
    return literal[1:-1].replace("''", "'")


def with_literals(sql: str, values: Sequence[Value]) -> str:
    """``sql`` with its parameters written out: SQLite binds no more than 32,766 of them.

    Raises:
        ProgrammingError: more or fewer parameters than question marks.
    """
    tokens = TOKEN.findall(sql)
    wanted = tokens.count("?")
    if wanted != len(values):
        raise ProgrammingError(f"the statement has {wanted} parameters and {len(values)} are given")
    left = iter(values)
    return "".join(literal(next(left)) if token == "?" else token for token in tokens)
