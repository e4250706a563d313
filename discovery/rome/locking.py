"""Locking reads, from their text: FOR UPDATE, FOR SHARE, and whose rows they name.

SQLite knows none of it. The clause is taken out of the text, wherever it stands but in literals and
comments; and a SELECT of plain tables can be made to show the keys of the rows that it has found,
or to pass over rows that others hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Waiting = Literal["wait", "nowait", "skip"]

TOKEN = re.compile(  # its quoted parts may be of any length: no choice is made within them
    r"""'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*"|`[^`]*`|"""
    r"""\[[^\]]*\]|--[^\n]*|/\*.*?\*/|[^'"`\[;?/-]+|.""",
    re.DOTALL,
)
_MAY_LOCK = re.compile(r"\bFOR\b|\bLOCK\b", re.IGNORECASE)
_NAME = r"[\w$]+(?:\s*\.\s*[\w$]+)*"
_CLAUSE = re.compile(
    rf"""\b(?:FOR\s+(?:(?:NO\s+KEY\s+)?UPDATE|(?P<share>(?:KEY\s+)?SHARE))
    |(?P<old>LOCK\s+IN\s+SHARE\s+MODE))\b
    (?:\s+OF\s+(?P<of>{_NAME}(?:\s*,\s*{_NAME})*))?
    (?:\s+(?P<wait>NOWAIT|SKIP\s+LOCKED)\b)?""",
    re.IGNORECASE | re.VERBOSE,
)
_SELECT = re.compile(r"\s*SELECT\b(?:\s+ALL\b)?(?P<distinct>\s+DISTINCT\b)?", re.IGNORECASE)
_PART = re.compile(
    r"\b(FROM|WHERE|GROUP\s+BY|HAVING|WINDOW|ORDER\s+BY|LIMIT|UNION|INTERSECT|EXCEPT)\b",
    re.IGNORECASE,
)
_VERB = re.compile(r"\b(SELECT|VALUES|INSERT|REPLACE|UPDATE|DELETE)\b", re.IGNORECASE)
_NAMED = re.compile(r"\?\d|[:@$][A-Za-z_]")
_GROUPS = re.compile(
    r"\b(count|sum|avg|min|max|total|group_concat|string_agg|jsonb?_group_\w+)\s*\(|\bOVER\b",
    re.IGNORECASE,
)
_JOIN = re.compile(
    r",|\b(?:NATURAL\s+)?(?:(?:LEFT|RIGHT|FULL|INNER|CROSS)\s+)?(?:OUTER\s+)?JOIN\b", re.IGNORECASE
)
_SOURCE = re.compile(
    rf"\s*(?P<name>{_NAME})(?:\s+(?:AS\s+)?(?!(?:ON|USING|INDEXED|NOT)\b)(?P<alias>[\w$]+))?"
    r"\s*(?:\b(?:ON|USING)\b.*)?\Z",
    re.IGNORECASE | re.DOTALL,
)
_SEVERAL = re.compile(r"\b(IN|OR)\b", re.IGNORECASE)
_IS = re.compile(r"\bIS\b", re.IGNORECASE)
_AGAIN = re.compile(r"\bSELECT\b.*\bSELECT\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Source:
    """A table of a FROM, and what the statement calls it; both as written, without quotes."""

    table: str
    alias: str


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT in its parts. ``places``: parameters in the list, in FROM and WHERE, and behind.

    ``grouped``: its rows are not those of its tables. ``several``: some condition may name more
    than one value for a column, or is of a SELECT inside, which may call another table the same.
    ``nulls``: some condition may be true of NULL, of which a unique key takes any number.
    """

    listed: str
    sources: tuple[Source, ...]
    tables: str
    where: str
    rest: str
    grouped: bool
    several: bool
    nulls: bool
    places: tuple[int, int, int]

    def with_columns(self, columns: Sequence[str], condition: str = "") -> str:
        """The statement with more columns behind its own, of rows that meet ``condition``."""
        more = "".join(f", {column}" for column in columns)
        return f"{self.listed}\n{more} {self._found(condition)}{self.rest}"

    def only_columns(self, columns: Sequence[str], condition: str = "") -> str:
        """``columns`` of all rows that WHERE finds."""
        return f"SELECT {', '.join(columns)} {self._found(condition)}"

    def _found(self, condition: str) -> str:
        both = [text for text in (condition, self.where and f"({self.where}\n)") if text]
        where = f"WHERE {' AND '.join(both)} " if both else ""
        return f"FROM {self.tables}\n{where}"


@dataclass(frozen=True, slots=True)
class Locking:
    """What a statement locks: all rows that it finds of its tables, or of those that it names.

    ``select`` is None where the tables cannot be told from the text: views, subqueries, UNION.
    """

    sql: str
    shared: bool
    waiting: Waiting
    of: tuple[str, ...]
    select: Select | None

    def with_text(self, sql: str) -> Locking:
        """The same, where its parameters stand in the text."""
        if sql == self.sql:
            return self
        return replace(self, sql=sql, select=None if self.select is None else _select(sql))


def locking(sql: str) -> Locking | None:
    """What ``sql`` locks, None if nothing."""
    if not _MAY_LOCK.search(sql):
        return None
    hidden = _hidden(sql)
    clauses = list(_CLAUSE.finditer(hidden))
    if not clauses:
        return None
    text = sql
    of: list[str] = []
    waiting: Waiting = "wait"
    for clause in reversed(clauses):
        text = text[: clause.start()].rstrip() + text[clause.end() :]
        if clause["of"]:
            of[:0] = [_unquoted(name) for name in _names(sql, hidden, *clause.span("of"))]
        if clause["wait"]:
            waiting = "nowait" if clause["wait"].upper() == "NOWAIT" else "skip"
    if not all(clause["of"] for clause in clauses):
        of = []
    shared = all(clause["share"] or clause["old"] for clause in clauses)
    inside = any(_top(hidden)[clause.start()] == "\0" for clause in clauses)
    select = None if inside else _select(text)
    return Locking(text, shared, waiting, tuple(of), select)


def verb_behind_with(sql: str) -> str:
    """What a statement that begins with WITH does: SELECT, INSERT, …; nothing if it is wrong."""
    verb = _VERB.search(_top(_hidden(sql)))
    return verb.group().upper() if verb else ""


def _hidden(sql: str) -> str:
    """``sql`` with quoted names as words, literals and comments as nothing; nothing is moved."""
    return "".join(_cover(token) for token in TOKEN.findall(sql))


def _cover(token: str) -> str:
    if token.startswith(("--", "/*")):
        return " " * len(token)
    if token[0] in '"`[' and len(token) > 1:
        return "_" * len(token)
    return "'" * len(token) if token[0] == "'" else token


def _top(hidden: str) -> str:
    """``hidden`` without what is in parentheses; nothing is moved."""
    depth, shown = 0, []
    for character in hidden:
        depth -= character == ")"
        shown.append(character if depth == 0 else "\0")
        depth += character == "("
    return "".join(shown)


def _names(sql: str, hidden: str, start: int, end: int) -> list[str]:
    places = [(m.start(), m.end()) for m in re.finditer(_NAME, hidden[start:end])]
    return [sql[start + first : start + last] for first, last in places]


def _unquoted(name: str) -> str:
    """The last part of a name, without quotes."""
    last: str = re.findall(r'"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|[\w$]+', name)[-1]
    return last[1:-1].replace('""', '"') if last[0] in '"`[' else last


def _select(sql: str) -> Select | None:
    hidden = _hidden(sql)
    top = _top(hidden)
    begun = _SELECT.match(hidden)
    if begun is None or _NAMED.search(hidden):
        return None
    parts = [(m.group(1).upper().split()[0], m.start(), m.end()) for m in _PART.finditer(top)]
    names = [name for name, _, _ in parts]
    if names[:1] != ["FROM"] or names.count("FROM") > 1 or {"UNION", "INTERSECT"} & {*names}:
        return None
    if "EXCEPT" in names or ";" in top.rstrip().rstrip(";"):
        return None
    end = len(top.rstrip().rstrip(";"))
    starts = [start for _, start, _ in parts[1:]] + [end]
    _, from_start, from_end = parts[0]
    sources = _sources(sql, top, from_end, starts[0])
    if sources is None:
        return None
    where, rest_start = "", starts[0]
    if names[1:2] == ["WHERE"]:
        where = sql[parts[1][2] : starts[1]].strip()
        rest_start = starts[1]
    listed = hidden[:from_start]
    return Select(
        listed=sql[:from_start].rstrip(),
        sources=sources,
        tables=sql[from_end : starts[0]].strip(),
        where=where,
        rest=sql[rest_start:end],
        grouped=bool(begun["distinct"] or _GROUPS.search(listed) or {"GROUP", "WINDOW"} & {*names}),
        several=bool(_SEVERAL.search(hidden[from_start:rest_start]) or _AGAIN.search(hidden)),
        nulls=bool(_IS.search(hidden[from_start:rest_start])),
        places=(
            listed.count("?"),
            hidden[from_start:rest_start].count("?"),
            hidden[rest_start:].count("?"),
        ),
    )


def _sources(sql: str, top: str, start: int, end: int) -> tuple[Source, ...] | None:
    found, begin = [], start
    for join in (*_JOIN.finditer(top, start, end), None):
        stop = join.start() if join else end
        source = _SOURCE.match(top[begin:stop])
        if source is None:
            return None
        table = _unquoted(sql[begin + source.start("name") : begin + source.end("name")])
        alias = table
        if source["alias"]:
            alias = _unquoted(sql[begin + source.start("alias") : begin + source.end("alias")])
        found.append(Source(table, alias))
        begin = join.end() if join else end
    return tuple(found)
