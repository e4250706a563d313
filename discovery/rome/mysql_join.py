"""MySQL's UPDATE and DELETE of a join, given as text: what has the same meaning here.

The join is looked up by a SELECT that tells the row numbers of the one table that is changed, and
the values to give; each of those rows is changed once, as MySQL does. SQL that MySQL and SQLite
read in different ways is refused, never run.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from discovery.rome.catalogue import quoted
from discovery.rome.definition import Token, tokens, unquoted
from discovery.rome.errors import NotSupportedError

Columns = Callable[[str], Iterable[str]]
"""The names of a table's columns; none if there is no such table."""

_JOINS = frozenset({"JOIN", "STRAIGHT_JOIN"})
_OF_JOINS = _JOINS | {"INNER", "CROSS", "LEFT", "RIGHT", "OUTER", "NATURAL", "FULL"}
_AFTER_SOURCE = frozenset({"ON", "USING"})
_MODIFIERS = frozenset({"LOW_PRIORITY", "IGNORE", "QUICK"})
_ALIKE = re.compile(
    "ABS|COALESCE|COUNT|IF|IFNULL|LOWER|LTRIM|MAX|MIN|NULLIF|REPLACE|RTRIM|SUM|TRIM|UPPER"
)
"""Functions that both have, with one meaning."""
_BEFORE_PARENTHESES = re.compile(
    "ALL|AND|AS|BETWEEN|BY|CASE|DISTINCT|ELSE|EXISTS|FROM|HAVING|IN|IS|JOIN|LIKE|NOT|ON|OR|SELECT|"
    "SET|STRAIGHT_JOIN|THEN|USING|WHEN|WHERE"
)
_OTHER_SIGNS = frozenset("/%|&^~#!@\\")
"""Operators that the two read in different ways, or that one of them does not have; != is written
with one of them."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table of the join, and what the statement calls it; both without quotes."""

    table: str
    alias: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """A column that is set: the table's alias as written, if any; its name; and the value."""

    owner: str | None
    column: str
    value: str
    names: frozenset[tuple[str | None, str]]


@dataclass(frozen=True, slots=True)
class Joined:
    """A statement in its parts; ``assignments`` is empty for a DELETE, which names ``target``."""

    sources: tuple[Source, ...]
    tables: str
    condition: str
    assignments: tuple[Assignment, ...]
    target: str | None

    def translated(self, columns: Columns) -> str:
        """The same for SQLite.

        Raises:
            NotSupportedError: it changes several tables, or it is not clear which one.
        """
        if self.target is not None:
            source = self._named(self.target)
            chosen = f"SELECT {quoted(source.alias)}._rowid_ {self._found()}"
            return f"DELETE FROM {quoted(source.table)} WHERE _rowid_ IN ({chosen})"
        owners = [self._owner(one, columns) for one in self.assignments]
        if len(set(owners)) > 1:
            _refuse(
                f"it sets columns of {owners[0].alias} and of {owners[1].alias}; write one each"
            )
        source = owners[0]
        self._check_order(source)
        values = "".join(f", ({one.value}) AS v{n}" for n, one in enumerate(self.assignments))
        chosen = f"SELECT {quoted(source.alias)}._rowid_ AS k{values} {self._found()}"
        given = ", ".join(
            f"{quoted(one.column)} = rome_found.v{n}" for n, one in enumerate(self.assignments)
        )
        table = quoted(source.table)
        return (
            f"UPDATE {table} SET {given} FROM ({chosen}) AS rome_found "
            f"WHERE {table}._rowid_ = rome_found.k"
        )

    def _found(self) -> str:
        return f"FROM {self.tables}" + (f" WHERE {self.condition}" if self.condition else "")

    def _named(self, alias: str) -> Source:
        found = [one for one in self.sources if one.alias.lower() == alias.lower()]
        if len(found) != 1 or not found[0].table:
            _refuse(f"{alias} is none of its tables")
        return found[0]

    def _owner(self, assignment: Assignment, columns: Columns) -> Source:
        if assignment.owner is not None:
            return self._named(assignment.owner)
        name = assignment.column.lower()
        found = [
            one
            for one in self.sources
            if one.table and name in {column.lower() for column in columns(one.table)}
        ]
        if len(found) != 1:
            _refuse(f"the column {assignment.column} is in {len(found)} of its tables, not in one")
        return found[0]

    def _check_order(self, source: Source) -> None:
        """Refuse a value of a column that is set, too: MySQL leaves open which one that is."""
        for one in self.assignments:
            for other in self.assignments:
                named = {(None, other.column.lower()), (source.alias.lower(), other.column.lower())}
                if one.column.lower() != other.column.lower() and one.names & named:
                    _refuse(
                        f"{one.column} is set from {other.column}, which it sets as well, and "
                        "MySQL leaves open which one comes first"
                    )


