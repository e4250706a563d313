"""Which savepoints a transaction's statements have left open."""

from __future__ import annotations

from collections.abc import Iterable

from discovery.rome.statements import Kind


def verb_and_name(sql: str) -> tuple[str, str]:
    """``savepoint``, ``release`` or ``rollback``, and the savepoint that is meant."""
    verb, *_, name = sql.replace(";", " ").lower().split()
    return verb, name.strip('"')


def written_since(statements: Iterable[tuple[Kind, str]]) -> set[str]:
    """The savepoints that are open, and since which rows were written.

    ``statements``: kind and text of those that worked, in their order.
    """
    opened: list[tuple[str, int]] = []
    writes = 0
    for kind, sql in statements:
        if kind in {"insert", "write"}:
            writes += 1
        if kind != "savepoint":
            continue
        verb, name = verb_and_name(sql)
        if verb == "savepoint":
            opened.append((name, writes))
            continue
        place = max(i for i, (known, _) in enumerate(opened) if known == name)
        if verb == "release":
            del opened[place:]
        else:
            writes = opened[place][1]
            del opened[place + 1 :]
    return {name for name, before in opened if before < writes}
