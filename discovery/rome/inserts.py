"""What an INSERT of given values gives: how many rows, and each one's key or none."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from discovery.rome.catalogue import Table, Value

_TOKEN = re.compile(
    r"""\s+|--[^\n]*|/\*.*?\*/|('[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*"|`[^`]*`|\[[^\]]*\]|[\w.$]+|.)""",
    re.DOTALL,
)
_INTEGER = re.compile(r"\A\d+\Z")


@dataclass(frozen=True, slots=True)
class Insert:
    """The columns that it names, lower case, or None; and per row each value.

    A value is the number of its parameter, True where it is certainly given, or else False.
    """

    columns: tuple[str, ...] | None
    rows: tuple[tuple[int | bool, ...], ...]


@functools.lru_cache(maxsize=2048)
def insert_of(sql: str) -> Insert | None:
    """What ``sql`` gives, or None where that is not plain to see."""
    tokens = [found.group(1) for found in _TOKEN.finditer(sql) if found.group(1)]
    words = [token.upper() for token in tokens]
    if words[:2] != ["INSERT", "INTO"] or "VALUES" not in words:
        return None
    start = words.index("VALUES")
    columns = None
    if words[3] == "(" and words[start - 1] == ")":
        columns = tuple(_name(token) for token in tokens[4 : start - 1] if token != ",")
    elif start != 3:
        return None
    rows = _rows(tokens[start + 1 :])
    return None if rows is None else Insert(columns, rows)


def _name(token: str) -> str:
    return token.strip('"`[]').replace('""', '"').lower()


def _rows(tokens: Sequence[str]) -> tuple[tuple[int | bool, ...], ...] | None:
    """``(…), (…)`` up to the end or to RETURNING."""
    rows: list[tuple[int | bool, ...]] = []
    values: list[int | bool] = []
    value: list[str] = []
    depth = asked = 0
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if token == "?" and following.isdigit():  # a parameter by its number
            return None
        if depth == 0:
            if token.upper() == "RETURNING":
                break
            if token not in {"(", ",", ";"}:
                return None
        if depth == 1 and token in {",", ")"}:
            values.append(asked if value == ["?"] else _is_given(value))
            value = []
            if token == ")":
                rows.append(tuple(values))
                values = []
        elif depth:
            value.append(token)
        depth += (token == "(") - (token == ")")
        asked += token == "?"
    return tuple(rows)


def _is_given(value: Sequence[str]) -> bool:
    digits = value[1:] if value[:1] == ["-"] else value
    leased = bool(value) and value[0].lower() == "rome_id"
    return leased or (len(digits) == 1 and _INTEGER.match(digits[0]) is not None)


def gives_all_keys(sql: str, parameters: Sequence[Value], table: Table) -> bool:
    """Whether no row's key is left for SQLite to choose, by the greatest one that is there."""
    if table.rowid:
        return False
    if not table.integer_key:
        return True
    insert = insert_of(sql)
    if insert is None:
        return False
    names = insert.columns or tuple(name.lower() for name in table.columns)
    key = table.columns[table.primary.columns[0]].lower()
    if key not in names:
        return False
    place = names.index(key)
    return all(len(row) > place and _there(row[place], parameters) for row in insert.rows)


def _there(value: int | bool, parameters: Sequence[Value]) -> bool:
    if isinstance(value, bool):
        return value
    return value - 1 < len(parameters) and parameters[value - 1] is not None


def rows_of(sql: str) -> int | None:
    """How many rows it is to insert, where that is plain to see."""
    insert = insert_of(sql)
    return None if insert is None else len(insert.rows)
