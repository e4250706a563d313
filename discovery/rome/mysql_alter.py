"""MySQL's ALTER TABLE, where a migration writes it as text: what has the same meaning here."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from discovery.rome.definition import Clause, Definition, parse, tokens, unquoted
from discovery.rome.errors import ProgrammingError

Change = Callable[[Definition], bool]
_ALTER = re.compile(
    r"\s*ALTER\s+TABLE\s+(`[^`]+`|\"[^\"]+\"|\w+)\s+(.+?)[\s;]*\Z", re.IGNORECASE | re.DOTALL
)
_COLLATION = re.compile(
    r"(CONVERT\s+TO\s+)?(?:DEFAULT\s+)?(?:CHARACTER\s+SET|CHARSET)\s*=?\s*(\w+)"
    r"(?:\s+COLLATE\s*=?\s*(\w+))?\Z",
    re.IGNORECASE,
)
_DROP = re.compile(
    r"DROP\s+(?:(PRIMARY)\s+KEY|(?:(FOREIGN)\s+KEY|INDEX|KEY|CONSTRAINT)\s+(\S+))\Z", re.IGNORECASE
)
_ADD = re.compile(
    r"ADD\s+((?:CONSTRAINT|PRIMARY\s+KEY|UNIQUE|FOREIGN\s+KEY|CHECK)\b.+)\Z",
    re.IGNORECASE | re.DOTALL,
)
_UNIQUE = re.compile(r"UNIQUE(?:\s+(?:INDEX|KEY))?\s*(`[^`]+`|\w+)?\s*(?=\()", re.IGNORECASE)
_MODIFY = re.compile(r"MODIFY\s+(?:COLUMN\s+)?(\S+\s.+)\Z", re.IGNORECASE | re.DOTALL)


def read(sql: str) -> tuple[str, list[Change]] | None:
    """The table, and what changes in it; None for all that is not understood as a whole."""
    found = _ALTER.match(sql)
    if found is None:
        return None
    changes = [_change(action.strip()) for action in _actions(found.group(2))]
    known = [change for change in changes if change is not None]
    return (unquoted(found.group(1)), known) if len(known) == len(changes) else None


def _actions(text: str) -> list[str]:
    actions = [""]
    for token in tokens(text):
        if token.text == "," and not token.depth:
            actions.append("")
        else:
            actions[-1] += token.text
    return actions


def _change(action: str) -> Change | None:
    if found := _COLLATION.match(action):
        convert, charset, collation = found.groups()
        exact = charset.lower() == "binary" or (collation or "").lower().endswith(
            ("_bin", "_cs", "binary")
        )
        return partial(_collate, "BINARY" if exact else "NOCASE") if convert else _nothing
    if found := _DROP.match(action):
        primary, foreign, name = found.groups()
        kind = "primary" if primary else "foreign" if foreign else None
        return _must(action, lambda table: table.remove(kind, name and unquoted(name)))
    if found := _ADD.match(action):
        text = _UNIQUE.sub(_named, found.group(1))
        added = parse(f"CREATE TABLE t (x, {text})").constraints
        return lambda table: table.add(added)
    if found := _MODIFY.match(action):
        (column,) = parse(f"CREATE TABLE t ({found.group(1)})").columns
        return _must(action, lambda table: table.modify(column))
    return None


def _must(action: str, change: Change) -> Change:
    def changed(table: Definition) -> bool:
        if not change(table):
            raise ProgrammingError(f"{action}: the table has no such column or constraint")
        return True

    return changed


def _named(unique: re.Match[str]) -> str:
    return f"CONSTRAINT {unique.group(1)} UNIQUE " if unique.group(1) else "UNIQUE "


def _nothing(table: Definition) -> bool:
    return False


def _collate(collation: str, table: Definition) -> bool:
    for column in table.columns:
        if re.search("CHAR|TEXT|CLOB", column.type, re.IGNORECASE):
            column.without("collate")
            column.type = re.sub(r"\s+COLLATE\s+\w+", "", column.type, flags=re.IGNORECASE)
            column.clauses.insert(0, Clause("collate", f"COLLATE {collation}"))
    return True
