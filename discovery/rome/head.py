"""The head of a database on Redis and its schema: what both a boot and the tools begin with."""

from __future__ import annotations

from typing import Any

from discovery.rome.errors import OperationalError, StoreRefused
from discovery.rome.settings import Settings
from discovery.rome.store import Command, Store, mapping
from discovery.rome.totals import Loss

FORMAT = b"2"
"""What new databases are."""

UNCOUNTED = b"1"
"""A database that was made before there were totals; `discovery rome repair` adds them."""

KNOWN = (UNCOUNTED, FORMAT)

Head = dict[str, bytes]


def head_of(reply: Any) -> Head:
    """HGETALL's answer about the head; nothing where there is no database."""
    return {name.decode(errors="replace"): value for name, value in mapping(reply).items()}


def read_head(store: Store, *more: Command) -> tuple[Head, list[bytes], list[Any]]:
    """The head, the schema, and the answers to ``more``, as of one moment: one round trip."""
    reply, schema, *answers = store.at_once(
        [["HGETALL", store.keys.head], ["LRANGE", store.keys.schema, 0, -1], *more]
    )
    return head_of(reply), schema, answers


def same_schema(before: Head, after: Head) -> bool:
    """Whether the tables are what they were: no DDL in between, nor another database."""
    return all(before.get(name) == after.get(name) for name in ("epoch", "schema"))


def uncounted(head: Head, statements: int, totals: int, entries: int, versions: int) -> list[Loss]:
    """Which of a database's keys do not hold as much as its head says."""
    if head.get("format") != FORMAT:
        return []
    kept = int(head.get("seq", 0)) - int(head.get("oldest", 1)) + 1
    return [
        Loss(f"its {key}", f"{held} {what}", str(right), key == "schema")
        for key, what, held, right in (
            ("log", "entries", entries, kept),
            ("schema", "statements", statements, int(head.get("statements", 0))),
            ("totals", "tables", totals, int(head.get("totals", 0))),
            ("version index", "keys", versions, int(head.get("versions", 0))),
        )
        if held != right
    ]


def check_format(store: Store, head: Head) -> None:
    """Refuse keys that another ROME wrote, or somebody else.

    Raises:
        StoreRefused: with what was found.
    """
    if head.get("format") not in KNOWN:
        raise foreign(store, head.get("format", b"none"))


def foreign(store: Store, found: bytes) -> StoreRefused:
    """The sentence for keys of another format, or of somebody else (``none``)."""
    where = f"redis at {store.settings.address}: keys {store.keys.prefix}:…"
    if found == b"none":
        return StoreRefused(f"{where} are not ROME's; choose another database name in the URL")
    return StoreRefused(
        f"{where} have format {found.decode(errors='replace')} and this ROME knows formats "
        f"{b', '.join(KNOWN).decode()}; use one that is as new as the one that wrote them"
    )


def missing(settings: Settings) -> OperationalError:
    """The sentence for a database that is not there, where one is to be looked at."""
    return OperationalError(f"redis at {settings.address} holds no database {settings.database!r}")