def translated(sql: str, columns: Columns) -> str:
    """``sql``, or what it means for SQLite.

    Raises:
        NotSupportedError: it is of MySQL, and has no certain meaning here.
    """
    found = read(sql)
    return sql if found is None else found.translated(columns)


@functools.lru_cache(maxsize=2048)
def read(sql: str) -> Joined | None:
    """An UPDATE or DELETE of a join, as only MySQL knows it; None for all else.

    Raises:
        NotSupportedError: it is one, and has no certain meaning here.
    """
    words = _with_numbers(_solid(tokens(sql)))
    verb = words[0].word if words else ""
    joined = _READ[verb](words[1:]) if verb in _READ else None
    if joined is not None:
        if "/*!" in sql:
            _refuse("a comment in it is for MySQL to run")
        _check_alike(words)
    return joined


def _solid(found: Iterable[Token]) -> list[Token]:
    """Without blanks, and without a semicolon at the end."""
    words = [token for token in found if token.kind != "space"]
    while words and words[-1].text == ";":
        words.pop()
    return words


def _update(words: Sequence[Token]) -> Joined | None:
    tables, behind = _split(words, "SET")
    if not behind or not _is_join(tables):
        return None
    if tables[0].word in _MODIFIERS:
        _refuse(f"it is {tables[0].word}")
    changes, condition = _split(behind[1:], "WHERE")
    _check_no_rest(behind)
    return Joined(
        _sources(tables),
        _text(tables),
        _text(condition[1:]),
        tuple(_assignment(part) for part in _parts(changes)),
        None,
    )


def _delete(words: Sequence[Token]) -> Joined | None:
    """``DELETE t FROM … `` and ``DELETE FROM t USING …``."""
    targets, behind = _split(words, "FROM")
    if targets:
        tables, condition = _split(behind[1:], "WHERE")
    else:
        targets, behind = _split(behind[1:], "USING")
        tables, condition = _split(behind[1:], "WHERE")
    if not targets or not behind:
        return None
    names = [token for token in targets if token.text not in {".", "*"}]
    if len(names) != 1:
        _refuse("it deletes from several tables, or with a modifier; write one DELETE each")
    _check_no_rest(behind)
    target = unquoted(names[0].text)
    return Joined(_sources(tables), _text(tables), _text(condition[1:]), (), target)


def _split(words: Sequence[Token], keyword: str) -> tuple[Sequence[Token], Sequence[Token]]:
    """What is before a keyword outside of parentheses, and the keyword with all behind it."""
    for place, token in enumerate(words):
        if not token.depth and token.word == keyword:
            return words[:place], words[place:]
    return words, ()


def _is_join(tables: Sequence[Token]) -> bool:
    outside = [token for token in tables if not token.depth]
    return any(token.text == "," or token.word in _JOINS for token in outside)


