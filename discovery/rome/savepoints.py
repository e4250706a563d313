"""Which savepoints a transaction's statements have left open."""

from __future__ import annotations

from collections.abc import Iterable

from discovery.rome.statements import Kind


def written_since_open(statements: Iterable[tuple[Kind, str]]) -> bool:
    """Whether rows were written since a savepoint that could still be rolled back to.

    ``statements``: kind and text of those that worked, in their order.
    """
    opened: list[tuple[str, int]] = []
    writes = 0
    for kind, sql in statements:
        if kind in {"insert", "write", "ddl"}:
            writes += 1
        if kind != "savepoint":
            continue
        verb, *_, name = sql.replace(";", " ").lower().split()
        if verb == "savepoint":
            opened.append((name, writes))
            continue
        place = max(i for i, (known, _) in enumerate(opened) if known == name)
        if verb == "release":
            del opened[place:]
        else:
            writes = opened[place][1]
            del opened[place + 1 :]
    return bool(opened) and opened[0][1] < writes