def _parts(words: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in words:
        if token.text == "," and not token.depth:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _sources(tables: Sequence[Token]) -> tuple[Source, ...]:
    """The tables of a join; a subquery has an alias and no table."""
    parts: list[list[Token]] = [[]]
    kinds: set[str] = set()
    for token in tables:
        if not token.depth and (token.text == "," or token.word in _OF_JOINS):
            kinds.add(token.word or ",")
            if token.text == "," or token.word in _JOINS:
                parts.append([])
        else:
            parts[-1].append(token)
    for kind in kinds & {"NATURAL", "FULL"}:
        _refuse(f"write a {kind} JOIN as another one")
    if {",", "RIGHT"} <= kinds:
        _refuse("a comma and a RIGHT JOIN have another order here")
    return tuple(_source(part) for part in parts)


def _source(part: Sequence[Token]) -> Source:
    end = next(
        (n for n, one in enumerate(part) if not one.depth and one.word in _AFTER_SOURCE), len(part)
    )
    named = [token for token in part[:end] if not token.depth and token.word != "AS"]
    if named and named[0].text == "(":
        if part[1].word != "SELECT" or len(named) != 3:
            _refuse("a join stands in parentheses")
        return Source("", unquoted(named[-1].text))
    if not 1 <= len(named) <= 2 or any(one.kind not in {"word", "name"} for one in named):
        _refuse(f"{_text(part[:end]) or 'nothing'} is no table of this database, with one alias")
    return Source(unquoted(named[0].text), unquoted(named[-1].text))


def _assignment(part: Sequence[Token]) -> Assignment:
    place = next((n for n, token in enumerate(part) if token.text == "="), 0)
    named = part[:place]
    if [one.text for one in named[1::2]] not in ([], ["."]) or len(named) not in {1, 3}:
        _refuse(f"{_text(part)} sets no column of a table")
    names = [unquoted(token.text) for token in named[::2]]
    value = part[place + 1 :]
    if not value:
        _refuse(f"{_text(part)} gives no value")
    if any(token.word == "DEFAULT" for token in value):
        _refuse("write the value that DEFAULT stands for")
    owner = names[0] if len(names) > 1 else None
    return Assignment(owner, names[-1], _text(value), frozenset(_names(value)))


def _names(words: Sequence[Token]) -> Iterable[tuple[str | None, str]]:
    """The columns that an expression may name."""
    for place, token in enumerate(words):
        if token.name:
            qualified = place > 1 and words[place - 1].text == "."
            yield (words[place - 2].name if qualified else None), token.name


def _check_no_rest(words: Sequence[Token]) -> None:
    for token in words:
        if not token.depth and token.word in {"ORDER", "LIMIT", "RETURNING"}:
            _refuse(f"MySQL has no {token.word} where a join is changed")


def _check_alike(words: Sequence[Token]) -> None:
    """Refuse what MySQL and SQLite read in different ways.

    Raises:
        NotSupportedError: naming it.
    """
    for place, token in enumerate(words):
        after = words[place + 1] if place + 1 < len(words) else None
        if token.kind == "string" and "\\" in token.text:
            _refuse(f"a backslash in {token.text} is one here, and an escape in MySQL")
        if token.kind == "name" and token.text[0] != "`":
            _refuse(f"{token.text} is a text in MySQL; write it in single quotes, a name in `")
        if token.text in _OTHER_SIGNS and not (token.text == "!" and after and after.text == "="):
            _refuse(f"the sign {token.text} has another meaning here than in MySQL, or none")
        if _is_literal(token, after):
            _refuse(f"the literal {token.text} has another meaning here than in MySQL, or none")
        calls = token.word and after and after.text == "("
        if calls and not any(p.fullmatch(token.word) for p in (_ALIKE, _BEFORE_PARENTHESES)):
            _refuse(f"the function {token.text} has another meaning here than in MySQL, or none")


def _is_literal(token: Token, after: Token | None) -> bool:
    """Whether it begins a number or text that is not written like any other, such as x'41'."""
    if after is not None and after.kind == "string":
        return token.word in {"X", "B", "N"} or token.word.startswith("_")
    return re.fullmatch(r"0[XB]\w*|\d+E", token.word) is not None


def _with_numbers(words: Sequence[Token]) -> list[Token]:
    """Parameters with their numbers, since their order changes."""
    numbered: list[Token] = []
    count = 0
    for token in words:
        if token.text == "?":
            count += 1
            numbered.append(Token("parameter", f"?{count}", token.depth))
        else:
            numbered.append(token)
    return numbered


def _text(words: Sequence[Token]) -> str:
    """SQL again; what stands together with a point or in an operator stays together."""
    text, before = "", None
    for token in words:
        word = "JOIN" if token.word == "STRAIGHT_JOIN" else token.text
        close = before is not None and (
            "." in (before.text, token.text)
            or (before.text in {"<", ">", "!"} and token.text in {"=", ">", "<"})
            or (token.text == "(" and _ALIKE.fullmatch(before.word) is not None)
        )
        text += word if close or not text else f" {word}"
        before = token
    return text


def _refuse(why: str) -> NoReturn:
    raise NotSupportedError(f"an UPDATE or DELETE of a join, as MySQL has it, cannot be run: {why}")


_READ = {"UPDATE": _update, "DELETE": _delete}
